//! The language of routes' expressions: `http.path ^= "/a" && any(http.headers.x) == "1"`.
//!
//! `||` binds tighter than `&&`, as in the reference.

mod eval;
mod field;
mod parse;

use std::fmt;

pub use eval::Captured;
pub use field::Field;

use crate::pattern::Pattern;
use crate::place::{HostKey, Label, Place, Text, both, either};

/// Longest expression, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 100;

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Expression(Node);

#[derive(Clone, Debug)]
enum Node {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Predicate(Predicate),
}

#[derive(Clone, Debug)]
struct Predicate {
    field: Field,
    lower: bool,
    any: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(Box<str>),
    Differs(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Regex(Pattern),
    Number(Comparison, i64),
    Address(Ip, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    address: std::net::IpAddr,
    bits: u8,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// Offset in bytes of what is wrong.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

impl Expression {
    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::parse(text).map(Self)
    }

    /// Every request that is accepted is at one of these places; found without looking at a request.
    pub(crate) fn places(&self) -> Vec<Place> {
        places(&self.0)
    }
}

fn places(node: &Node) -> Vec<Place> {
    match node {
        Node::And(a, b) => both(places(a), places(b)),
        Node::Or(a, b) => either(places(a), places(b)),
        Node::Predicate(predicate) => vec![place(predicate)],
        Node::Not(_) => vec![Place::default()],
    }
}

fn place(predicate: &Predicate) -> Place {
    let mut place = Place::default();
    match (&predicate.field, &predicate.test, predicate.lower) {
        (Field::Host, Test::Equals(host), false) => place.host = HostKey::Exact(host.as_bytes().into()),
        (Field::Host, Test::Suffix(end), false) => {
            if let Some(dot) = end.find('.') {
                place.host = HostKey::Suffix(end[dot..].as_bytes().into());
            }
        }
        (Field::Host, Test::Prefix(start), false) => {
            if let Some(dot) = start.rfind('.') {
                place.host = HostKey::Prefix(start[..=dot].as_bytes().into());
            }
        }
        (Field::Path, Test::Equals(path) | Test::Prefix(path), false) => place.spot.prefix = prefix(path.as_bytes()),
        (Field::Path, Test::Regex(pattern), false) => place.spot.prefix = prefix(pattern.head()),
        (Field::Header(name), Test::Equals(value), _) => place.spot.header = Some(Box::new(Label::new(name, value))),
        _ => {}
    }
    place
}

fn prefix(path: &[u8]) -> Option<Text> {
    (!path.is_empty()).then(|| path.into())
}

impl Ip {
    /// Reads `10.0.0.1` or `10.0.0.0/8`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: std::net::IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether the address is this one, or in this network.
    pub fn contains(self, ip: std::net::IpAddr) -> bool {
        use std::net::IpAddr::{V4, V6};
        let (ours, theirs, width) = match (self.address, ip.to_canonical()) {
            (V4(a), V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (V6(a), V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let shift = width - u32::from(self.bits);
        ours.checked_shr(shift).unwrap_or(0) == theirs.checked_shr(shift).unwrap_or(0)
    }

    /// How many bits of it count.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether it is one address.
    pub fn is_single(self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests;
