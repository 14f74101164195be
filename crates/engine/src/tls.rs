//! TLS of listeners and towards upstreams: TLS 1.2 and 1.3.
//!
//! Listeners choose a certificate by the name the client asks for ([`Certificates`]), from a table that can be
//! replaced at any time; connections to upstreams take a configuration of [`client::Configurations`], which builds
//! each one once.

mod certificates;
mod cipher;
pub mod client;
mod handshake;
mod pem;
mod records;
mod stream;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, SupportedProtocolVersion};

pub use certificates::{Certificate, CertificateTable, Certificates, ServerIdentity};
pub(crate) use handshake::{Accepted, accept, connect};
pub(crate) use stream::TlsStream;

/// What is wrong with certificates or keys. Messages name the part and never show key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The PEM text has no certificate.
    #[error("{what} has no PEM block of a CERTIFICATE")]
    NoCertificate {
        /// Which input.
        what: &'static str,
    },
    /// The PEM text has no private key that is not encrypted.
    #[error("{what} has no PEM block of an unencrypted PRIVATE KEY")]
    NoKey {
        /// Which input.
        what: &'static str,
    },
    /// There is a PEM block, and its content is not what it says.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which input.
        what: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The text is larger than any chain of certificates.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// Which input.
        what: &'static str,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// The private key is another certificate's.
    #[error("the private key does not belong to {what}")]
    KeyMismatch {
        /// Which certificate.
        what: &'static str,
    },
    /// A name for a certificate that is no host name, nor one with `*` as its first or last label.
    #[error("{name:?} is not a host name; '*' may only be all of its first or last label")]
    BadPattern {
        /// The name.
        name: String,
    },
    /// The name of an upstream that cannot be asked for in TLS.
    #[error("{name:?} is neither a host name nor an IP address")]
    BadServerName {
        /// The name.
        name: String,
    },
    /// The system has no random numbers for session tickets.
    #[error("no random numbers for session tickets")]
    NoRandom,
}

/// The application protocols offered, in order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// No negotiation.
    #[default]
    None,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
    /// HTTP/2, then HTTP/1.1.
    Http2AndHttp1,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::None => &[],
            Self::Http1 => &[b"http/1.1", b"http/1.0"],
            Self::Http2 => &[b"h2"],
            Self::Http2AndHttp1 => &[b"h2", b"http/1.1", b"http/1.0"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// The versions of TLS a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12And13,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Versions {
    fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12And13 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::Tls12 => vec![&rustls::version::TLS12],
            Self::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

/// The configuration of a listener: once for all workers, so that a session is resumed on whichever one the client
/// meets. What `certificates` holds may change later.
pub fn server_config(
    certificates: Arc<Certificates>,
    alpn: Alpn,
    versions: Versions,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions.supported())
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = alpn.protocols();
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|_| TlsError::NoRandom)?;
    // Tickets need no memory here, and no lock.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

#[cfg(test)]
mod tests;
