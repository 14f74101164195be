//! HTTP/1.1 without connections: heads and bodies from bytes and to bytes.
//!
//! The parsers read heads into memory the caller reuses, decide how long the body is and reject whatever two
//! implementations could read in two ways (RFC 9112, sections 2 to 7 and 11.2). Nothing here waits, and nothing
//! allocates once the caller's buffers have their size.
//!
//! Deliberately stricter than RFC 9112, where its leniency has been used for request smuggling:
//! * lines of a request end with CRLF; a single LF is an error. Heads of responses may use it, as servers do;
//! * `Content-Length` occurs at most once, and never beside `Transfer-Encoding`;
//! * the only transfer coding is `chunked`, alone;
//! * methods consist of `A` to `Z`, `-` and `_`; `Host` is never empty.

mod body;
mod date;
mod encode;
mod error;
mod fields;
mod marks;
mod request;
mod response;
mod scan;
mod target;

pub use body::{BodyDecoder, Step};
pub use date::DateCache;
pub(crate) use encode::write_response_without;
pub use encode::{
    end_head, reason, write_chunk_end, write_chunk_head, write_chunked, write_field, write_last_chunk, write_length,
    write_request, write_response,
};
pub use error::{BadBody, BadRequest, BadResponse};
pub(crate) use fields::read_fields;
pub use request::{ParsedRequest, parse_request};
pub use response::{ParsedResponse, parse_response};

/// How large what a peer sends may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A whole head with its line ends, in bytes (default 32 KiB).
    pub max_head_bytes: usize,
    /// A request line with its line end, in bytes (default 8 KiB).
    pub max_request_line: usize,
    /// One field with its line end, in bytes (default 8 KiB).
    pub max_field_line: usize,
    /// Fields of a head or of trailers (default 128).
    pub max_headers: usize,
    /// The line with a chunk's size and extensions, in bytes (default 1 KiB).
    pub max_chunk_line: usize,
    /// The extensions of all chunks of a body, in bytes (default 16 KiB).
    pub max_chunk_extensions: usize,
    /// All trailers of a body with their line ends, in bytes (default 8 KiB).
    pub max_trailer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_head_bytes: 32 * 1024,
            max_request_line: 8 * 1024,
            max_field_line: 8 * 1024,
            max_headers: 128,
            max_chunk_line: 1024,
            max_chunk_extensions: 16 * 1024,
            max_trailer_bytes: 8 * 1024,
        }
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, whatever the fields say.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk and the trailers.
    Chunked,
    /// With the connection; only responses.
    UntilClose,
}

#[cfg(test)]
mod tests;
