//! Heads of requests and responses, the same for HTTP/1 and HTTP/2.

use crate::headers::Headers;

/// The version a message arrived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

/// A request method; case matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// The method of this token.
    pub fn from_token(token: &str) -> Self {
        Self::usual(token.as_bytes()).unwrap_or_else(|| Self::Other(token.into()))
    }

    /// The method of this token if it has a variant of its own.
    pub(crate) fn usual(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"PATCH" => Self::Patch,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            _ => return None,
        })
    }

    /// Its token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other(token) => token,
        }
    }
}

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The request target as it stood in the request line (HTTP/2: `:path`), usually path and query.
    pub target: Vec<u8>,
    /// The version.
    pub version: Version,
    /// The fields; HTTP/2's `:authority` is here as `host`, first.
    pub headers: Headers,
}

impl Default for RequestHead {
    /// `GET` of nothing: memory for the parser to fill.
    fn default() -> Self {
        Self { method: Method::Get, target: Vec::new(), version: Version::Http11, headers: Headers::new() }
    }
}

impl RequestHead {
    /// The target up to the `?`.
    pub fn path(&self) -> &[u8] {
        &self.target[..self.query_mark().unwrap_or(self.target.len())]
    }

    /// The target up to the `?`, and what is left of it.
    pub fn split_target(&self) -> (&[u8], &[u8]) {
        self.target.split_at(self.query_mark().unwrap_or(self.target.len()))
    }

    /// What follows the first `?`.
    pub fn query(&self) -> Option<&[u8]> {
        self.query_mark().map(|at| &self.target[at + 1..])
    }

    fn query_mark(&self) -> Option<usize> {
        // Most targets end before a search of many bytes at once has begun.
        let short = self.target.len().min(32);
        match self.target[..short].iter().position(|byte| *byte == b'?') {
            None if short < self.target.len() => memchr::memchr(b'?', &self.target[short..]).map(|at| short + at),
            found => found,
        }
    }
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The reason as an HTTP/1 upstream sent it; `None` stands for the usual one.
    pub reason: Option<Box<[u8]>>,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
}

impl ResponseHead {
    /// A head of our own, without fields.
    pub fn new(status: u16) -> Self {
        Self { status, reason: None, version: Version::Http11, headers: Headers::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_begins_behind_the_first_question_mark_however_far_away() {
        for length in [1, 31, 32, 33, 100] {
            let path = format!("/{}", "a".repeat(length - 1));
            for query in [None, Some(""), Some("b?c")] {
                let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
                let head = RequestHead { target: target.clone().into_bytes(), ..RequestHead::default() };
                assert_eq!((head.path(), head.query()), (path.as_bytes(), query.map(str::as_bytes)));
                let (_, rest) = head.split_target();
                assert_eq!(rest, &target.as_bytes()[length..]);
            }
        }
    }
}
