//! Fields of heads and trailers, and what those say that decide on framing and connections.

use std::ops::Range;

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
///
/// `seen` is called for each whose name is one of `notable`, and perhaps for some others.
pub(super) fn parse_fields(
    block: &[u8],
    line_ends: LineEnds,
    limits: &Limits,
    headers: &mut Headers,
    notable: &Names,
    mut seen: impl FnMut(&[u8], Range<usize>),
) -> Result<Option<usize>, BadFields> {
    headers.clear();
    let mut rest = block;
    loop {
        let Some(colon) = scan::token(rest) else { return Ok(None) };
        let (name, after) = rest.split_at(colon);
        if name.is_empty() {
            let Some(left) = behind_empty_line(rest, line_ends)? else { return Ok(None) };
            let length = block.len() - left.len();
            headers.load(&block[..length]);
            return Ok(Some(length));
        }
        let (behind, mut as_written) = match after {
            [b':', b' ', behind @ ..] if !behind.first().is_some_and(is_blank) => (behind, true),
            [b':', behind @ ..] => (without_first_blanks(behind), false),
            _ => return Err(BadFields::Name),
        };
        let Some(length) = scan::value(behind) else { return Ok(None) };
        let (value, after) = behind.split_at(length);
        let next = match after {
            [b'\r', b'\n', next @ ..] => next,
            [b'\n', next @ ..] if line_ends == LineEnds::CrLfOrLf => {
                as_written = false;
                next
            }
            [b'\r'] => return Ok(None),
            [b'\n', ..] => return Err(BadFields::LineEnd),
            _ => return Err(BadFields::Value),
        };
        if rest.len() - next.len() > limits.max_field_line || headers.len() == limits.max_headers {
            return Err(BadFields::TooLarge);
        }
        let value = match value {
            [.., b' ' | b'\t'] => {
                as_written = false;
                without_last_blanks(value)
            }
            _ => value,
        };
        let start = block.len() - behind.len();
        let place = start..start + value.len();
        if headers.push_span((block.len() - rest.len(), name), place.clone(), as_written, notable) {
            seen(name, place);
        }
        rest = next;
    }
}

/// The fields that `block`, which ends with an empty line, consists of.
pub(crate) fn read_fields(block: &[u8]) -> Result<Headers, BadBody> {
    let limits = Limits { max_field_line: usize::MAX, max_headers: usize::MAX, ..Limits::default() };
    let mut headers = Headers::new();
    parse_fields(block, LineEnds::CrLf, &limits, &mut headers, &Names::NONE, |_, _| {})?.ok_or(BadBody::Truncated)?;
    Ok(headers)
}

/// What follows the empty line at the start; `None` if its end is missing.
fn behind_empty_line(line: &[u8], line_ends: LineEnds) -> Result<Option<&[u8]>, BadFields> {
    match line {
        [b'\r'] => Ok(None),
        [b'\r', b'\n', behind @ ..] => Ok(Some(behind)),
        [b'\n', behind @ ..] if line_ends == LineEnds::CrLfOrLf => Ok(Some(behind)),
        [b'\r' | b'\n', ..] => Err(BadFields::LineEnd),
        _ => Err(BadFields::Name),
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cold]
fn without_last_blanks(value: &[u8]) -> &[u8] {
    let length = value.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &value[..length]
}

#[cold]
fn without_first_blanks(bytes: &[u8]) -> &[u8] {
    let count = bytes.iter().take_while(|byte| is_blank(byte)).count();
    &bytes[count..]
}

/// The fields that [`Noted`] takes note of.
pub(super) const NOTABLE: Names =
    Names::new(&["host", "expect", "upgrade", "connection", "content-length", "transfer-encoding"]);

/// What a head's fields say about framing and the connection.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) hosts: Occurrence,
    pub(super) lengths: Occurrence,
    pub(super) codings: Occurrence,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
    pub(super) expect_continue: bool,
}

/// How often a field occurs, and its first value's place.
#[derive(Debug, Default)]
pub(super) struct Occurrence {
    pub(super) count: usize,
    pub(super) first: Range<usize>,
}

impl Occurrence {
    fn add(&mut self, value: Range<usize>) {
        if self.count == 0 {
            self.first = value;
        }
        self.count += 1;
    }
}

impl Noted {
    /// Takes note of the field `name` of `block`.
    pub(super) fn note(&mut self, block: &[u8], name: &[u8], value: Range<usize>) {
        match name.len() {
            4 if is_same(name, b"Host") => self.hosts.add(value),
            6 if is_same(name, b"Expect") => {
                self.expect_continue |= block[value].eq_ignore_ascii_case(b"100-continue");
            }
            7 if is_same(name, b"Upgrade") => self.upgrade |= !value.is_empty(),
            10 if is_same(name, b"Connection") => self.note_connection(&block[value]),
            14 if is_same(name, b"Content-Length") => self.lengths.add(value),
            17 if is_same(name, b"Transfer-Encoding") => self.codings.add(value),
            _ => {}
        }
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
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = value.iter().fold(0_u64, |length, digit| length * 10 + u64::from(digit - b'0'));
    (length <= i64::MAX as u64).then_some(length)
}
