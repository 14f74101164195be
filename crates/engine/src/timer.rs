//! Timeouts between two signs of life.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a tick of a worker is.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// From here on a timeout may be over some ticks later than it says.
const LONG: Duration = Duration::from_secs(10);

/// How many unused timers are kept.
const KEPT: usize = 64;

/// No tick.
const NEVER: u64 = u64::MAX;

/// How many ticks a time takes, rounded up. One more must pass for it to be over, as the current one has begun already.
pub(crate) fn ticks(time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    milliseconds.div_ceil(TICK.as_millis() as u64)
}

/// A worker's timers.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Ticks since the start: a clock that costs nothing to read.
    now: Rc<Cell<u64>>,
    free: RefCell<Vec<Timer>>,
    alarms: RefCell<Vec<Rc<Alarm>>>,
}

/// What becomes of a long timeout.
#[derive(Debug)]
struct Alarm {
    now: Rc<Cell<u64>>,
    /// The tick at which it is over.
    due: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// Runs from the first time something has to wait until the next sign of life. What never waits pays nothing.
///
/// One that is used again is cheap, and a long one, which hardly ever ends, costs no more than two numbers: that it is
/// over is found out at a tick.
#[derive(Debug)]
pub(crate) struct Timer {
    alarm: Rc<Alarm>,
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Timers {
    /// Ticks so far.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// A timer that does not run.
    pub(crate) fn take(&self) -> Timer {
        self.free.borrow_mut().pop().unwrap_or_else(|| {
            let alarm = Alarm { now: Rc::clone(&self.now), due: Cell::new(NEVER), waker: RefCell::default() };
            let alarm = Rc::new(alarm);
            self.alarms.borrow_mut().push(Rc::clone(&alarm));
            Timer { alarm, sleep: None, running: false }
        })
    }

    /// Takes an unused one back.
    pub(crate) fn give(&self, mut timer: Timer) {
        timer.stop();
        // The task that it woke may be at its end, and lives on as long as somebody may wake it.
        timer.alarm.waker.take();
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT {
            free.push(timer);
        }
    }

    /// A tick has passed.
    pub(crate) fn tick(&self) {
        let now = self.now.get() + 1;
        self.now.set(now);
        self.alarms.borrow_mut().retain(|alarm| {
            if alarm.due.get() <= now
                && let Some(waker) = alarm.waker.take()
            {
                waker.wake();
            }
            Rc::strong_count(alarm) > 1
        });
    }
}

impl Timer {
    /// Ready once `limit` has passed since the first call after [`Self::stop`].
    pub(crate) fn poll_over(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        let begins = !std::mem::replace(&mut self.running, true);
        if limit >= LONG { self.alarm.poll(begins, limit, context) } else { self.poll_sleep(begins, limit, context) }
    }

    fn poll_sleep(&mut self, begins: bool, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) if begins => sleep.as_mut().reset(Instant::now() + limit),
            Some(_) => {}
            None => self.sleep = Some(Box::pin(sleep_until(Instant::now() + limit))),
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    /// A sign of life.
    pub(crate) fn stop(&mut self) {
        self.running = false;
        self.alarm.due.set(NEVER);
    }
}

impl Alarm {
    fn poll(&self, begins: bool, limit: Duration, context: &Context<'_>) -> Poll<()> {
        let now = self.now.get();
        if begins {
            self.due.set(now.saturating_add(ticks(limit)).saturating_add(1));
        } else if self.due.get() <= now {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_long_timeout_is_over_after_its_ticks_and_begins_anew_with_a_sign_of_life() {
        let (timers, woken) = (Timers::default(), Arc::<Woken>::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut timer = timers.take();
        for times in 1..=2 {
            for _ in 0..=ticks(LONG) {
                assert!(timer.poll_over(LONG, &mut context).is_pending());
                timers.tick();
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), times);
            assert!(timer.poll_over(LONG, &mut context).is_ready());
            timer.stop();
        }
        timers.tick();
        assert_eq!((timers.now(), woken.0.load(Ordering::Relaxed)), (83, 2));
    }

    #[test]
    fn timers_are_known_as_long_as_they_are_used() {
        let timers = Timers::default();
        let many: Vec<Timer> = (0..KEPT * 2).map(|_| timers.take()).collect();
        many.into_iter().for_each(|timer| timers.give(timer));
        timers.tick();
        assert_eq!(timers.alarms.borrow().len(), KEPT);
    }
}
