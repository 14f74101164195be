//! Header fields as a flat list over one buffer of bytes: case, order and repetition stay as they arrived, and
//! changing a field allocates only when the buffer grows.

use std::ops::Range;

/// Where a text stands in the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end()]
    }

    fn end(self) -> usize {
        self.start as usize + self.len as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

/// Header fields in order. Names are compared without regard to ASCII case.
///
/// Whoever adds fields answers for what they contain: a name must be a token and a value must be free of CR, LF and
/// NUL ([`is_name`], [`is_value`]); the codec accepts nothing else from the network.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Headers {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.position(name).map(|at| self.fields[at].value.of(&self.bytes))
    }

    /// The first value of `name` if it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Whether there is a field `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The fields in order: name, value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// Adds a field at the end.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.append_bytes(name.as_bytes(), value.as_ref());
    }

    /// Adds a field at the end.
    pub fn append_bytes(&mut self, name: &[u8], value: &[u8]) {
        // Stored as the line it will be on the wire, so that writing it is one copy.
        self.bytes.reserve(name.len() + value.len() + 4);
        let name = self.store(name);
        self.bytes.extend_from_slice(b": ");
        let value = self.store(value);
        self.bytes.extend_from_slice(b"\r\n");
        self.fields.push(Field { name, value });
    }

    /// Writes every field as a line `name: value` with its line end, without the empty line after the last.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        // Neighbours in the buffer that are lines already are copied together.
        let mut run = 0..0;
        for field in &self.fields {
            let line = field.name.start as usize..field.value.end() + 2;
            if !self.is_line(field) {
                out.extend_from_slice(&self.bytes[run]);
                run = 0..0;
                out.extend_from_slice(field.name.of(&self.bytes));
                out.extend_from_slice(b": ");
                out.extend_from_slice(field.value.of(&self.bytes));
                out.extend_from_slice(b"\r\n");
            } else if line.start == run.end {
                run.end = line.end;
            } else {
                out.extend_from_slice(&self.bytes[run]);
                run = line;
            }
        }
        out.extend_from_slice(&self.bytes[run]);
    }

    /// How many bytes of memory the list holds on to.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// Takes `block` as the new buffer, without fields: [`Headers::push_span`] says where they are.
    pub(crate) fn load(&mut self, block: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(block);
    }

    /// Adds the field whose name and value stand at these places of the block loaded.
    ///
    /// The block must be smaller than 4 GiB and contain both ranges.
    pub(crate) fn push_span(&mut self, name: Range<usize>, value: Range<usize>) {
        debug_assert!(name.end <= self.bytes.len() && value.end <= self.bytes.len());
        let span = |range: Range<usize>| Span { start: range.start as u32, len: range.len() as u32 };
        self.fields.push(Field { name: span(name), value: span(value) });
    }

    /// Whether the field stands in the buffer the way it is written.
    fn is_line(&self, field: &Field) -> bool {
        let name_end = field.name.end();
        let value_end = field.value.end();
        field.value.start as usize == name_end + 2
            && self.bytes.get(name_end..name_end + 2) == Some(b": ")
            && self.bytes.get(value_end..value_end + 2) == Some(b"\r\n")
    }

    /// Makes `value` the only one of `name`: in the place of the first, or at the end.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let Some(first) = self.position(name) else {
            return self.append(name, value);
        };
        let value = self.store(value.as_ref());
        self.fields[first].value = value;
        let bytes = &self.bytes;
        let mut at = 0;
        self.fields.retain(|field| {
            at += 1;
            at <= first + 1 || !field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes())
        });
    }

    /// Removes every field `name`; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.fields.len();
        self.retain(|field, _| !field.eq_ignore_ascii_case(name.as_bytes()));
        self.fields.len() != before
    }

    /// Keeps the fields for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.fields.retain(|field| keep(field.name.of(bytes), field.value.of(bytes)));
    }

    fn position(&self, name: &str) -> Option<usize> {
        let name = name.as_bytes();
        self.fields.iter().position(|field| {
            field.name.len as usize == name.len() && field.name.of(&self.bytes).eq_ignore_ascii_case(name)
        })
    }

    fn store(&mut self, text: &[u8]) -> Span {
        let start = u32::try_from(self.bytes.len()).expect("heads are limited far below 4 GiB");
        self.bytes.extend_from_slice(text);
        Span { start, len: u32::try_from(text.len()).expect("heads are limited far below 4 GiB") }
    }
}

/// Whether `name` is a token (RFC 9110, 5.6.2).
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| TOKEN[*byte as usize])
}

/// Which bytes a token consists of.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether `value` may stand in a field: no CR, LF or NUL.
pub fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_takes_the_place_of_the_first_and_removes_the_rest() {
        let mut headers = Headers::new();
        headers.append("A", "1");
        headers.append("b", "2");
        headers.append("a", "3");
        headers.set("a", "4");
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [(b"A".as_slice(), b"4".as_slice()), (b"b".as_slice(), b"2".as_slice())]);
        assert!(headers.remove("B") && !headers.contains("b"));
    }
}
