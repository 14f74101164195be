//! TLS towards upstreams.

mod verify;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::{Arc, Weak};

use base::Secret;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use pki::tls::AcceptAny;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::{Alpn, TlsError, pem, provider};

/// How upstreams are spoken to. Equal settings share one configuration, and thereby their sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Whose certificates are accepted.
    pub verify: Verify,
    /// The certificate to show if the upstream asks for one.
    pub identity: Option<ClientIdentity>,
    /// The protocols offered.
    pub alpn: Alpn,
}

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Anybody's: the connection is private towards nobody in particular.
    #[default]
    Off,
    /// Certificates for the upstream's name that one of these authorities signed, or that are one of these.
    On {
        /// The authorities in PEM.
        authorities: Arc<str>,
        /// How many certificates may stand between the upstream's and the authority's.
        depth: usize,
    },
}

/// A client's certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate in PEM; its chain may follow.
    pub certificate: Arc<str>,
    /// Its private key in PEM.
    pub key: Secret,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Hash for ClientIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certificate.hash(state);
        self.key.expose().hash(state);
    }
}

/// Configurations by their settings: each is built once and lives as long as somebody uses it.
#[derive(Debug, Default)]
pub struct Configurations {
    /// By hash of the settings.
    built: Mutex<HashMap<u64, Vec<Built>, RandomState>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Built {
    settings: Settings,
    config: Weak<ClientConfig>,
}

impl Configurations {
    /// The configuration for `settings`; an error if a certificate or key cannot be used.
    ///
    /// To be called when the settings change, not for every connection.
    pub fn get(&self, settings: &Settings) -> Result<Arc<ClientConfig>, TlsError> {
        let hash = self.hasher.hash_one(settings);
        if let Some(config) = find(self.built.lock().get(&hash), settings) {
            return Ok(config);
        }
        // Built without the lock; the first of two that do it at once is kept.
        let config = Arc::new(build(settings)?);
        let mut built = self.built.lock();
        if let Some(config) = find(built.get(&hash), settings) {
            return Ok(config);
        }
        built.retain(|_, same_hash| {
            same_hash.retain(|entry| entry.config.strong_count() > 0);
            !same_hash.is_empty()
        });
        let entry = Built { settings: settings.clone(), config: Arc::downgrade(&config) };
        built.entry(hash).or_default().push(entry);
        Ok(config)
    }

    /// How many configurations are in use.
    pub fn len(&self) -> usize {
        self.built.lock().values().flatten().filter(|entry| entry.config.strong_count() > 0).count()
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The name of an upstream to ask for and to verify: a host name or an IP address, without port.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(address)
        .map(|name| name.to_owned())
        .map_err(|_| TlsError::BadServerName { name: host.to_owned() })
}

fn find(built: Option<&Vec<Built>>, settings: &Settings) -> Option<Arc<ClientConfig>> {
    built?.iter().find(|entry| entry.settings == *settings)?.config.upgrade()
}

fn build(settings: &Settings) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .dangerous();
    let builder = match &settings.verify {
        Verify::Off => builder.with_custom_certificate_verifier(AcceptAny::new(provider())),
        Verify::On { authorities, depth } => {
            let what = "the CA certificate";
            let anchors = pem::certificates(authorities, what)?;
            let mut roots = RootCertStore::empty();
            for anchor in &anchors {
                // One that cannot be an anchor of chains can still be the upstream's own.
                drop(roots.add(anchor.clone()));
            }
            builder.with_custom_certificate_verifier(Arc::new(verify::Verifier::new(roots, anchors, *depth)?))
        }
    };
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = pem::certified_key(
                &identity.certificate,
                identity.key.expose(),
                "the client certificate",
                "the client certificate's private key",
            )?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
        }
    };
    config.alpn_protocols = settings.alpn.protocols();
    // Connections take their keys from rustls and seal their records themselves.
    config.enable_secret_extraction = true;
    Ok(config)
}
