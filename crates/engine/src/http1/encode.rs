//! Heads and bodies to bytes, appended to a buffer of the caller.

use crate::headers::{Headers, Names};
use crate::message::{RequestHead, ResponseHead};

/// Writes the request line and the fields, as HTTP/1.1. Fields for framing and [`end_head`] are the caller's.
pub fn write_request(head: &RequestHead, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(&head.target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    head.headers.write_to(out);
}

/// Writes the status line and the fields, as HTTP/1.1. Fields for framing and [`end_head`] are the caller's.
pub fn write_response(head: &ResponseHead, out: &mut Vec<u8>) {
    write_response_without(head, &Names::NONE, out);
}

/// The same without the fields `without`.
pub(crate) fn write_response_without(head: &ResponseHead, without: &Names, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let status = head.status.min(999);
    out.extend_from_slice(&[
        b'0' + (status / 100) as u8,
        b'0' + (status / 10 % 10) as u8,
        b'0' + (status % 10) as u8,
        b' ',
    ]);
    match &head.reason {
        Some(text) => out.extend_from_slice(text),
        None => out.extend_from_slice(reason(status).as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    head.headers.write_without(without, out);
}

/// Writes one more field.
#[inline]
pub fn write_field(name: &str, value: impl AsRef<[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_ref());
    out.extend_from_slice(b"\r\n");
}

/// Writes `Content-Length`.
#[inline]
pub fn write_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes `Transfer-Encoding: chunked`.
pub fn write_chunked(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
}

/// Writes the empty line that ends a head.
pub fn end_head(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Writes the line in front of a chunk of `length` bytes, which must not be 0: that would end the body.
pub fn write_chunk_head(length: usize, out: &mut Vec<u8>) {
    debug_assert!(length > 0);
    let mut digits = [0_u8; 16];
    let mut at = digits.len();
    let mut rest = length;
    while rest > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Writes what follows the data of a chunk.
pub fn write_chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body.
pub fn write_last_chunk(trailers: Option<&Headers>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        trailers.write_to(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The usual reason of a status; empty if there is none.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        status => http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or(""),
    }
}
