//! Free ports below the range the system uses for outgoing connections, so that none is taken in between.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;

use anyhow::{Result, bail};
use parking_lot::Mutex;

const RANGE: std::ops::Range<u16> = 10_000..30_000;

/// Ports this process gave out; each is given out once.
static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that nobody listens on. Starting at a random place keeps test processes apart.
pub fn free_port() -> Result<u16> {
    let span = RANGE.end - RANGE.start;
    let start = u16::try_from(RandomState::new().hash_one(std::process::id()) % u64::from(span)).unwrap_or(0);
    let mut taken = TAKEN.lock();
    for step in 0..span {
        let port = RANGE.start + (start + step) % span;
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no port between {} and {} is free", RANGE.start, RANGE.end)
}
