//! Fields in the form HTTP/2 has for them.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::{Headers, Names};

/// Fields whose value is another one in nearly every message, but for those that the HPACK encoder knows itself.
const CHANGING: Names = Names::new(&[
    "Kong-Request-ID",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "traceparent",
    "X-Correlation-ID",
    "X-Kong-Proxy-Latency",
    "X-Kong-Request-Id",
    "X-Kong-Response-Latency",
    "X-Kong-Upstream-Latency",
    "X-RateLimit-Remaining-Day",
    "X-RateLimit-Remaining-Hour",
    "X-RateLimit-Remaining-Minute",
    "X-RateLimit-Remaining-Second",
    "X-Request-ID",
]);

/// Fields that concern one connection only, which HTTP/2 does not have.
const OF_CONNECTION: Names =
    Names::new(&["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"]);

/// Where the length of a body comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::channel) enum Length {
    /// From the list of fields, if it is there.
    AsListed,
    /// From here.
    Known(Option<u64>),
}

/// What becomes of fields whose value is another one each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::channel) enum Changing {
    /// They are put into the other end's table of fields like all others: their names are then known there.
    Indexed,
    /// They are sent as they are, and the table is kept for what comes again.
    Literal,
}

/// How fields are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) length: Length,
    pub(super) changing: Changing,
    /// Whether `host` is a field: a request has it apart.
    pub(super) host: bool,
}

impl Form {
    /// What the fields of trailers have in common with those of a response that is passed on as it is.
    pub(super) const AS_LISTED: Self = Self { length: Length::AsListed, changing: Changing::Literal, host: true };
}

/// What kind of field a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Usual,
    /// Its value is another one each time.
    Changing,
    /// It may say `trailers` and nothing else.
    Te,
    /// It is left out.
    LeftOut,
}

impl Kind {
    pub(super) fn of(name: &[u8], form: &Form) -> Self {
        if CHANGING.contains(name) {
            Self::Changing
        } else if OF_CONNECTION.contains(name)
            || (form.length != Length::AsListed && name.eq_ignore_ascii_case(b"content-length"))
            || (!form.host && name.eq_ignore_ascii_case(b"host"))
        {
            Self::LeftOut
        } else if name.eq_ignore_ascii_case(b"te") {
            Self::Te
        } else {
            Self::Usual
        }
    }

    /// Whether a field of this kind and value is written.
    pub(super) fn is_written(self, value: &[u8]) -> bool {
        match self {
            Self::Usual | Self::Changing => true,
            Self::Te => value.eq_ignore_ascii_case(b"trailers"),
            Self::LeftOut => false,
        }
    }

    /// Says of a value whether the other end is to keep it.
    pub(super) fn mark(self, value: &mut HeaderValue, form: &Form) {
        value.set_sensitive(self == Self::Changing && form.changing == Changing::Literal);
    }
}

/// Fields without those that HTTP/2 does not have, and what they count for.
pub(super) fn write(headers: &Headers, form: &Form) -> (HeaderMap, u64) {
    let mut fields = HeaderMap::with_capacity(headers.len() + 1);
    let mut size = 0;
    for (name, value) in headers.iter() {
        let kind = Kind::of(name, form);
        if !kind.is_written(value) {
            continue;
        }
        // What is not valid here was not valid where it came from.
        if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            kind.mark(&mut value, form);
            size += counted(name.as_str().len(), value.len());
            fields.append(name, value);
        }
    }
    if let Length::Known(Some(length)) = form.length {
        let value = HeaderValue::from(length);
        size += counted(http::header::CONTENT_LENGTH.as_str().len(), value.len());
        fields.append(http::header::CONTENT_LENGTH, value);
    }
    (fields, size)
}

/// What these fields count for.
pub(in crate::channel) fn size(fields: &HeaderMap) -> u64 {
    fields.iter().map(|(name, value)| counted(name.as_str().len(), value.len())).sum()
}

/// What a field counts for: as much as its line in HTTP/1.
pub(super) fn counted(name: usize, value: usize) -> u64 {
    (name + value + 4) as u64
}
