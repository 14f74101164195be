//! Which of several routes that match a request is taken.

use uuid::Uuid;

use crate::spec::{Flavor, RouteSpec};

/// The larger is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64, u64, Wide, usize);

/// A number of 128 bits, its upper half first. A rank is kept for every path of every route, and the usual type would
/// have it aligned to more than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wide(u64, u64);

impl From<u128> for Wide {
    fn from(number: u128) -> Self {
        Self((number >> 64) as u64, number as u64)
    }
}

/// The names of routes that were split are made of this.
const SPLIT: Uuid = Uuid::from_u128(0x7f145bf9_0dce_4f91_98eb_debbce4b9f6b);

/// A group of a route's paths that rank alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paths {
    /// The route has none.
    None,
    /// Prefixes of this length.
    Prefix(usize),
    /// Regular expressions.
    Regex,
}

/// The rank of a route's expression: above all routes without.
pub(crate) fn of_expression(spec: &RouteSpec) -> Rank {
    Rank(0xff << 56 | spec.priority & ((1 << 56) - 1), 0, number(&spec.id).into(), 0)
}

/// The rank of one group of a route's paths; `part` is its number, from 1, if there are several. `wildcard`: under a
/// host with a wildcard.
pub(crate) fn of_fields(flavor: Flavor, spec: &RouteSpec, paths: Paths, part: Option<usize>, wildcard: bool) -> Rank {
    match flavor {
        Flavor::Traditional => traditional(spec, paths, wildcard),
        Flavor::TraditionalCompatible | Flavor::Expressions => compatible(spec, paths, part),
    }
}

/// The reference computes 64 bits with 32-bit arithmetic: counts and lengths come out in the lower half and their
/// carry fills the upper one, where only two bits are set as they were meant to be. Users' routes are ordered by
/// that, so it is followed to the bit.
fn compatible(spec: &RouteSpec, paths: Paths, part: Option<usize>) -> Rank {
    let mut low = (criteria(spec) as u32) << 29;
    low |= (spec.headers.len().min(255) as u32) << 20;
    let mut high = 0_u64;
    match paths {
        Paths::None => {}
        Paths::Prefix(length) => low |= length as u32 & 0x7_ffff,
        Paths::Regex => {
            low |= (spec.regex_priority as u32) << 19;
            high |= 1 << 51;
        }
    }
    if !spec.hosts.is_empty() && !spec.hosts.iter().any(|host| host.contains('*')) {
        high |= 1 << 60;
    }
    let id = match part {
        Some(part) => Uuid::new_v5(&SPLIT, format!("{}#{part}", spec.id).as_bytes()).as_u128(),
        None => number(&spec.id),
    };
    Rank(low.cast_signed() as i64 as u64 | high, 0, id.into(), 0)
}

/// What counts first is how the request matched: a host to the letter, a pattern.
fn traditional(spec: &RouteSpec, paths: Paths, wildcard: bool) -> Rank {
    let category = u64::from(!spec.hosts.is_empty()) << 6
        | u64::from(!spec.headers.is_empty()) << 5
        | u64::from(!spec.paths.is_empty()) << 4
        | u64::from(!spec.methods.is_empty()) << 3
        | u64::from(!spec.snis.is_empty()) << 2
        | u64::from(!spec.sources.is_empty()) << 1
        | u64::from(!spec.destinations.is_empty());
    let has_wildcard = spec.hosts.iter().any(|host| host.contains('*'));
    let has_wildcard_port = spec.hosts.iter().any(|host| host.contains('*') && host.contains(':'));
    let has_regex = spec.paths.iter().any(|path| path.starts_with('~'));
    let submatch = u64::from(has_wildcard_port) << 2
        | u64::from(!spec.hosts.is_empty() && !has_wildcard) << 1
        | u64::from(has_regex);
    let regex = if has_regex { (spec.regex_priority.clamp(-(1 << 30), 1 << 30) + (1 << 31)) as u64 } else { 0 };
    let plain = spec.paths.iter().filter(|path| !path.starts_with('~'));
    let longest = plain.map(|path| path.len()).max().unwrap_or(0) as u64;
    let exact_host = !spec.hosts.is_empty() && !wildcard;
    let matched = u64::from(exact_host) << 1 | u64::from(paths == Paths::Regex);
    let first = (criteria(spec) as u64) << 24 | category << 16 | matched << 12 | submatch << 8;
    let second = (spec.headers.len().min(255) as u64) << 56 | regex << 20 | longest.min((1 << 20) - 1);
    let older = !((spec.created_at.max(0.0) * 1000.0) as u64);
    // All paths of a route rank alike; among them patterns are asked first, then the longest.
    let within = match paths {
        Paths::None => 0,
        Paths::Prefix(length) => length,
        Paths::Regex => usize::MAX,
    };
    Rank(first, second, Wide(older, (number(&spec.id) >> 64) as u64), within)
}

fn criteria(spec: &RouteSpec) -> usize {
    [
        !spec.methods.is_empty(),
        !spec.hosts.is_empty(),
        !spec.headers.is_empty(),
        !spec.paths.is_empty(),
        !spec.snis.is_empty(),
        !spec.sources.is_empty(),
        !spec.destinations.is_empty(),
    ]
    .into_iter()
    .filter(|set| *set)
    .count()
}

fn number(id: &str) -> u128 {
    Uuid::try_parse(id).map_or(0, |id| id.as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(hosts: &[&str], methods: usize, headers: usize, paths: Paths) -> u64 {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
        let spec = RouteSpec {
            hosts: texts(hosts),
            methods: texts(&["GET"][..methods]),
            headers: (0..headers).map(|_| ("x".into(), vec![])).collect(),
            paths: if paths == Paths::None { vec![] } else { texts(&["/a"]) }.into(),
            ..RouteSpec::default()
        };
        compatible(&spec, paths, None).0
    }

    #[test]
    fn ranks_are_those_of_the_reference() {
        let prefix = Paths::Prefix(2);
        assert_eq!(rank(&[], 0, 0, prefix), 0x0000_0000_2000_0002);
        assert_eq!(rank(&[], 1, 0, prefix), 0x0000_0000_4000_0002);
        assert_eq!(rank(&[], 1, 1, prefix), 0x0000_0000_6010_0002);
        assert_eq!(rank(&["*.a"], 1, 0, prefix), 0x0000_0000_6000_0002);
        assert_eq!(rank(&[], 0, 0, Paths::Regex), 0x0008_0000_2000_0000);
        assert_eq!(rank(&["a"], 0, 0, Paths::None), 0x1000_0000_2000_0000);
        assert_eq!(rank(&["a"], 0, 0, prefix), 0x1000_0000_4000_0002);
        assert_eq!(rank(&["a"], 0, 0, Paths::Regex), 0x1008_0000_4000_0000);
        assert_eq!(rank(&["*.a"], 1, 1, prefix), 0xffff_ffff_8010_0002);
    }
}
