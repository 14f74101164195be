//! What is signed, and how that is written in a header.

use aws_lc_rs::hmac;
use gateway_proxy::pdk::{RequestHead, Version};

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The algorithm called so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "hmac-sha1" => Some(Self::Sha1),
            "hmac-sha256" => Some(Self::Sha256),
            "hmac-sha384" => Some(Self::Sha384),
            "hmac-sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Its implementation.
    pub(crate) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// What a caller claims: `hmac username="u", algorithm="a", headers="date request-line", signature="s"`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) user: String,
    pub(crate) algorithm: String,
    /// Names of headers, separated by spaces.
    pub(crate) headers: String,
    pub(crate) signature: String,
}

impl Claim {
    /// Reads the value of a header; the parameters stand in this order.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let start = header.find("hmac").or_else(|| header.find("Hmac"))?;
        let (user, rest) = parameter(&header[start + "hmac".len()..], "username")?;
        let (algorithm, rest) = parameter(rest.strip_prefix(',')?, "algorithm")?;
        let (headers, rest) = parameter(rest.strip_prefix(',')?, "headers")?;
        let (signature, _) = parameter(rest.strip_prefix(',')?, "signature")?;
        let all = [user, algorithm, headers, signature];
        if all.iter().any(|value| value.is_empty()) {
            return None;
        }
        let [user, algorithm, headers, signature] = all.map(str::to_owned);
        Some(Self { user, algorithm, headers, signature })
    }

    /// Whether the header `name` is signed.
    pub(crate) fn signs(&self, name: &str) -> bool {
        self.headers.split(' ').any(|header| header == name)
    }
}

/// The value of ` name="value"`, and what follows it.
fn parameter<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    text.trim_start().strip_prefix(name)?.strip_prefix("=\"")?.split_once('"')
}

/// The text whose signature a request carries: a line for each of the headers named.
pub(crate) fn signed_text(request: &RequestHead, names: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for (at, name) in names.split(' ').enumerate() {
        if at > 0 {
            text.push(b'\n');
        }
        if let Some(value) = request.headers.get(name) {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
        } else if name == "request-line" {
            let version = match request.version {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
                Version::Http2 => "2.0",
            };
            text.extend_from_slice(request.method.as_str().as_bytes());
            text.push(b' ');
            text.extend_from_slice(&request.target);
            text.extend_from_slice(b" HTTP/");
            text.extend_from_slice(version.as_bytes());
        } else if name == "@request-target" {
            text.extend_from_slice(b"@request-target: ");
            text.extend_from_slice(request.method.as_str().to_ascii_lowercase().as_bytes());
            text.push(b' ');
            text.extend_from_slice(&request.target);
        } else {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
        }
    }
    text
}
