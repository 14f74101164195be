//! What a request is matched by.

use std::borrow::Cow;
use std::net::SocketAddr;

/// Gives the values of header fields.
pub trait Headers {
    /// Calls `visit` with every value of the field `name`, in which `-` and `_` count as the same, until it says true.
    /// Whether it did.
    fn any(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// A request.
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The host of `Host` as the client wrote it, without port; empty if there is none.
    pub host: &'a [u8],
    /// The normalised path.
    pub path: &'a [u8],
    /// The query, without `?`.
    pub query: &'a [u8],
    /// The fields.
    pub headers: &'a dyn Headers,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The server name of the TLS handshake, lower case, without dot at the end.
    pub sni: Option<&'a str>,
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it arrived.
    pub destination: SocketAddr,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Whether two names of header fields are the same: case does not matter, nor `-` for `_`.
pub fn same_name(a: &[u8], b: &[u8]) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fold(*a) == fold(*b))
}

/// In lower case, as the reference has it: Unicode's where it is Unicode.
pub(crate) fn lower(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        if !text.iter().any(u8::is_ascii_uppercase) {
            return Cow::Borrowed(text);
        }
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Owned(std::str::from_utf8(text).map_or_else(|_| text.to_ascii_lowercase(), |text| text.to_lowercase().into()))
}
