//! Fields of heads and trailers, and what those say that decide on framing and connections.

use std::ops::Range;

use httparse::{EMPTY_HEADER, Header, Status};

use super::Limits;
use crate::headers::Headers;

/// Fields most heads have no more of: the parser's table for them is on the stack.
const USUAL_FIELDS: usize = 32;

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
/// `seen` is called for each.
pub(super) fn parse_fields(
    block: &[u8],
    line_ends: LineEnds,
    limits: &Limits,
    headers: &mut Headers,
    seen: impl FnMut(&[u8], Range<usize>),
) -> Result<Option<usize>, BadFields> {
    let mut usual = [EMPTY_HEADER; USUAL_FIELDS];
    match httparse::parse_headers(block, &mut usual) {
        Ok(Status::Complete((end, fields))) => accept(block, end, fields, line_ends, limits, headers, seen).map(Some),
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) if limits.max_headers > USUAL_FIELDS => {
            let mut all = vec![EMPTY_HEADER; limits.max_headers];
            match httparse::parse_headers(block, &mut all) {
                Ok(Status::Complete((end, fields))) => {
                    accept(block, end, fields, line_ends, limits, headers, seen).map(Some)
                }
                Ok(Status::Partial) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

impl From<httparse::Error> for BadFields {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::HeaderValue => Self::Value,
            httparse::Error::NewLine => Self::LineEnd,
            httparse::Error::TooManyHeaders => Self::TooLarge,
            _ => Self::Name,
        }
    }
}

fn accept(
    block: &[u8],
    end: usize,
    fields: &[Header<'_>],
    line_ends: LineEnds,
    limits: &Limits,
    headers: &mut Headers,
    mut seen: impl FnMut(&[u8], Range<usize>),
) -> Result<usize, BadFields> {
    if fields.len() > limits.max_headers {
        return Err(BadFields::TooLarge);
    }
    headers.load(&block[..end]);
    let mut line = 0;
    for field in fields {
        let name = place(block, field.name.as_bytes());
        if name.start - line > limits.max_field_line {
            return Err(BadFields::TooLarge);
        }
        // The parser takes a single LF for a line end too.
        if line_ends == LineEnds::CrLf && name.start > 0 && !block[..name.start].ends_with(b"\r\n") {
            return Err(BadFields::LineEnd);
        }
        line = name.start;
        // The parser's empty value lies elsewhere.
        let value = if field.value.is_empty() { name.end..name.end } else { place(block, field.value) };
        headers.push_span(name, value.clone());
        seen(field.name.as_bytes(), value);
    }
    if end - line > limits.max_field_line.saturating_add(2) {
        return Err(BadFields::TooLarge);
    }
    let last: &[u8] = if fields.is_empty() { b"\r\n" } else { b"\r\n\r\n" };
    if line_ends == LineEnds::CrLf && !block[..end].ends_with(last) {
        return Err(BadFields::LineEnd);
    }
    Ok(end)
}

/// Where `part`, a part of `block`, stands in it.
fn place(block: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - block.as_ptr() as usize;
    start..start + part.len()
}

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
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts.add(value),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expect_continue |= block[value].eq_ignore_ascii_case(b"100-continue");
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade |= !value.is_empty(),
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(&block[value]),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.lengths.add(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.codings.add(value),
            _ => {}
        }
    }

    /// Whether a change of protocol is asked for, or announced, in both places where it has to be.
    pub(super) fn upgrade(&self) -> bool {
        self.upgrade && self.connection_upgrade
    }

    fn note_connection(&mut self, value: &[u8]) {
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
