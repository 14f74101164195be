//! Which certificate a client gets.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::{TlsError, pem};

/// A certificate with its chain and private key.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// Reads a certificate, which its chain may follow, and its private key from PEM.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, TlsError> {
        pem::certified_key(certificate, key, "the certificate", "the certificate's private key").map(Self)
    }

    /// Whether the key can sign the way a client wants.
    fn suits(&self, schemes: &[SignatureScheme]) -> bool {
        self.0.key.choose_scheme(schemes).is_some()
    }

    fn is_ecdsa(&self) -> bool {
        self.0.key.algorithm() == SignatureAlgorithm::ECDSA
    }
}

/// A server's certificate, or two with keys of different kinds: clients that know ECDSA get the cheaper one.
#[derive(Clone, Debug)]
pub struct ServerIdentity {
    /// The one that is tried first.
    first: Certificate,
    second: Option<Certificate>,
}

impl ServerIdentity {
    /// An identity of one certificate, or of two for clients of different abilities.
    pub fn new(certificate: Certificate, alternative: Option<Certificate>) -> Self {
        match alternative {
            Some(alternative) if alternative.is_ecdsa() && !certificate.is_ecdsa() => {
                Self { first: alternative, second: Some(certificate) }
            }
            second => Self { first: certificate, second },
        }
    }

    fn choose(&self, schemes: &[SignatureScheme]) -> Arc<CertifiedKey> {
        let second = self.second.as_ref().filter(|second| !self.first.suits(schemes) && second.suits(schemes));
        second.unwrap_or(&self.first).0.clone()
    }
}

/// Identities by the names clients ask for.
///
/// The order is: the name itself, `*` in place of its first label, `*` in place of its last, `*` for any name, the
/// default. Clients that name nothing, or something unknown, get the default too.
#[derive(Clone, Debug)]
pub struct CertificateTable {
    default: ServerIdentity,
    any: Option<ServerIdentity>,
    exact: Names,
    /// By what follows `*.`.
    first_label: Names,
    /// By what precedes `.*`.
    last_label: Names,
}

type Names = HashMap<Box<str>, ServerIdentity, RandomState>;

impl CertificateTable {
    /// A table of the default only.
    pub fn new(default: ServerIdentity) -> Self {
        Self {
            default,
            any: None,
            exact: Names::default(),
            first_label: Names::default(),
            last_label: Names::default(),
        }
    }

    /// Adds the identity for a name: a host name, `*.rest`, `prefix.*` or `*`. It takes the place of one added before.
    pub fn insert(&mut self, pattern: &str, identity: ServerIdentity) -> Result<(), TlsError> {
        let pattern = pattern.to_ascii_lowercase();
        let (names, key) = if pattern == "*" {
            self.any = Some(identity);
            return Ok(());
        } else if let Some(rest) = pattern.strip_prefix("*.") {
            (&mut self.first_label, rest)
        } else if let Some(prefix) = pattern.strip_suffix(".*") {
            (&mut self.last_label, prefix)
        } else {
            (&mut self.exact, pattern.as_str())
        };
        if key.is_empty() || key.contains(['*', ' ']) {
            return Err(TlsError::BadPattern { name: pattern });
        }
        names.insert(key.into(), identity);
        Ok(())
    }

    /// The identity for a name in lower case.
    fn find(&self, name: &str) -> &ServerIdentity {
        let without_first = || name.split_once('.').and_then(|(_, rest)| self.first_label.get(rest));
        let without_last = || name.rsplit_once('.').and_then(|(prefix, _)| self.last_label.get(prefix));
        self.exact.get(name).or_else(without_first).or_else(without_last).or(self.any.as_ref()).unwrap_or(&self.default)
    }
}

/// The certificates of listeners. Handshakes after [`Certificates::replace`] use the new table; connections that
/// exist stay as they are.
#[derive(Debug)]
pub struct Certificates {
    table: ArcSwap<CertificateTable>,
}

impl Certificates {
    /// Certificates from a table.
    pub fn new(table: CertificateTable) -> Arc<Self> {
        Arc::new(Self { table: ArcSwap::from_pointee(table) })
    }

    /// Puts another table in the place of the current one.
    pub fn replace(&self, table: CertificateTable) {
        self.table.store(Arc::new(table));
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let identity = match hello.server_name() {
            Some(name) if name.bytes().any(|byte| byte.is_ascii_uppercase()) => table.find(&name.to_ascii_lowercase()),
            Some(name) => table.find(name),
            None => &table.default,
        };
        Some(identity.choose(hello.signature_schemes()))
    }
}
