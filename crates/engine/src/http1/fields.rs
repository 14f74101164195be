//! Fields of heads and trailers, and what those say that decide on framing and connections.

use std::ops::Range;

use super::Limits;
use crate::headers::{Headers, Names, TOKEN, is_same};

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
    let mut start = 0;
    let end = loop {
        let line = &block[start..];
        match line {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => break start + 2,
            [b'\n', ..] if line_ends == LineEnds::CrLfOrLf => break start + 1,
            [b'\r' | b'\n', ..] => return Err(BadFields::LineEnd),
            _ => {}
        }
        let Some(colon) = token_length(line) else { return Ok(None) };
        let (name, rest) = line.split_at(colon);
        let (b':', false) = (rest[0], name.is_empty()) else { return Err(BadFields::Name) };
        let blanks = if let [_, b' ', 0x21..=0x7e, ..] = rest { 1 } else { leading_blanks(&rest[1..]) };
        let Some(length) = value_length(&rest[1 + blanks..]) else { return Ok(None) };
        let (value, rest) = rest[1 + blanks..].split_at(length);
        let line_end = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] if line_ends == LineEnds::CrLfOrLf => 1,
            [b'\r'] => return Ok(None),
            [b'\n', ..] => return Err(BadFields::LineEnd),
            _ => return Err(BadFields::Value),
        };
        let next = block.len() - rest.len() + line_end;
        if next - start > limits.max_field_line || headers.len() == limits.max_headers {
            return Err(BadFields::TooLarge);
        }
        let ends_blank = value.last().is_some_and(|byte| is_blank(*byte));
        let length = if ends_blank { without_blanks(value) } else { length };
        let from = start + colon + 1 + blanks;
        let as_written = blanks == 1 && line[colon + 1] == b' ' && line_end == 2 && !ends_blank;
        if headers.push_span((start, name), from..from + length, as_written, notable) {
            seen(name, from..from + length);
        }
        start = next;
    };
    headers.load(&block[..end]);
    Ok(Some(end))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How long the value is without the white space at its end.
#[cold]
fn without_blanks(value: &[u8]) -> usize {
    value.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1)
}

/// How much white space is at the start.
fn leading_blanks(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is_blank(*byte)).unwrap_or(bytes.len())
}

/// How many bytes of a token are at the start; `None` if nothing ends it.
#[inline]
fn token_length(bytes: &[u8]) -> Option<usize> {
    const HIGH: u64 = each(0x80);
    let mut at = 0;
    // Eight bytes at a time as long as they are letters and hyphens, which most names consist of.
    for word in bytes.as_chunks().0 {
        let word = u64::from_le_bytes(*word);
        let lower = (word | each(0x20)) & !HIGH;
        // The high bit of every byte: at least `a`, and not more than `z`.
        let letters = (lower + each(0x80 - b'a')) & !(lower + each(0x7f - b'z'));
        let hyphens = HIGH - ((word & !HIGH) ^ each(b'-'));
        let others = (!(letters | hyphens) | word) & HIGH;
        if others != 0 {
            at += others.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    while TOKEN[*bytes.get(at)? as usize] {
        at += 1;
    }
    Some(at)
}

/// How many bytes that may be in a value are at the start; `None` if nothing ends it. Control characters may not be,
/// but for the tab.
#[inline]
fn value_length(bytes: &[u8]) -> Option<usize> {
    const HIGH: u64 = each(0x80);
    let mut at = 0;
    for word in bytes.as_chunks().0 {
        let word = u64::from_le_bytes(*word);
        // The high bit of every byte that is below a space, or 0x7f. A borrow sets it above one of those only.
        let below = word.wrapping_sub(each(0x20)) & !word;
        let delete = word ^ each(0x7f);
        let controls = (below | (delete.wrapping_sub(each(1)) & !delete)) & HIGH;
        if controls != 0 {
            at += controls.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    loop {
        match bytes.get(at)? {
            byte if byte.is_ascii_control() && *byte != b'\t' => return Some(at),
            _ => at += 1,
        }
    }
}

/// Eight times this byte.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The fields that [`Noted`] takes note of.
pub(super) const NOTABLE: Names =
    Names::new(&["host", "expect", "upgrade", "connection", "content-length", "transfer-encoding"]);

/// None of the fields.
pub(super) const NOTHING: Names = Names::new(&[]);

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
