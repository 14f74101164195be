//! The language of routes' expressions: `http.path ^= "/a" && any(http.headers.x) == "1"`.
//!
//! `||` binds tighter than `&&`, as in the reference.

mod eval;
mod field;
mod parse;

use std::fmt;

pub use eval::Captured;
pub(crate) use eval::groups;
pub use field::Field;

use crate::pattern::Pattern;

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

/// What every request that an expression accepts must have; found in it without looking at a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Required {
    /// The host.
    pub(crate) host: Option<Box<str>>,
    /// How the path begins.
    pub(crate) path: Option<Box<str>>,
}

impl Expression {
    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::parse(text).map(Self)
    }

    pub(crate) fn required(&self) -> Required {
        let mut required = Required::default();
        require(&self.0, &mut required);
        required
    }
}

fn require(node: &Node, required: &mut Required) {
    match node {
        Node::And(a, b) => {
            require(a, required);
            require(b, required);
        }
        Node::Predicate(Predicate { field, lower: false, any: _, test }) => match (field, test) {
            (Field::Host, Test::Equals(host)) => required.host = Some(host.clone()),
            (Field::Path, Test::Equals(path) | Test::Prefix(path))
                if required.path.as_ref().is_none_or(|known| known.len() < path.len()) =>
            {
                required.path = Some(path.clone());
            }
            _ => {}
        },
        Node::Or(..) | Node::Not(_) | Node::Predicate(_) => {}
    }
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
