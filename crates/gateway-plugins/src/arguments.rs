//! Arguments of queries and forms, to be changed and written anew.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// What stands for itself besides letters and digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Named arguments in the order of their first values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments(Vec<(Vec<u8>, Vec<Argument>)>);

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// Without a `=`.
    Bare,
    Text(Vec<u8>),
}

impl Arguments {
    /// Reads a query without its `?`, or a form. Arguments without a name are dropped.
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut arguments = Self::default();
        for pair in text.split(|byte| *byte == b'&') {
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => (&pair[..at], Argument::Text(decode(&pair[at + 1..]))),
                None => (pair, Argument::Bare),
            };
            if !name.is_empty() {
                arguments.push(&decode(name), value);
            }
        }
        arguments
    }

    /// As a query whose arguments are in the order of their names.
    pub(crate) fn write_sorted(mut self) -> Vec<u8> {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.write()
    }

    /// As a form.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in self.0.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))) {
            if !text.is_empty() {
                text.push(b'&');
            }
            encode(name, &mut text);
            if let Argument::Text(value) = value {
                text.push(b'=');
                encode(value, &mut text);
            }
        }
        text
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.position(name).is_some()
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Vec<Argument>> {
        self.position(name).map(|at| self.0.remove(at).1)
    }

    /// Gives `name` these values in its place, or at the end.
    pub(crate) fn set(&mut self, name: &[u8], values: Vec<Argument>) {
        match self.position(name) {
            Some(at) => self.0[at].1 = values,
            None => self.0.push((name.to_vec(), values)),
        }
    }

    /// Adds a value.
    pub(crate) fn push(&mut self, name: &[u8], value: Argument) {
        match self.position(name) {
            Some(at) => self.0[at].1.push(value),
            None => self.0.push((name.to_vec(), vec![value])),
        }
    }

    /// Adds a value in a way that drops a single one without a `=`.
    pub(crate) fn append(&mut self, name: &[u8], value: Argument) {
        if self.position(name).is_some_and(|at| self.0[at].1 == [Argument::Bare]) {
            self.set(name, vec![value]);
        } else {
            self.push(name, value);
        }
    }

    /// The values of `other`, after those of the same names.
    pub(crate) fn extend(&mut self, other: Self) {
        for (name, values) in other.0 {
            for value in values {
                self.push(&name, value);
            }
        }
    }

    /// Names with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[Argument])> {
        self.0.iter().map(|(name, values)| (&**name, &**values))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|(key, _)| key == name)
    }
}

fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

fn encode(text: &[u8], out: &mut Vec<u8>) {
    out.extend(percent_encode(text, ESCAPED).flat_map(str::bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_written_sorted_and_escaped() {
        let query = Arguments::read(b"a=%7B%7D&c=1+2&b=%C3%BC&d[]=1&d[]=2&=x&&k=a=b&flag&e=");
        let expected = "a=%7B%7D&b=%C3%BC&c=1%202&d%5B%5D=1&d%5B%5D=2&e=&flag&k=a%3Db";
        assert_eq!(String::from_utf8(query.write_sorted()).unwrap(), expected);
        assert!(Arguments::read(b"").is_empty());
    }

    #[test]
    fn values_are_replaced_in_place_and_appended() {
        let mut form = Arguments::read(b"one&two=2");
        form.append(b"one", Argument::Text(b"A".to_vec()));
        form.append(b"one", Argument::Text(b"B".to_vec()));
        form.set(b"two", vec![Argument::Text(b"R".to_vec())]);
        assert_eq!(form.write(), b"one=A&one=B&two=R");
        assert_eq!(form.remove(b"two"), Some(vec![Argument::Text(b"R".to_vec())]));
        assert!(!form.contains(b"two"));
    }
}
