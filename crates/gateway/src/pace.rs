//! Long work in small steps.

use std::thread;
use std::time::{Duration, Instant};

/// What is done before others may be let go first: most changes take not much more.
const FIRST: Duration = Duration::from_micros(200);

/// How long work goes on at a time.
const TURN: Duration = Duration::from_micros(50);

/// How long others are waited for in all. While they have always something to do, the rest is done with what the system
/// gives this thread.
const PATIENCE: Duration = Duration::from_millis(100);

/// Steps between two looks at the clock.
const STEPS: u8 = 4;

/// Lets others go first, again and again: a thread that has become ready, of a worker for example, waits for one that
/// runs for longer than a request takes.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    turn: Instant,
    patience: Duration,
    steps: u8,
}

impl Pace {
    /// Work that begins now.
    pub(crate) fn new() -> Self {
        Self { turn: Instant::now() + FIRST, patience: PATIENCE, steps: 0 }
    }

    /// Called for each of many small steps.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        if self.steps < STEPS {
            return;
        }
        self.steps = 0;
        let now = Instant::now();
        if now.saturating_duration_since(self.turn) < TURN {
            return;
        }
        if !self.patience.is_zero() {
            thread::yield_now();
        }
        self.turn = Instant::now();
        self.patience = self.patience.saturating_sub(self.turn - now);
    }
}
