//! Heads of requests.

use std::hint::cold_path;

use super::fields::{BadFields, LineEnds, Noted, content_length, parse_fields};
use super::target::{Target, is_host, parse_target, path_length};
use super::{BadRequest, Framing, Limits};
use crate::message::{Method, RequestHead, Version};

/// What the head of a request says besides what is in [`RequestHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedRequest {
    /// Bytes the head took, with empty lines before it: the body begins here.
    pub consumed: usize,
    /// Where the body ends; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the client wants to go on with the connection.
    pub keep_alive: bool,
    /// Whether another protocol is asked for: `Upgrade` is there and `Connection` names it.
    pub upgrade: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
}

/// Reads the head of a request from the start of `buf` into `head`; `None` as long as it is incomplete.
///
/// On success `head.target` is a path with an optional query (or `*`, or the authority of a CONNECT): the authority of
/// an absolute URI has taken the place of `Host`, as RFC 9112 (3.2.2) demands of proxies. After `None` or an error
/// the content of `head` means nothing.
///
/// A buffer of `limits.max_head_bytes` is enough for every head that is accepted.
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Option<ParsedRequest>, BadRequest> {
    // What is beyond the limit must not change the verdict.
    let window = &buf[..buf.len().min(limits.max_head_bytes)];
    match parse(window, limits, head)? {
        None if buf.len() >= limits.max_head_bytes => Err(BadRequest::HeadTooLarge),
        parsed => Ok(parsed),
    }
}

fn parse(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Option<ParsedRequest>, BadRequest> {
    let (target, fields_start) = match usual_line(buf, limits, head) {
        Some((target, length)) => (Target::Plain(target), length),
        None => match any_line(buf, limits, head)? {
            Some(line) => line,
            None => return Ok(None),
        },
    };
    let block = &buf[fields_start..];
    let Some(end) = parse_fields(block, LineEnds::CrLf, limits, &mut head.headers)? else { return Ok(None) };
    let noted = Noted::of(&head.headers);
    check_host(&noted, head.version)?;
    let parsed = ParsedRequest {
        consumed: fields_start + end,
        framing: framing(&noted, head.version)?,
        keep_alive: !noted.close && (head.version == Version::Http11 || noted.keep_alive),
        upgrade: noted.upgrade() && head.version == Version::Http11,
        expect_continue: noted.expect_continue && head.version == Version::Http11,
    };
    head.target.clear();
    match target {
        Target::Plain(target) => head.target.extend_from_slice(target),
        Target::Absolute { authority, path } => {
            cold_path();
            if !path.starts_with(b"/") {
                head.target.push(b'/');
            }
            head.target.extend_from_slice(path);
            head.headers.set("Host", authority);
        }
    }
    Ok(Some(parsed))
}

/// Reads the line that nearly every request begins with, `GET /path HTTP/1.1`, in one pass; `None` if it is another,
/// be it a wrong one: [`any_line`] tells.
fn usual_line<'a>(buf: &'a [u8], limits: &Limits, head: &mut RequestHead) -> Option<(&'a [u8], usize)> {
    const END: &[u8] = b" HTTP/1.1\r\n";
    let method_end = buf.iter().take(8).position(|byte| *byte == b' ')?;
    head.method = Method::usual(&buf[..method_end]).filter(|method| *method != Method::Connect)?;
    let rest = &buf[method_end + 1..];
    let (target, after) = rest.split_at(path_length(rest)?);
    let length = method_end + 1 + target.len() + END.len();
    if !after.starts_with(END) || length > limits.max_request_line {
        return None;
    }
    head.version = Version::Http11;
    Some((target, length))
}

/// Any line, however unusual: reads its target, and how long it is.
#[cold]
fn any_line<'a>(
    buf: &'a [u8],
    limits: &Limits,
    head: &mut RequestHead,
) -> Result<Option<(Target<'a>, usize)>, BadRequest> {
    let start = skip_empty_lines(buf);
    let rest = &buf[start..];
    // TLS, for one, is told at once.
    if rest.first().is_some_and(|byte| !is_method_byte(*byte) && !matches!(byte, b'\r' | b'\n')) {
        return Err(BadRequest::Method);
    }
    let Some(line_end) = memchr::memchr(b'\n', rest) else {
        return if rest.len() >= limits.max_request_line { Err(BadRequest::LineTooLong) } else { Ok(None) };
    };
    if line_end >= limits.max_request_line {
        return Err(BadRequest::LineTooLong);
    }
    let line = rest[..line_end].strip_suffix(b"\r").ok_or(BadRequest::LineEnd)?;
    Ok(Some((parse_line(line, head)?, start + line_end + 1)))
}

/// Clients of old send an empty line after a body.
fn skip_empty_lines(buf: &[u8]) -> usize {
    buf.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2
}

/// Reads method and version into `head`; returns the target.
fn parse_line<'a>(line: &'a [u8], head: &mut RequestHead) -> Result<Target<'a>, BadRequest> {
    let method_end = line.iter().position(|byte| *byte == b' ').ok_or(BadRequest::RequestLine)?;
    let (method, rest) = (&line[..method_end], &line[method_end + 1..]);
    let target_end = memchr::memchr(b' ', rest).ok_or(BadRequest::RequestLine)?;
    let (target, version) = (&rest[..target_end], &rest[target_end + 1..]);
    if memchr::memchr(b'\r', line).is_some() {
        return Err(BadRequest::LineEnd);
    }
    head.method = parse_method(method).ok_or(BadRequest::Method)?;
    head.version = parse_version(version)?;
    parse_target(&head.method, target).ok_or(BadRequest::Target)
}

fn parse_method(token: &[u8]) -> Option<Method> {
    if token.is_empty() || !token.iter().all(|byte| is_method_byte(*byte)) {
        return None;
    }
    Method::usual(token).or_else(|| Some(Method::Other(std::str::from_utf8(token).ok()?.into())))
}

fn is_method_byte(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'-' | b'_')
}

fn parse_version(version: &[u8]) -> Result<Version, BadRequest> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(BadRequest::UnsupportedVersion)
        }
        _ => Err(BadRequest::Version),
    }
}

fn check_host(noted: &Noted<'_>, version: Version) -> Result<(), BadRequest> {
    match noted.hosts.count {
        0 if version == Version::Http11 => Err(BadRequest::MissingHost),
        0 => Ok(()),
        1 if is_host(noted.hosts.first) => Ok(()),
        1 => Err(BadRequest::Host),
        _ => Err(BadRequest::SeveralHosts),
    }
}

fn framing(noted: &Noted<'_>, version: Version) -> Result<Framing, BadRequest> {
    if noted.codings.count > 0 {
        if noted.lengths.count > 0 {
            return Err(BadRequest::LengthAndTransferEncoding);
        }
        if version == Version::Http10 {
            return Err(BadRequest::TransferEncodingIn10);
        }
        if noted.codings.count > 1 {
            return Err(BadRequest::TransferEncoding);
        }
        return transfer_coding(noted.codings.first);
    }
    match noted.lengths.count {
        0 => Ok(Framing::None),
        1 => content_length(noted.lengths.first).map(Framing::Length).ok_or(BadRequest::ContentLength),
        _ => Err(BadRequest::SeveralContentLengths),
    }
}

#[inline(never)]
fn transfer_coding(value: &[u8]) -> Result<Framing, BadRequest> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let codings = || value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    // Codings in front of a final `chunked` are well formed and not understood.
    let wrong = value.is_empty()
        || codings().any(<[u8]>::is_empty)
        || codings().rev().skip(1).any(chunked)
        || (codings().count() > 1 && !codings().next_back().is_some_and(chunked));
    Err(if wrong { BadRequest::TransferEncoding } else { BadRequest::UnknownTransferCoding })
}

impl From<BadFields> for BadRequest {
    fn from(error: BadFields) -> Self {
        match error {
            BadFields::Name => Self::FieldName,
            BadFields::Value => Self::FieldValue,
            BadFields::LineEnd => Self::LineEnd,
            BadFields::TooLarge => Self::HeadTooLarge,
        }
    }
}
