//! The ring of consistent hashing. Where an address stands depends on nothing but names, ports, weights and the size
//! of the ring, so that all nodes with the same configuration agree, other implementations of the same ring included.

use super::Target;

const DEFAULT_SLOTS: u32 = 1000;
const MAX_SLOTS: u32 = 1 << 24;
/// Positions of each target when all weigh the same.
const POINTS: f64 = 160.0;
const FREE: u32 = u32::MAX;

/// The hash by which requests and addresses are placed: xxHash32, seed 0.
pub fn hash(value: &[u8]) -> u32 {
    xxhash_rust::xxh32::xxh32(value, 0)
}

/// One address to be placed.
pub(super) struct Place<'a> {
    pub(super) target: &'a Target,
    pub(super) name: &'a str,
    pub(super) port: u16,
    pub(super) weight: u32,
    pub(super) index: u32,
}

/// The owner of every position. A free position belongs to the next owner downwards. Empty without weight.
pub(super) fn ring(mut places: Vec<Place<'_>>, targets: usize, slots: u32) -> Box<[u32]> {
    let size = if (DEFAULT_SLOTS..=MAX_SLOTS).contains(&slots) { slots } else { DEFAULT_SLOTS };
    let total: u64 = places.iter().map(|p| u64::from(p.weight)).sum();
    if total == 0 {
        return Box::default();
    }
    places.sort_by_cached_key(|p| (p.target.name.clone(), p.target.port, format!("{}:{}", p.name, p.port)));
    let mut owners = vec![FREE; size as usize];
    for place in &places {
        set(&mut owners, place, total, targets);
    }
    fill(&mut owners);
    owners.into_boxed_slice()
}

fn set(owners: &mut [u32], place: &Place<'_>, total: u64, targets: usize) {
    if place.weight == 0 {
        return;
    }
    let size = owners.len() as u64;
    let share = f64::from(place.weight) / total as f64;
    let mut points = ((share * targets as f64 * POINTS).floor() as u64).max(1);
    let mut point = 1;
    while point <= points {
        if point > size {
            tracing::warn!(address = place.name, port = place.port, slots = size, "The ring is too small: raise slots");
            return;
        }
        let slot = &mut owners
            [(u64::from(hash(format!("{}::{} {point}", place.name, place.port).as_bytes())) % size) as usize];
        if *slot == FREE {
            *slot = place.index;
        } else {
            points += 1;
        }
        point += 1;
    }
}

fn fill(owners: &mut [u32]) {
    // Below the lowest point the ring goes on with the highest one.
    let mut owner = owners.iter().rev().copied().find(|&o| o != FREE).unwrap_or(FREE);
    for slot in owners {
        if *slot == FREE {
            *slot = owner;
        }
        owner = *slot;
    }
}
