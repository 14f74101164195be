//! A mean latency that forgets: one atomic word an address.

use std::sync::atomic::{AtomicU64, Ordering};

/// Ticks (hundredths of a second) after which a sample counts for 1/e.
const DECAY: f32 = 1000.0;

/// Seconds as `f32` in the high half, the tick of the last change in the low one.
#[derive(Debug, Default)]
pub(super) struct Latency(AtomicU64);

impl Latency {
    /// The mean, decayed towards 0 for the time it was not touched.
    pub(super) fn decayed(&self, tick: u32) -> f32 {
        let (mean, last) = unpack(self.0.load(Ordering::Relaxed));
        mix(mean, 0.0, tick.wrapping_sub(last))
    }

    /// The mean as it was left.
    pub(super) fn mean(&self) -> f32 {
        unpack(self.0.load(Ordering::Relaxed)).0
    }

    /// Starts with a mean that was not measured.
    pub(super) fn start(&self, mean: f32, tick: u32) {
        self.0.store(pack(mean, tick), Ordering::Relaxed);
    }

    /// Takes a sample in. Of two at the same moment one may be lost.
    pub(super) fn observe(&self, seconds: f32, tick: u32) {
        let old = self.0.load(Ordering::Relaxed);
        let (mean, last) = unpack(old);
        let new = pack(mix(mean, seconds, tick.wrapping_sub(last)), tick);
        self.0.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).ok();
    }
}

fn mix(mean: f32, sample: f32, ticks: u32) -> f32 {
    // A tick a little before the last one (another thread's clock was read later) is no long time ago.
    let passed = if ticks > u32::MAX / 2 { 0.0 } else { ticks as f32 };
    let weight = (-passed / DECAY).exp();
    mean * weight + sample * (1.0 - weight)
}

fn pack(mean: f32, tick: u32) -> u64 {
    (u64::from(mean.to_bits()) << 32) | u64::from(tick)
}

fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}
