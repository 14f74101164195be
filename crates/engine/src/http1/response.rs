//! Heads of responses.

use super::fields::{BadFields, LineEnds, Noted, content_length, parse_fields};
use super::{BadResponse, Framing, Limits, reason};
use crate::message::{Method, ResponseHead, Version};

/// What the head of a response says besides what is in [`ResponseHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedResponse {
    /// Bytes the head took: the body begins here.
    pub consumed: usize,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection can carry another request after the body.
    pub keep_alive: bool,
    /// Whether this is an informational response (1xx but 101), after which the actual one follows.
    pub informational: bool,
    /// Whether the connection now speaks something else: 101, or success of a CONNECT. The rest is the tunnel's.
    pub tunnel: bool,
}

/// Reads the head of a response to a request with `method` from the start of `buf` into `head`; `None` as long as
/// it is incomplete. After `None` or an error the content of `head` means nothing.
///
/// A buffer of `limits.max_head_bytes` is enough for every head that is accepted.
pub fn parse_response(
    buf: &[u8],
    method: &Method,
    limits: &Limits,
    head: &mut ResponseHead,
) -> Result<Option<ParsedResponse>, BadResponse> {
    // What is beyond the limit must not change the verdict.
    let window = &buf[..buf.len().min(limits.max_head_bytes)];
    match parse(window, method, limits, head)? {
        None if buf.len() >= limits.max_head_bytes => Err(BadResponse::HeadTooLarge),
        parsed => Ok(parsed),
    }
}

fn parse(
    buf: &[u8],
    method: &Method,
    limits: &Limits,
    head: &mut ResponseHead,
) -> Result<Option<ParsedResponse>, BadResponse> {
    let block = match usual_line(buf, head) {
        Some(block) => block,
        None => match any_line(buf, head)? {
            Some(block) => block,
            None => return Ok(None),
        },
    };
    let Some(end) = parse_fields(block, LineEnds::CrLfOrLf, limits, &mut head.headers)? else { return Ok(None) };
    let noted = Noted::of(&head.headers);
    let declared = declared_framing(&noted, head.version)?;
    let framing = framing(declared, method, head.status);
    Ok(Some(ParsedResponse {
        consumed: buf.len() - block.len() + end,
        framing,
        keep_alive: !noted.close
            && (head.version == Version::Http11 || noted.keep_alive)
            && framing != Framing::UntilClose
            && !announces_forbidden_body(declared, head.status),
        informational: head.status < 200 && head.status != 101,
        tunnel: head.status == 101 || is_connected(method, head.status),
    }))
}

/// Reads the line that nearly every response begins with, in one pass; what follows it. `None` if it is another.
fn usual_line<'a>(buf: &'a [u8], head: &mut ResponseHead) -> Option<&'a [u8]> {
    let block = buf.strip_prefix(b"HTTP/1.1 200 OK\r\n")?;
    (head.version, head.status, head.reason) = (Version::Http11, 200, None);
    Some(block)
}

/// Reads the status line; what follows it, `None` as long as its end is missing.
fn any_line<'a>(buf: &'a [u8], head: &mut ResponseHead) -> Result<Option<&'a [u8]>, BadResponse> {
    let Some(line_end) = memchr::memchr(b'\n', buf) else {
        // Something else than HTTP is told at once.
        let prefix = buf.len().min(b"HTTP/1.".len());
        return if buf[..prefix] == b"HTTP/1."[..prefix] { Ok(None) } else { Err(BadResponse::StatusLine) };
    };
    let line = &buf[..line_end];
    parse_line(line.strip_suffix(b"\r").unwrap_or(line), head)?;
    Ok(Some(&buf[line_end + 1..]))
}

fn parse_line(line: &[u8], head: &mut ResponseHead) -> Result<(), BadResponse> {
    let (version, rest) = line.split_at_checked(9).ok_or(BadResponse::StatusLine)?;
    head.version = match version {
        b"HTTP/1.1 " => Version::Http11,
        b"HTTP/1.0 " => Version::Http10,
        _ => return Err(BadResponse::StatusLine),
    };
    let (digits, text) = rest.split_at_checked(3).ok_or(BadResponse::StatusLine)?;
    if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' {
        return Err(BadResponse::StatusLine);
    }
    head.status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    // Some servers leave out the space along with the reason.
    let text = match text {
        [] => text,
        [b' ', text @ ..] => text,
        _ => return Err(BadResponse::StatusLine),
    };
    if text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(BadResponse::StatusLine);
    }
    head.reason = if text == reason(head.status).as_bytes() { None } else { Some(text.into()) };
    Ok(())
}

/// What the fields say of a body, if they say anything.
fn declared_framing(noted: &Noted<'_>, version: Version) -> Result<Option<Framing>, BadResponse> {
    match (noted.codings.count, noted.lengths.count) {
        (0, 0) => Ok(None),
        (0, 1) => match content_length(noted.lengths.first) {
            Some(length) => Ok(Some(Framing::Length(length))),
            None => Err(BadResponse::ContentLength),
        },
        (0, _) => Err(BadResponse::SeveralContentLengths),
        (1, 0) if version == Version::Http11 => {
            if noted.codings.first.eq_ignore_ascii_case(b"chunked") {
                Ok(Some(Framing::Chunked))
            } else {
                Err(BadResponse::TransferEncoding)
            }
        }
        (_, 0) => Err(BadResponse::TransferEncoding),
        _ => Err(BadResponse::LengthAndTransferEncoding),
    }
}

fn framing(declared: Option<Framing>, method: &Method, status: u16) -> Framing {
    let bodiless = status < 200 || matches!(status, 204 | 304) || *method == Method::Head;
    if bodiless || is_connected(method, status) { Framing::None } else { declared.unwrap_or(Framing::UntilClose) }
}

fn is_connected(method: &Method, status: u16) -> bool {
    *method == Method::Connect && (200..300).contains(&status)
}

/// A server that announces a body where none can be may send one as well: what follows is not to be trusted.
fn announces_forbidden_body(declared: Option<Framing>, status: u16) -> bool {
    (status < 200 || status == 204) && !matches!(declared, None | Some(Framing::Length(0)))
}

impl From<BadFields> for BadResponse {
    fn from(error: BadFields) -> Self {
        match error {
            BadFields::Name => Self::FieldName,
            BadFields::Value => Self::FieldValue,
            BadFields::LineEnd => Self::LineEnd,
            BadFields::TooLarge => Self::HeadTooLarge,
        }
    }
}
