//! Where generated values come from outside of tests of the model.

use std::sync::Arc;

use base::Clock;
use gateway_model::schema::Source;
use uuid::Uuid;

use crate::pace::Pace;

/// The clock and the system's randomness.
#[derive(Debug)]
pub struct Rim {
    clock: Arc<dyn Clock>,
    /// How long work goes on.
    pace: Option<Pace>,
}

impl Rim {
    /// Generated values of the time that `clock` tells.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, pace: None }
    }

    /// The same during work that may be long.
    pub(crate) fn paced(clock: Arc<dyn Clock>, pace: Pace) -> Self {
        Self { clock, pace: Some(pace) }
    }
}

impl Source for Rim {
    fn now_ms(&mut self) -> u64 {
        u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        // Bytes 6 and 8 of a random UUID hold bits that are always the same.
        for chunk in buffer.chunks_mut(14) {
            let random = Uuid::new_v4().into_bytes();
            let mut bytes = random[..6].iter().chain(&random[7..8]).chain(&random[9..]);
            for byte in chunk {
                *byte = *bytes.next().expect("a UUID has fourteen random bytes");
            }
        }
    }

    fn pause(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.step();
        }
    }
}
