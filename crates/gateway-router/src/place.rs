//! Where in the index a route is looked for: what a request must have for the route to be asked at all.

use std::sync::Arc;

/// A key of the index: the very text of the route's document, where it can be.
pub(crate) type Text = Arc<[u8]>;

/// What a request must have; everything that is told must be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) host: HostKey,
    pub(crate) spot: Spot,
}

/// The host a request must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum HostKey {
    #[default]
    Any,
    Exact(Text),
    /// How it ends, with the dot.
    Suffix(Text),
    /// How it begins, with the dot.
    Prefix(Text),
}

/// What a request must have besides the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    /// How the path begins.
    pub(crate) prefix: Option<Text>,
    /// A field with a value.
    pub(crate) header: Option<Box<Label>>,
}

/// A header field by its name, in lower case with `-`, and one of its values, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub(crate) name: Box<str>,
    pub(crate) value: Box<[u8]>,
}

/// At how many places a route is put at most; one with more alternatives is asked always.
const MOST: usize = 256;

impl Label {
    pub(crate) fn new(name: &str, value: &str) -> Self {
        let name = name.replace('_', "-").to_ascii_lowercase().into();
        Self { name, value: crate::request::lower(value.as_bytes()).into() }
    }
}

impl Place {
    /// A place for requests that are at both.
    fn narrowed(&self, other: &Self) -> Self {
        let strength = |host: &HostKey| match host {
            HostKey::Any => 0,
            HostKey::Prefix(_) => 1,
            HostKey::Suffix(_) => 2,
            HostKey::Exact(_) => 3,
        };
        let length = |place: &Self| place.spot.prefix.as_ref().map_or(0, |prefix| prefix.len());
        let host = if strength(&other.host) > strength(&self.host) { &other.host } else { &self.host };
        let by_path = if length(other) > length(self) { other } else { self };
        let header = self.spot.header.as_ref().or(other.spot.header.as_ref());
        Self { host: host.clone(), spot: Spot { prefix: by_path.spot.prefix.clone(), header: header.cloned() } }
    }
}

/// Places for requests that are at one of the first and at one of the second.
pub(crate) fn both(first: Vec<Place>, second: Vec<Place>) -> Vec<Place> {
    if first.len() * second.len() > MOST {
        return if first.len() < second.len() { first } else { second };
    }
    first.iter().flat_map(|one| second.iter().map(|other| one.narrowed(other))).collect()
}

/// Places for requests that are at one of either.
pub(crate) fn either(mut first: Vec<Place>, second: Vec<Place>) -> Vec<Place> {
    for place in second {
        if !first.contains(&place) {
            first.push(place);
        }
    }
    if first.len() > MOST || first.contains(&Place::default()) { vec![Place::default()] } else { first }
}
