//! Bodies, without holding them: the decoder says which bytes of the input are data.

use std::ops::Range;

use super::fields::{BadFields, LineEnds, parse_fields};
use super::{BadBody, Framing, Limits};
use crate::headers::Headers;

/// What to do with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with after this step.
    pub consumed: usize,
    /// Which of them are data of the body; may be empty.
    pub data: Range<usize>,
    /// Whether the body is complete. What follows in the input belongs to the next message.
    pub end: bool,
}

/// Finds data and end of a body.
///
/// ```
/// # use engine::http1::{BodyDecoder, Framing, Limits};
/// let mut input: &[u8] = b"5\r\nhello\r\n0\r\n\r\nGET /";
/// let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
/// let mut body = Vec::new();
/// loop {
///     let step = decoder.decode(input).unwrap();
///     body.extend_from_slice(&input[step.data]);
///     input = &input[step.consumed..];
///     if step.end || input.is_empty() {
///         break;
///     }
/// }
/// assert_eq!((body.as_slice(), input), (b"hello".as_slice(), b"GET /".as_slice()));
/// ```
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    chunked: Option<Box<Chunked>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are left.
    Length(u64),
    UntilClose,
    Chunked,
    Done,
}

/// Reads chunks.
#[derive(Debug)]
struct Chunked {
    at: At,
    /// The size being read, then what is left of the chunk.
    size: u64,
    /// Bytes of the current line.
    line: usize,
    /// Bytes of extensions so far.
    extensions: usize,
    limits: Limits,
    raw_trailers: Vec<u8>,
    trailers: Headers,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The first digit of a size.
    Size,
    /// Another digit, or what ends the size.
    MoreSize,
    /// Behind white space after the size.
    AfterSize,
    Extension,
    /// The LF of the line with the size.
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
}

impl BodyDecoder {
    /// A decoder for one body.
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked,
            Framing::UntilClose => State::UntilClose,
        };
        let chunked = (state == State::Chunked).then(|| Box::new(Chunked::new(*limits)));
        Self { state, chunked }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes of data are still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            State::Chunked | State::UntilClose => None,
        }
    }

    /// Looks at `input`, which follows what the last step consumed. Every step that is not the end consumes at
    /// least one byte of an input that is not empty.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BadBody> {
        match &mut self.state {
            State::Done => Ok(Step { consumed: 0, data: 0..0, end: true }),
            State::UntilClose => Ok(Step { consumed: input.len(), data: 0..input.len(), end: false }),
            State::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= taken as u64;
                let end = *left == 0;
                if end {
                    self.state = State::Done;
                }
                Ok(Step { consumed: taken, data: 0..taken, end })
            }
            State::Chunked => {
                let step = self.chunked.as_mut().expect("a chunked body has it").decode(input)?;
                if step.end {
                    self.state = State::Done;
                }
                Ok(step)
            }
        }
    }

    /// Says that the connection ended. An error unless the body is complete now.
    pub fn close(&mut self) -> Result<(), BadBody> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Length(_) | State::Chunked => Err(BadBody::Truncated),
        }
    }

    /// The trailers, once the body is complete; without those that must not be trailers (RFC 9110, 6.5.1). `None` if
    /// there are none.
    pub fn trailers(&self) -> Option<&Headers> {
        self.chunked.as_ref().map(|chunked| &chunked.trailers).filter(|trailers| !trailers.is_empty())
    }
}

impl Chunked {
    fn new(limits: Limits) -> Self {
        Self {
            at: At::Size,
            size: 0,
            line: 0,
            extensions: 0,
            limits,
            raw_trailers: Vec::new(),
            trailers: Headers::new(),
        }
    }

    /// Reads framing up to the next data, and the data.
    fn decode(&mut self, input: &[u8]) -> Result<Step, BadBody> {
        let mut at = 0;
        while at < input.len() {
            match self.at {
                At::Data => {
                    let left = usize::try_from(self.size).unwrap_or(usize::MAX);
                    let end = input.len().min(at.saturating_add(left));
                    self.size -= (end - at) as u64;
                    if self.size == 0 {
                        self.at = At::DataCr;
                    }
                    return Ok(Step { consumed: end, data: at..end, end: false });
                }
                At::Trailers => {
                    let (taken, end) = self.trailer_bytes(&input[at..])?;
                    return Ok(Step { consumed: at + taken, data: 0..0, end });
                }
                _ => {
                    self.framing_byte(input[at])?;
                    at += 1;
                }
            }
        }
        Ok(Step { consumed: at, data: 0..0, end: false })
    }

    fn framing_byte(&mut self, byte: u8) -> Result<(), BadBody> {
        self.line += 1;
        if self.line > self.limits.max_chunk_line {
            return Err(BadBody::ChunkLineTooLong);
        }
        self.at = match (self.at, byte) {
            (At::Size | At::MoreSize, digit) if digit.is_ascii_hexdigit() => {
                self.add_digit(digit)?;
                At::MoreSize
            }
            (At::MoreSize | At::AfterSize, b'\r') => At::SizeLf,
            // Some servers pad the size with spaces.
            (At::MoreSize | At::AfterSize, b' ' | b'\t') => At::AfterSize,
            (At::MoreSize | At::AfterSize, b';') => At::Extension,
            (At::Size | At::MoreSize | At::AfterSize, _) => return Err(BadBody::ChunkSize),
            (At::Extension, b'\r') => At::SizeLf,
            (At::Extension, byte) if byte.is_ascii_control() && byte != b'\t' => return Err(BadBody::ChunkExtension),
            (At::Extension, _) => {
                self.extensions += 1;
                if self.extensions > self.limits.max_chunk_extensions {
                    return Err(BadBody::ChunkLineTooLong);
                }
                At::Extension
            }
            (At::SizeLf, b'\n') => {
                self.line = 0;
                if self.size == 0 { At::Trailers } else { At::Data }
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => {
                self.line = 0;
                At::Size
            }
            _ => return Err(BadBody::ChunkEnd),
        };
        Ok(())
    }

    fn add_digit(&mut self, digit: u8) -> Result<(), BadBody> {
        let value = char::from(digit).to_digit(16).ok_or(BadBody::ChunkSize)?;
        if self.size >> 59 != 0 {
            return Err(BadBody::ChunkSize);
        }
        self.size = self.size << 4 | u64::from(value);
        Ok(())
    }

    /// Takes trailers from the start of `input`: how many bytes, and whether that was the end.
    fn trailer_bytes(&mut self, input: &[u8]) -> Result<(usize, bool), BadBody> {
        if self.raw_trailers.is_empty() && input.starts_with(b"\r\n") {
            return Ok((2, true));
        }
        let before = self.raw_trailers.len();
        // What may be too much is not even copied.
        let room = self.limits.max_trailer_bytes.saturating_add(1).saturating_sub(before);
        self.raw_trailers.extend_from_slice(&input[..input.len().min(room)]);
        let limits = &self.limits;
        let end = parse_fields(&self.raw_trailers, LineEnds::CrLf, limits, &mut self.trailers)?;
        match end {
            Some(end) if end <= limits.max_trailer_bytes => {
                self.trailers.retain(|name, _| may_be_trailer(name));
                self.raw_trailers = Vec::new();
                Ok((end - before, true))
            }
            None if self.raw_trailers.len() <= limits.max_trailer_bytes => Ok((input.len(), false)),
            _ => Err(BadBody::TrailersTooLarge),
        }
    }
}

/// Fields that decide on framing, routing, authentication or how content is read count only in a head.
fn may_be_trailer(name: &[u8]) -> bool {
    const HEAD_ONLY: [&[u8]; 22] = [
        b"authorization",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"host",
        b"keep-alive",
        b"max-forwards",
        b"pragma",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"range",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ];
    !HEAD_ONLY.iter().any(|head_only| name.eq_ignore_ascii_case(head_only))
}

impl From<BadFields> for BadBody {
    fn from(error: BadFields) -> Self {
        match error {
            BadFields::TooLarge => Self::TrailersTooLarge,
            BadFields::Name | BadFields::Value | BadFields::LineEnd => Self::Trailer,
        }
    }
}
