//! What leaves a worker at the end of its turn.
//!
//! A worker that is woken finds many connections ready. It does first what it can do for all of them, and then sends
//! what came of it: the kernel's way down is long, and shorter for each when it is not left in between; and who gets
//! several messages is woken once. Nothing waits for longer than the tasks take that were ready with it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::buffer::Buffers;
use crate::socket::Shared;

/// The sockets of a worker to which something was posted.
#[derive(Debug)]
pub(crate) struct Outbox {
    noted: RefCell<Vec<Rc<Shared>>>,
    /// Those that do not take it for now, with the tick from which on nobody waits for them.
    slow: RefCell<Vec<(Rc<Shared>, u64)>>,
    /// How many ticks a socket may take nothing.
    patience: u64,
    now: Cell<u64>,
    waker: RefCell<Option<Waker>>,
    buffers: Rc<Buffers>,
}

impl Outbox {
    /// A socket may take nothing for `patience` ticks.
    pub(crate) fn new(patience: u64, buffers: Rc<Buffers>) -> Self {
        Self {
            noted: RefCell::default(),
            slow: RefCell::default(),
            patience,
            now: Cell::new(0),
            waker: RefCell::default(),
            buffers,
        }
    }

    /// What is posted is put into one of these, and given back to them.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Something was posted to this socket.
    pub(crate) fn note(&self, socket: Rc<Shared>) {
        let mut noted = self.noted.borrow_mut();
        noted.push(socket);
        if noted.len() == 1
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Sends what was posted, whenever there is something. Runs as a task of its own, which has its turn behind those
    /// that were ready when something was posted.
    pub(crate) async fn run(&self) {
        poll_fn(|context| {
            if !self.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *self.waker.borrow_mut() = Some(context.waker().clone());
            }
            self.send(context);
            Poll::<()>::Pending
        })
        .await;
    }

    /// Ready once everything has left, or nobody waits for it any more.
    pub(crate) fn poll_empty(&self, context: &mut Context<'_>) -> Poll<()> {
        self.send(context);
        if self.slow.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn send(&self, context: &mut Context<'_>) {
        self.slow.borrow_mut().retain(|(socket, until)| {
            let waits = socket.poll_drain(context).is_pending() && *until > self.now.get();
            if !waits {
                self.buffers.give_stage(socket.forget());
            }
            waits
        });
        for socket in self.noted.borrow_mut().drain(..) {
            if socket.poll_drain(context).is_pending() {
                self.slow.borrow_mut().push((socket, self.now.get() + self.patience));
            } else {
                self.buffers.give_stage(socket.forget());
            }
        }
    }

    /// Called at every tick.
    pub(crate) fn tick(&self, now: u64) {
        self.now.set(now);
        if !self.slow.borrow().is_empty()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::AsyncReadExt as _;
    use tokio::task::LocalSet;

    use super::*;
    use crate::socket::Socket;
    use crate::socket::tests::pair;

    fn outbox() -> Rc<Outbox> {
        Rc::new(Outbox::new(3, Rc::default()))
    }

    /// Writes until nothing more is taken; how much was.
    async fn fill(socket: &Socket) -> usize {
        let mut taken = 0;
        poll_fn(|context| {
            while let Poll::Ready(count) = socket.poll_send(context, &[1; 64 * 1024]) {
                taken += count.unwrap();
            }
            Poll::Ready(())
        })
        .await;
        taken
    }

    async fn is_empty(outbox: &Outbox) -> bool {
        poll_fn(|context| Poll::Ready(outbox.poll_empty(context).is_ready())).await
    }

    #[tokio::test]
    async fn what_is_posted_leaves_after_the_turn_even_if_its_socket_is_gone() {
        let outbox = outbox();
        let sending = Rc::clone(&outbox);
        let tasks = LocalSet::new();
        tasks.spawn_local(async move { sending.run().await });
        let posting = async {
            let (near, mut far) = pair().await;
            near.post(&outbox, b"late".to_vec());
            drop(near);
            // Nothing of it has left before others had their turn.
            assert_eq!(far.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let mut read = String::new();
            far.read_to_string(&mut read).await.unwrap();
            assert_eq!(read, "late");
        };
        tasks.run_until(posting).await;
    }

    #[tokio::test]
    async fn a_slow_socket_gets_everything_in_order() {
        let outbox = outbox();
        let (near, mut far) = pair().await;
        let before = fill(&near).await;
        near.post(&outbox, vec![2; 10_000]);
        assert!(!is_empty(&outbox).await);
        let writing = async {
            let sent = poll_fn(|context| near.poll_send(context, &[3; 10])).await.unwrap();
            assert!(is_empty(&outbox).await);
            drop(near);
            sent
        };
        let mut read = Vec::new();
        let (sent, count) = tokio::join!(writing, far.read_to_end(&mut read));
        assert_eq!(count.unwrap(), before + 10_000 + sent);
        assert!(read.is_sorted() && read.iter().filter(|byte| **byte == 2).count() == 10_000);
    }

    #[tokio::test]
    async fn a_socket_that_takes_nothing_is_given_up() {
        let outbox = outbox();
        let (near, far) = pair().await;
        fill(&near).await;
        near.post(&outbox, vec![2; 10_000]);
        drop(near);
        assert!(!is_empty(&outbox).await);
        outbox.tick(2);
        assert!(!is_empty(&outbox).await);
        outbox.tick(3);
        assert!(is_empty(&outbox).await);
        drop(far);
    }

    #[tokio::test]
    async fn what_could_not_be_sent_is_told() {
        let outbox = outbox();
        let (near, far) = pair().await;
        far.set_zero_linger().unwrap();
        drop(far);
        poll_fn(|context| near.poll_readable(context)).await.unwrap();
        near.post(&outbox, vec![2; 10]);
        assert_eq!(near.unsent(), 0);
        assert!(is_empty(&outbox).await);
        assert_eq!(near.unsent(), 10);
        let read: io::Result<usize> = poll_fn(|context| near.poll_recv(context, &mut [0])).await;
        assert!(read.is_err() || read.unwrap() == 0);
        assert!(poll_fn(|context| near.poll_send(context, &[1])).await.is_err());
    }
}
