//! Fields of heads and trailers, and what those say that decide on framing and connections.

use super::marks::Marks;
use super::{BadBody, Limits, scan};
use crate::headers::{Headers, Names, is_same};

/// What is wrong with a block of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFields {
    Name,
    Value,
    LineEnd,
    TooLarge,
}

/// Which line ends are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    CrLf,
    CrLfOrLf,
}

/// Reads the fields at the start of `block`, up to and with the empty line; `None` as long as that is missing.
/// Returns how many bytes they take.
pub(super) fn parse_fields(
    block: &[u8],
    line_ends: LineEnds,
    limits: &Limits,
    headers: &mut Headers,
) -> Result<Option<usize>, BadFields> {
    headers.clear();
    let mut marks = Marks::new(block);
    let mut at = 0;
    loop {
        if let Some((colon, end)) = usual_line(block, at, &mut marks) {
            let next = end + 2;
            check_line(next - at, limits, headers)?;
            headers.push_span(&block[at..colon], at, colon + 2, end - (colon + 2), true);
            at = next;
            continue;
        }
        let rest = &block[at..];
        if let [b'\r' | b'\n', ..] = rest {
            let Some(left) = behind_empty_line(rest, line_ends)? else { return Ok(None) };
            let length = block.len() - left.len();
            headers.load(&block[..length]);
            return Ok(Some(length));
        }
        match any_line(block, at, line_ends, limits, headers)? {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
}

/// Where the name and the value of the line at `at` end, if it is like nearly all: a name of letters and hyphens, a
/// colon, one space, text without anything odd, and the line's end.
#[inline(always)]
fn usual_line(block: &[u8], at: usize, marks: &mut Marks<'_>) -> Option<(usize, usize)> {
    let colon = marks.other(at);
    let [b':', b' ', b'!'..=0xff] = block.get(colon..colon + 3)? else { return None };
    let end = marks.control(colon + 2);
    let [b'!'..=0xff, b'\r', b'\n'] = block.get(end - 1..end + 2)? else { return None };
    (colon > at).then_some((colon, end))
}

/// Reads the line at `at`, whatever it is; where the next one begins.
#[inline(never)]
fn any_line(
    block: &[u8],
    at: usize,
    line_ends: LineEnds,
    limits: &Limits,
    headers: &mut Headers,
) -> Result<Option<usize>, BadFields> {
    let rest = &block[at..];
    let (colon, end) = scan::field(rest);
    let name = &rest[..colon];
    match rest[colon..] {
        [] => return Ok(None),
        [b':', ..] if !name.is_empty() => {}
        _ => return Err(BadFields::Name),
    }
    let (field, after) = rest.split_at(end);
    let (value, spaced) = match &field[colon + 1..] {
        [b' ', value @ ..] if matches!(value, [b'!'..=0xff, ..]) => (value, true),
        value => (without_first_blanks(value), false),
    };
    let (next, as_written) = match after {
        [b'\r', b'\n', next @ ..] => (next, spaced),
        [b'\n', next @ ..] if line_ends == LineEnds::CrLfOrLf => (next, false),
        [] | [b'\r'] => return Ok(None),
        [b'\n', ..] => return Err(BadFields::LineEnd),
        _ => return Err(BadFields::Value),
    };
    check_line(rest.len() - next.len(), limits, headers)?;
    let (length, as_written) = match value {
        // Of what is below, only white space is in values.
        [.., 0..=b' '] => (without_last_blanks(value), false),
        _ => (value.len(), as_written),
    };
    headers.push_span(name, at, at + field.len() - value.len(), length, as_written);
    Ok(Some(block.len() - next.len()))
}

/// Whether a line of `length`, with its end, is allowed behind those that were read.
#[inline]
fn check_line(length: usize, limits: &Limits, headers: &Headers) -> Result<(), BadFields> {
    if length > limits.max_field_line || headers.len() == limits.max_headers {
        return Err(BadFields::TooLarge);
    }
    Ok(())
}

/// The fields that `block`, which ends with an empty line, consists of.
pub(crate) fn read_fields(block: &[u8]) -> Result<Headers, BadBody> {
    let limits = Limits { max_field_line: usize::MAX, max_headers: usize::MAX, ..Limits::default() };
    let mut headers = Headers::new();
    parse_fields(block, LineEnds::CrLf, &limits, &mut headers)?.ok_or(BadBody::Truncated)?;
    Ok(headers)
}

/// What follows the empty line at the start; `None` if its end is missing.
fn behind_empty_line(line: &[u8], line_ends: LineEnds) -> Result<Option<&[u8]>, BadFields> {
    match line {
        [b'\r'] => Ok(None),
        [b'\r', b'\n', behind @ ..] => Ok(Some(behind)),
        [b'\n', behind @ ..] if line_ends == LineEnds::CrLfOrLf => Ok(Some(behind)),
        _ => Err(BadFields::LineEnd),
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How long a value is without the white space at its end.
#[cold]
fn without_last_blanks(value: &[u8]) -> usize {
    value.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1)
}

#[cold]
fn without_first_blanks(bytes: &[u8]) -> &[u8] {
    let count = bytes.iter().take_while(|byte| is_blank(byte)).count();
    &bytes[count..]
}

/// What a head's fields say about framing and the connection.
#[derive(Debug, Default)]
pub(super) struct Noted<'a> {
    pub(super) hosts: Occurrence<'a>,
    pub(super) lengths: Occurrence<'a>,
    pub(super) codings: Occurrence<'a>,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
    pub(super) expect_continue: bool,
}

/// How often a field occurs, and its first value.
#[derive(Debug, Default)]
pub(super) struct Occurrence<'a> {
    pub(super) count: usize,
    pub(super) first: &'a [u8],
}

impl<'a> Occurrence<'a> {
    fn add(&mut self, value: &'a [u8]) {
        if self.count == 0 {
            self.first = value;
        }
        self.count += 1;
    }
}

impl<'a> Noted<'a> {
    #[inline]
    pub(super) fn of(headers: &'a Headers) -> Self {
        const NOTABLE: Names =
            Names::new(&["Host", "Expect", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"]);
        let mut noted = Self::default();
        for (name, value) in headers.perhaps(&NOTABLE) {
            match name.len() {
                4 if is_same(name, b"Host") => noted.hosts.add(value),
                6 if is_same(name, b"Expect") => noted.expect_continue |= value.eq_ignore_ascii_case(b"100-continue"),
                7 if is_same(name, b"Upgrade") => noted.upgrade |= !value.is_empty(),
                10 if is_same(name, b"Connection") => noted.note_connection(value),
                14 if is_same(name, b"Content-Length") => noted.lengths.add(value),
                17 if is_same(name, b"Transfer-Encoding") => noted.codings.add(value),
                _ => {}
            }
        }
        noted
    }

    /// Whether a change of protocol is asked for, or announced, in both places where it has to be.
    pub(super) fn upgrade(&self) -> bool {
        self.upgrade && self.connection_upgrade
    }

    fn note_connection(&mut self, value: &[u8]) {
        if value == b"keep-alive" {
            self.keep_alive = true;
            return;
        }
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.connection_upgrade = true;
            }
        }
    }
}

/// A `Content-Length`: digits only, below 2^63.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if !(1..=19).contains(&value.len()) {
        return None;
    }
    let add = |length: u64, digit: &u8| digit.is_ascii_digit().then(|| length * 10 + u64::from(digit - b'0'));
    value.iter().try_fold(0, add).filter(|length| *length <= i64::MAX as u64)
}
