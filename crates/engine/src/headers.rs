//! Header fields as a flat list over one buffer of bytes: case, order and repetition stay as they arrived, and
//! changing a field allocates only when the buffer grows.

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
    kind: Kind,
    /// Whether it stands in the buffer the way it is written: `name: value` and the line end.
    line: bool,
}

/// A number from 0 to 63 that equal names share and most others do not: what tells in a few instructions that a name
/// is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind(u8);

impl Kind {
    #[inline]
    const fn of(name: &[u8]) -> Self {
        let (last, before) = match name {
            [.., before, last] => (*last, *before),
            [last] => (*last, 0),
            [] => (0, 0),
        };
        // Setting this bit makes upper case lower, and what else it makes the same does no harm. The factors are those
        // with which the usual names differ most.
        let letters = (last | 0x20).wrapping_mul(3).wrapping_add((before | 0x20).wrapping_mul(27));
        Self((name.len() as u8).wrapping_mul(13).wrapping_add(letters) & 63)
    }

    const fn bit(self) -> u64 {
        1 << self.0
    }
}

/// Whether two names are the same.
///
/// Nearly all that are, are so to the letter, which a comparison of memory tells: names are best looked for in the
/// spelling that is usual in HTTP/1.
#[inline]
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a == b || is_same_but_for_case(a, b)
}

#[inline(never)]
fn is_same_but_for_case(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Names that are looked for together, see [`Headers::remove_any`].
#[derive(Clone, Copy, Debug)]
pub struct Names {
    kinds: u64,
    names: &'static [&'static str],
    /// Where the first name of each kind is.
    first: [u8; 64],
}

impl Names {
    /// None.
    pub const NONE: Self = Self::new(&[]);

    /// These names.
    pub const fn new(names: &'static [&'static str]) -> Self {
        assert!(names.len() <= u8::MAX as usize);
        let (mut kinds, mut first) = (0, [0; 64]);
        let mut at = names.len();
        while at > 0 {
            at -= 1;
            let kind = Kind::of(names[at].as_bytes());
            kinds |= kind.bit();
            first[kind.0 as usize] = at as u8;
        }
        Self { kinds, names, first }
    }

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &[u8]) -> bool {
        let kind = Kind::of(name);
        self.may_contain(kind) && self.compare(kind, name)
    }

    fn may_contain(&self, kind: Kind) -> bool {
        self.kinds >> kind.0 & 1 != 0
    }

    fn compare(&self, kind: Kind, name: &[u8]) -> bool {
        let of_kind = &self.names[usize::from(self.first[usize::from(kind.0)])..];
        of_kind.iter().any(|own| own.len() == name.len() && is_same(own.as_bytes(), name))
    }
}

/// Header fields in order. Names are compared without regard to ASCII case.
///
/// Whoever adds fields answers for what they contain: a name must be a token and a value must be free of CR, LF and
/// NUL ([`is_name`], [`is_value`]); the codec accepts nothing else from the network.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// The kinds of all fields, and perhaps of some that were removed.
    kinds: u64,
    /// The kinds that more than one field has, or had.
    repeated: u64,
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
        self.kinds = 0;
        self.repeated = 0;
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
    #[inline]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.position(name).map(|at| self.fields[at].value.of(&self.bytes))
    }

    /// The first value of `name` if it is UTF-8.
    #[inline]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let first = self.position(name).unwrap_or(self.fields.len());
        let kind = self.fields.get(first).map(|field| field.kind);
        self.fields[first..].iter().filter_map(move |field| {
            let same = Some(field.kind) == kind && is_same(field.name.of(&self.bytes), name.as_bytes());
            same.then(|| field.value.of(&self.bytes))
        })
    }

    /// Whether there is a field `name`.
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The fields that have one of these names, and perhaps some that have not.
    pub(crate) fn perhaps(&self, names: &Names) -> impl Iterator<Item = (&[u8], &[u8])> {
        let perhaps = self.fields.iter().filter(|field| names.may_contain(field.kind));
        perhaps.map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// The fields in order: name, value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// Adds a field at the end.
    #[inline]
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.push(Kind::of(name.as_bytes()), name.as_bytes(), value.as_ref());
    }

    /// Adds a field at the end.
    pub fn append_bytes(&mut self, name: &[u8], value: &[u8]) {
        self.push(Kind::of(name), name, value);
    }

    fn push(&mut self, kind: Kind, name: &[u8], value: &[u8]) {
        if self.fields.capacity() == 0 {
            self.begin();
        }
        let field = self.store(kind, name, value);
        self.push_field(field);
    }

    /// Puts a field into the buffer as the line it will be on the wire, so that writing it is one copy.
    fn store(&mut self, kind: Kind, name: &[u8], value: &[u8]) -> Field {
        let start = self.bytes.len();
        self.bytes.reserve(name.len() + value.len() + 4);
        self.bytes.extend_from_slice(name);
        self.finish_line(start, kind, value)
    }

    /// Adds what follows the name in the line that begins at `start`.
    #[inline]
    fn finish_line(&mut self, start: usize, kind: Kind, value: &[u8]) -> Field {
        let name = (self.bytes.len() - start) as u32;
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        let end = u32::try_from(self.bytes.len()).expect("heads are limited far below 4 GiB");
        let (start, value) = (start as u32, value.len() as u32);
        Field { name: Span { start, len: name }, value: Span { start: end - 2 - value, len: value }, kind, line: true }
    }

    /// Takes memory for a few fields, so that it need not grow with each of them.
    #[cold]
    fn begin(&mut self) {
        self.bytes.reserve(512);
        self.fields.reserve(16);
    }

    /// Adds the fields of `with` in place of those of the same names.
    pub fn replace(&mut self, with: &Self) {
        if self.kinds & with.kinds != 0 {
            let bytes = &self.bytes;
            self.fields.retain(|field| !with.has(field.kind, field.name.of(bytes)));
        }
        let moved = self.bytes.len();
        self.bytes.extend_from_slice(&with.bytes);
        assert!(u32::try_from(self.bytes.len()).is_ok(), "heads are limited far below 4 GiB");
        let shifted = |span: Span| Span { start: span.start + moved as u32, len: span.len };
        for field in &with.fields {
            self.push_field(Field { name: shifted(field.name), value: shifted(field.value), ..*field });
        }
    }

    /// Adds a field at the end whose value is these parts put together.
    pub fn append_parts(&mut self, name: &str, parts: &[&[u8]]) {
        self.append_bytes(name.as_bytes(), b"");
        let field = self.fields.last_mut().expect("one was added");
        // In front of the line's end.
        self.bytes.truncate(field.value.end());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        field.value.len =
            u32::try_from(self.bytes.len()).expect("heads are limited far below 4 GiB") - field.value.start;
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Writes every field as a line `name: value` with its line end, without the empty line after the last.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.write_without(&Names::NONE, out);
    }

    /// The same without the fields with one of these names.
    pub fn write_without(&self, names: &Names, out: &mut Vec<u8>) {
        // Neighbours in the buffer that are lines already are copied together: `start..end` waits for that.
        let (mut start, mut end) = (0, 0);
        for field in &self.fields {
            let at = field.name.start as usize;
            let left_out = names.may_contain(field.kind) && names.compare(field.kind, field.name.of(&self.bytes));
            if at == end && field.line && !left_out {
                end = field.value.end() + 2;
                continue;
            }
            out.extend_from_slice(&self.bytes[start..end]);
            (start, end) = (0, 0);
            if left_out {
                continue;
            }
            if field.line {
                (start, end) = (at, field.value.end() + 2);
            } else {
                out.extend_from_slice(field.name.of(&self.bytes));
                out.extend_from_slice(b": ");
                out.extend_from_slice(field.value.of(&self.bytes));
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(&self.bytes[start..end]);
    }

    /// How many bytes of memory the list holds on to.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// Adds the field whose `name` begins at `start` of the block that [`Self::load`] is given in the end, and whose
    /// value, `length` bytes, at `value`; `line` if it stands there as it is written.
    ///
    /// The block must be smaller than 4 GiB, and the list be cleared before the first.
    #[inline]
    pub(crate) fn push_span(&mut self, name: &[u8], start: usize, value: usize, length: usize, line: bool) {
        let name_span = Span { start: start as u32, len: name.len() as u32 };
        let value = Span { start: value as u32, len: length as u32 };
        self.push_field(Field { name: name_span, value, kind: Kind::of(name), line });
    }

    #[inline]
    fn push_field(&mut self, field: Field) {
        let bit = field.kind.bit();
        self.repeated |= self.kinds & bit;
        self.kinds |= bit;
        self.fields.push(field);
    }

    /// Takes `block` as the buffer of the fields added by [`Self::push_span`].
    pub(crate) fn load(&mut self, block: &[u8]) {
        debug_assert!(self.bytes.is_empty() && self.fields.iter().all(|field| field.value.end() <= block.len()));
        self.bytes.extend_from_slice(block);
    }

    /// Makes `value` the only one of `name`: in the place of the first, or at the end.
    #[inline]
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let kind = Kind::of(name.as_bytes());
        match self.position(name) {
            Some(first) => self.set_at(first, name.as_bytes(), value.as_ref()),
            None => self.push(kind, name.as_bytes(), value.as_ref()),
        }
    }

    /// Makes `value` the only one of `name`, the first of which is at `first`.
    fn set_at(&mut self, first: usize, name: &[u8], value: &[u8]) {
        // A line of its own, with the name as it was written.
        let Field { name: Span { start, len }, kind, .. } = self.fields[first];
        let moved = self.bytes.len();
        self.bytes.extend_from_within(start as usize..(start + len) as usize);
        self.fields[first] = self.finish_line(moved, kind, value);
        self.remove_behind(first, name);
    }

    /// Removes every field `name` but the first.
    #[inline]
    pub fn keep_first(&mut self, name: &str) {
        if self.may_repeat(name)
            && let Some(first) = self.position(name)
        {
            self.remove_behind(first, name.as_bytes());
        }
    }

    /// Whether there may be several fields `name`: no is certain, and nearly free.
    #[inline]
    pub fn may_repeat(&self, name: &str) -> bool {
        self.repeated & Kind::of(name.as_bytes()).bit() != 0
    }

    /// Lets `change` give the first field `name` another value, and removes the rest if it does.
    #[inline]
    pub fn change<T: AsRef<[u8]>>(&mut self, name: &str, change: impl FnOnce(&[u8]) -> Option<T>) {
        if let Some(first) = self.position(name)
            && let Some(value) = change(self.fields[first].value.of(&self.bytes))
        {
            self.set_at(first, name.as_bytes(), value.as_ref());
        }
    }

    /// Removes those of the same `name` as the field at `first` that follow it.
    fn remove_behind(&mut self, first: usize, name: &[u8]) {
        let kind = self.fields[first].kind;
        if self.repeated & kind.bit() == 0 {
            return;
        }
        for at in (first + 1..self.fields.len()).rev() {
            let field = self.fields[at];
            if field.kind == kind && is_same(field.name.of(&self.bytes), name) {
                self.fields.remove(at);
            }
        }
    }

    /// Removes every field `name`; whether there was one.
    #[inline]
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.contains(name);
        if found {
            self.retain(|field, _| !is_same(field, name.as_bytes()));
        }
        found
    }

    /// Whether there may be a field with one of these names: no is certain, and nearly free.
    pub fn may_have(&self, names: &Names) -> bool {
        self.kinds & names.kinds != 0
    }

    /// Whether there is a field with one of these names.
    pub fn has_any(&self, names: &Names) -> bool {
        self.may_have(names)
            && self
                .fields
                .iter()
                .any(|field| names.may_contain(field.kind) && names.compare(field.kind, field.name.of(&self.bytes)))
    }

    /// Removes every field with one of these names; whether there was one. Costs next to nothing where there is none.
    pub fn remove_any(&mut self, names: &Names) -> bool {
        let before = self.fields.len();
        if self.may_have(names) {
            let mut at = 0;
            while let Some(field) = self.fields.get(at) {
                if names.may_contain(field.kind) && names.compare(field.kind, field.name.of(&self.bytes)) {
                    self.fields.remove(at);
                } else {
                    at += 1;
                }
            }
        }
        self.fields.len() != before
    }

    /// Keeps the fields for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.fields.retain(|field| keep(field.name.of(bytes), field.value.of(bytes)));
    }

    fn has(&self, kind: Kind, name: &[u8]) -> bool {
        self.kinds & kind.bit() != 0
            && self.fields.iter().any(|field| field.kind == kind && is_same(field.name.of(&self.bytes), name))
    }

    /// Usually nothing is looked for: that there is none is told where this is called, by a number known there.
    #[inline]
    fn position(&self, name: &str) -> Option<usize> {
        let kind = Kind::of(name.as_bytes());
        if self.kinds & kind.bit() == 0 { None } else { self.find(kind, name.as_bytes()) }
    }

    #[inline(never)]
    fn find(&self, kind: Kind, name: &[u8]) -> Option<usize> {
        self.fields.iter().position(|field| field.kind == kind && is_same(field.name.of(&self.bytes), name))
    }
}

/// Whether `name` is a token (RFC 9110, 5.6.2).
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| TOKEN[*byte as usize])
}

/// Which bytes a token consists of.
pub(crate) static TOKEN: [bool; 256] = {
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

    #[test]
    fn fields_of_another_list_replace_those_of_the_same_names() {
        let (mut headers, mut with) = (Headers::new(), Headers::new());
        for (name, value) in [("A", "1"), ("b", "2"), ("a", "3")] {
            headers.append(name, value);
        }
        headers.replace(&with);
        assert_eq!(headers.len(), 3);
        for (name, value) in [("a", "4"), ("A", "5"), ("c", "6")] {
            with.append(name, value);
        }
        headers.replace(&with);
        let all: Vec<_> = headers.iter().map(|(_, value)| value).collect();
        assert_eq!(all, [b"2", b"4", b"5", b"6"]);
    }

    #[test]
    fn parts_are_put_together() {
        let mut headers = Headers::new();
        headers.append_parts("Via", &[b"1.1", b" ", b"a"]);
        headers.append_parts("Empty", &[]);
        let mut out = Vec::new();
        headers.write_to(&mut out);
        assert_eq!(out, b"Via: 1.1 a\r\nEmpty: \r\n");
    }

    #[test]
    fn names_are_removed_together_whatever_their_case() {
        const NAMES: Names = Names::new(&["Connection", "X"]);
        let mut headers = Headers::new();
        headers.append("Date", "1");
        assert!(!headers.remove_any(&NAMES));
        headers.append("CONNECTION", "2");
        headers.append("x", "3");
        headers.append("y", "4");
        assert!(headers.may_have(&NAMES) && headers.has_any(&NAMES));
        assert!(headers.remove_any(&NAMES) && !headers.has_any(&NAMES) && !headers.remove_any(&NAMES));
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), [b"Date".as_slice(), b"y"]);
    }

    #[test]
    fn fields_that_are_left_out_leave_the_others_as_they_are() {
        const NAMES: Names = Names::new(&["Connection", "Upgrade"]);
        let mut headers = Headers::new();
        for (name, value) in [("connection", "a"), ("A", "1"), ("Upgrade", "b"), ("B", "2"), ("C", "3"), ("b", "4")] {
            headers.append(name, value);
        }
        headers.set("b", "5");
        let mut out = Vec::new();
        headers.write_without(&NAMES, &mut out);
        assert_eq!(out, b"A: 1\r\nB: 5\r\nC: 3\r\n");
    }

    #[test]
    fn one_of_several_stays() {
        let mut headers = Headers::new();
        for (name, value) in [("Server", "1"), ("A", "2"), ("server", "3"), ("SERVER", "4")] {
            headers.append(name, value);
        }
        assert!(headers.may_repeat("server") && !headers.may_repeat("a"));
        headers.keep_first("Server");
        headers.change("A", |value| (value == b"2").then_some("5"));
        headers.change("Server", |value| (value == b"2").then_some("5"));
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [(b"Server".as_slice(), b"1".as_slice()), (b"A", b"5")]);
    }
}
