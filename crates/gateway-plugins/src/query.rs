//! Arguments of a query.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The first value of an argument, and whether there are others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Argument<'a> {
    /// Not there.
    Absent,
    /// There without a `=`.
    Bare,
    /// There once.
    One(Cow<'a, str>),
    /// There several times.
    Many,
}

/// Looks an argument up; `query` comes without its `?`.
pub(crate) fn argument<'a>(query: &'a [u8], name: &str) -> Argument<'a> {
    let mut values = query.split(|byte| *byte == b'&').filter(|pair| is(pair, name));
    match (values.next(), values.next()) {
        (None, _) => Argument::Absent,
        (Some(_), Some(_)) => Argument::Many,
        (Some(pair), None) => value(pair).map_or(Argument::Bare, Argument::One),
    }
}

/// All values of an argument that has a `=`.
pub(crate) fn arguments<'a>(query: &'a [u8], name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    query.split(|byte| *byte == b'&').filter(move |pair| is(pair, name)).filter_map(value)
}

/// All arguments as an object: `true` without a `=`, a list where there are several.
pub(crate) fn as_json(query: &[u8]) -> Value {
    let mut all = Map::new();
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let key = decode(&pair[..memchr::memchr(b'=', pair).unwrap_or(pair.len())]);
        add(&mut all, &key, value(pair).map_or(Value::Bool(true), |value| Value::String(value.into_owned())));
    }
    Value::Object(all)
}

/// Adds a value; a second one of a name makes a list of both.
pub(crate) fn add(all: &mut Map<String, Value>, name: &str, value: Value) {
    match all.get_mut(name) {
        None => drop(all.insert(name.to_owned(), value)),
        Some(Value::Array(values)) => values.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// The query without an argument; the others stay as they are.
pub(crate) fn without(query: &[u8], name: &str) -> Vec<u8> {
    let kept: Vec<_> = query.split(|byte| *byte == b'&').filter(|pair| !is(pair, name)).collect();
    kept.join(&b'&')
}

/// The query of a target that goes upstream, without its `?`.
pub(crate) fn of(target_query: &[u8]) -> &[u8] {
    target_query.strip_prefix(b"?").unwrap_or(target_query)
}

fn is(pair: &[u8], name: &str) -> bool {
    let key = &pair[..memchr::memchr(b'=', pair).unwrap_or(pair.len())];
    if memchr::memchr2(b'%', b'+', key).is_none() { key == name.as_bytes() } else { decode(key) == name }
}

fn value(pair: &[u8]) -> Option<Cow<'_, str>> {
    memchr::memchr(b'=', pair).map(|at| decode(&pair[at + 1..]))
}

/// `%20` and `+` as a space, as forms have it.
fn decode(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    Cow::Owned(
        String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_decoded_as_forms_are() {
        assert_eq!(argument(b"a=1&k%65y=b+%C3%BC%2F", "key"), Argument::One("b ü/".into()));
        assert_eq!(argument(b"key=1&key=2", "key"), Argument::Many);
        assert_eq!(argument(b"key", "key"), Argument::Bare);
        assert_eq!(argument(b"", "key"), Argument::Absent);
    }

    #[test]
    fn what_is_kept_of_a_query_is_not_written_anew() {
        assert_eq!(without(b"a=x%20y&key=1&b&key", "key"), b"a=x%20y&b");
        assert_eq!(without(b"key=1", "key"), b"");
    }
}
