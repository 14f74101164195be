//! How a stream ends.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The gRPC status codes that are used here, with their numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The client is done.
    Ok = 0,
    /// The request is wrong and will stay wrong.
    InvalidArgument = 3,
    /// The client did not send what it must in time.
    DeadlineExceeded = 4,
    /// What the client speaks of does not exist.
    NotFound = 5,
    /// The client is known and may not do this.
    PermissionDenied = 7,
    /// A limit is exceeded.
    ResourceExhausted = 8,
    /// Not possible in the present state, e.g. a proxy connected elsewhere.
    FailedPrecondition = 9,
    /// Not supported here.
    Unimplemented = 12,
    /// A fault of the server.
    Internal = 13,
    /// Come back later, or to another instance.
    Unavailable = 14,
    /// No credentials, or wrong ones.
    Unauthenticated = 16,
}

/// Why a stream ended: a code for the program and a message for the reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// What kind of end.
    pub code: Code,
    /// What happened and what to do about it. It goes to the client: no secrets.
    pub message: String,
}

impl Status {
    /// A status with a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// As HTTP/2 trailers.
    pub(crate) fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::with_capacity(2);
        trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(self.code as u16));
        if let Ok(message) = HeaderValue::try_from(percent_encoded(&self.message))
            && !self.message.is_empty()
        {
            trailers.insert(HeaderName::from_static("grpc-message"), message);
        }
        trailers
    }
}

/// gRPC allows printable ASCII in a message, and the rest percent-encoded byte by byte.
fn percent_encoded(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_percent_encoded() {
        let trailers = Status::new(Code::NotFound, "no mesh \"größe\" at 100%\n").trailers();
        assert_eq!(trailers["grpc-status"], "5");
        assert_eq!(trailers["grpc-message"], "no mesh \"gr%C3%B6%C3%9Fe\" at 100%25%0A");
    }

    #[test]
    fn empty_message_is_left_out() {
        assert!(!Status::new(Code::Ok, "").trailers().contains_key("grpc-message"));
    }
}
