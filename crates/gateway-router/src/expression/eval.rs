//! Expressions on requests.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{Comparison, Expression, Field, Node, Predicate, Test};
use crate::request::{Request, lower};

/// What an evaluation found in the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// How much of the path was matched from its beginning: what is stripped.
    pub path: Option<usize>,
    /// Groups of the regular expression that matched the path: name or number from 1, and text.
    pub groups: Vec<(Box<str>, Box<str>)>,
}

impl Expression {
    /// Whether the request is accepted. What was found in the path is noted, of all predicates that held on the way.
    pub fn matches(&self, request: &Request<'_>, captured: &mut Captured) -> bool {
        holds(&self.0, request, captured)
    }
}

fn holds(node: &Node, request: &Request<'_>, captured: &mut Captured) -> bool {
    match node {
        Node::And(a, b) => holds(a, request, captured) && holds(b, request, captured),
        Node::Or(a, b) => holds(a, request, captured) || holds(b, request, captured),
        Node::Not(node) => !holds(node, request, captured),
        Node::Predicate(predicate) => predicate.holds(request, captured),
    }
}

impl Predicate {
    fn holds(&self, request: &Request<'_>, captured: &mut Captured) -> bool {
        match &self.field {
            Field::Protocol => self.text(if request.tls { b"https" } else { b"http" }, captured, false),
            Field::Sni => request.sni.is_some_and(|sni| self.text(sni.as_bytes(), captured, false)),
            Field::Method => self.text(request.method.as_bytes(), captured, false),
            Field::Host => !request.host.is_empty() && self.text(request.host, captured, false),
            Field::Path => self.text(request.path, captured, true),
            Field::Segments(first, last) => {
                segments(request.path, *first, *last).is_some_and(|text| self.text(text, captured, false))
            }
            Field::SegmentCount => self.number(segment_count(request.path)),
            Field::Header(name) => self.values(captured, |visit| request.headers.any(name, visit)),
            Field::Query(name) => self.values(captured, |visit| {
                form_urlencoded::parse(request.query).any(|(key, value)| key == **name && visit(value.as_bytes()))
            }),
            Field::SourceIp => self.address(request.source.ip()),
            Field::SourcePort => self.number(request.source.port().into()),
            Field::DestinationIp => self.address(request.destination.ip()),
            Field::DestinationPort => self.number(request.destination.port().into()),
        }
    }

    /// A field with several values: the test must hold for one of them with `any`, else for all. Without a value it
    /// does not hold.
    fn values(&self, captured: &mut Captured, each: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool) -> bool) -> bool {
        let mut some = false;
        let stopped = each(&mut |value| {
            some = true;
            // Stops at the first that decides.
            self.text(value, captured, false) == self.any
        });
        if self.any { stopped } else { some && !stopped }
    }

    fn text(&self, value: &[u8], captured: &mut Captured, is_path: bool) -> bool {
        let value = if self.lower { lower(value) } else { Cow::Borrowed(value) };
        // What a predicate found counts by its length alone, wherever in the path it was, as in the reference.
        let note = |holds: bool, found: &str, captured: &mut Captured| {
            if holds && is_path {
                captured.path = Some(found.len());
            }
        };
        match &self.test {
            Test::Equals(text) => {
                let holds = *value == *text.as_bytes();
                note(holds, text, captured);
                holds
            }
            Test::Differs(text) => *value != *text.as_bytes(),
            Test::Prefix(text) => {
                let holds = value.starts_with(text.as_bytes());
                note(holds, text, captured);
                holds
            }
            Test::Suffix(text) => {
                let holds = value.ends_with(text.as_bytes());
                note(holds, text, captured);
                holds
            }
            Test::Contains(text) => memchr::memmem::find(&value, text.as_bytes()).is_some(),
            Test::Regex(regex) if !is_path => regex.is_match(&value),
            Test::Regex(regex) => {
                let Some(length) = regex.find(&value, &mut captured.groups) else { return false };
                captured.path = Some(length);
                true
            }
            Test::Number(..) | Test::Address(..) => false,
        }
    }

    fn number(&self, value: i64) -> bool {
        let Test::Number(comparison, with) = &self.test else { return false };
        match comparison {
            Comparison::Equal => value == *with,
            Comparison::NotEqual => value != *with,
            Comparison::Greater => value > *with,
            Comparison::GreaterOrEqual => value >= *with,
            Comparison::Less => value < *with,
            Comparison::LessOrEqual => value <= *with,
        }
    }

    fn address(&self, ip: IpAddr) -> bool {
        matches!(&self.test, Test::Address(network, wanted) if network.contains(ip) == *wanted)
    }
}

/// What is between the first slash and the last, if the path ends in one.
fn inner(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

fn segment_count(path: &[u8]) -> i64 {
    let inner = inner(path);
    if inner.is_empty() { 0 } else { inner.split(|byte| *byte == b'/').count() as i64 }
}

/// The segments from `first` to `last`, with the slashes between them; `None` if the path has fewer.
fn segments(path: &[u8], first: usize, last: usize) -> Option<&[u8]> {
    let inner = inner(path);
    let mut start = (first == 0).then_some(0);
    let mut number = 0;
    for (at, byte) in inner.iter().enumerate() {
        if *byte == b'/' {
            if number == last {
                return start.map(|start| &inner[start..at]);
            }
            number += 1;
            if number == first {
                start = Some(at + 1);
            }
        }
    }
    (number == last && !inner.is_empty()).then(|| start.map(|start| &inner[start..])).flatten()
}
