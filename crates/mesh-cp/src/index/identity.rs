//! Who proxies are: certificates of the mesh's authority, issued in memory and never stored.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mesh_model::Dataplane;
use mesh_model::mesh::CaBackend;
use mesh_model::tags::SERVICE;
use pki::PkiError;
use pki::ca::{CertificateAuthority, LeafRequest};
use proto::Resource;

use super::ProxyId;

/// The authority of a mesh.
#[derive(Debug)]
pub(super) struct Authority {
    mesh: Arc<str>,
    pub(super) backend: CaBackend,
    ca: Arc<CertificateAuthority>,
    /// Its certificate, as every proxy gets it.
    pub(super) secret: Arc<Resource>,
}

/// The certificate of one proxy.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) secret: Arc<Resource>,
    /// When it is replaced: at 4/5 of its lifetime.
    pub(super) rotate_at: Timestamp,
    not_before: Timestamp,
    not_after: Timestamp,
    uris: Vec<String>,
    issuer: Arc<CertificateAuthority>,
}

/// A certificate that was issued, for the proxy's insight.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) proxy: ProxyId,
    pub(crate) backend: String,
    pub(crate) at: Timestamp,
    pub(crate) expires: Timestamp,
    /// Every authority of the mesh, by name.
    pub(crate) supported: Vec<String>,
}

impl Issued {
    pub(super) fn new(proxy: ProxyId, authority: &Authority, identity: &Identity, supported: Vec<String>) -> Self {
        let backend = authority.backend.name.clone();
        Self { proxy, backend, at: identity.not_before, expires: identity.not_after, supported }
    }
}

impl Authority {
    pub(super) fn new(mesh: &Arc<str>, backend: CaBackend, ca: Arc<CertificateAuthority>) -> Self {
        let secret = Arc::new(mesh_xds::mesh_ca_secret(mesh, ca.cert_pem()));
        Self { mesh: Arc::clone(mesh), backend, ca, secret }
    }

    pub(super) fn is(&self, backend: &CaBackend, ca: &CertificateAuthority) -> bool {
        self.backend == *backend && self.ca.cert_pem() == ca.cert_pem()
    }

    /// The certificate of `dataplane`: `previous` as long as it says the same and is not due; the flag
    /// tells whether it is a new one.
    pub(super) fn identity(
        &self,
        dataplane: &Dataplane,
        previous: Option<&Identity>,
        now: Timestamp,
    ) -> Result<(Identity, bool), PkiError> {
        let uris = uris(&self.mesh, dataplane);
        let valid = previous.filter(|identity| {
            identity.uris == uris && identity.rotate_at > now && Arc::ptr_eq(&identity.issuer, &self.ca)
        });
        if let Some(identity) = valid {
            return Ok((identity.clone(), false));
        }
        let lifetime = self.backend.leaf_lifetime;
        let request = LeafRequest {
            uris: uris.clone(),
            lifetime,
            common_name: dataplane.identifying_service().to_owned(),
            server: true,
            client: true,
            ..LeafRequest::default()
        };
        let leaf = self.ca.issue(&request, now)?;
        let identity = Identity {
            secret: Arc::new(mesh_xds::identity_secret(&self.mesh, &leaf.cert_pem, leaf.key_pem.expose())),
            rotate_at: later(now, lifetime.mul_f64(0.8)),
            not_before: now,
            not_after: leaf.not_after,
            uris,
            issuer: Arc::clone(&self.ca),
        };
        Ok((identity, true))
    }
}

/// `spiffe://<mesh>/<service>` for every service, then `kuma://<tag>/<value>` for every other tag.
fn uris(mesh: &str, dataplane: &Dataplane) -> Vec<String> {
    let mut uris: Vec<String> =
        dataplane.services().into_iter().map(|service| format!("spiffe://{mesh}/{service}")).collect();
    let others = dataplane.source_tags().flatten().filter(|(key, _)| *key != SERVICE);
    let mut others: Vec<String> = others.map(|(key, value)| format!("kuma://{key}/{value}")).collect();
    others.sort_unstable();
    others.dedup();
    uris.append(&mut others);
    uris
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}
