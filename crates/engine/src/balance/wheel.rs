//! The wheel of weighted turns.

use super::splitmix;

/// More positions than this are scaled down: the shares stay within one position of what was asked for.
const LIMIT: u64 = 1 << 20;

/// One position for each greatest common part of the weights, in an order that the seed decides. Empty without weight.
pub(super) fn wheel(weights: &[u32], seed: u64) -> Box<[u32]> {
    let divisor = weights.iter().fold(0, |a, &b| gcd(a, u64::from(b))).max(1);
    let total: u64 = weights.iter().map(|&w| u64::from(w) / divisor).sum();
    let mut order = Vec::with_capacity(total.min(LIMIT) as usize);
    for (index, &weight) in weights.iter().enumerate() {
        let mut positions = u64::from(weight) / divisor;
        if total > LIMIT && positions > 0 {
            positions = (u128::from(positions) * u128::from(LIMIT) / u128::from(total)).max(1) as u64;
        }
        order.extend((0..positions).map(|_| index as u32));
    }
    shuffle(&mut order, seed);
    order.into_boxed_slice()
}

fn shuffle(order: &mut [u32], seed: u64) {
    for last in (1..order.len()).rev() {
        let other = splitmix(seed.wrapping_add(last as u64)) % (last as u64 + 1);
        order.swap(last, other as usize);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
