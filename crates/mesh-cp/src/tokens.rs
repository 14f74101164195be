//! Tokens of data plane proxies, zones and users: issuing, and checking what somebody brings.
//!
//! Keys are secrets (of the mesh for its proxies, global for zones and users), so that every instance that
//! shares the store issues and accepts the same tokens. Nothing else about a token is stored; revoking one
//! means writing its id into the realm's revocation list.

pub mod keys;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use mesh_model::{Dataplane, SERVICE};
use pki::jwt::{self, Claims, DataplaneClaims, JwtError, UserClaims, ZoneClaims};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::resources::{ResourceError, Resources};
use crate::secrets;
use keys::Realm;

/// How long a token is good when its issuer does not say.
pub const DEFAULT_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// Secret under which the token of the first administrator is kept.
const ADMIN_TOKEN: &str = "admin-user-token";
/// The administrator: user and group have the same name.
pub const ADMIN: &str = "mesh-system:admin";

/// Issues and checks tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens {
    resources: Resources,
    clock: Arc<dyn Clock>,
}

/// Why a token was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The realm has no key, for a mesh that means: there is no such mesh.
    #[error("there is no signing key")]
    NoKey,
    /// The key cannot be used.
    #[error("the signing key is not usable")]
    BadKey(#[source] pki::PkiError),
    /// The keys could not be read.
    #[error("the signing keys could not be read")]
    Store(#[from] ResourceError),
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It is not a token, not ours, or its time is over.
    #[error(transparent)]
    Token(#[from] JwtError),
    /// Its id is on the revocation list.
    #[error("token is revoked")]
    Revoked,
    /// It is good, but for something else.
    #[error("{0}")]
    Mismatch(String),
    /// The keys could not be read.
    #[error("the signing keys could not be read")]
    Store(#[from] ResourceError),
}

impl Tokens {
    /// Tokens signed by keys that are kept in `resources`.
    pub fn new(resources: Resources, clock: Arc<dyn Clock>) -> Self {
        Self { resources, clock }
    }

    /// A token for data plane proxies.
    pub async fn issue_dataplane(&self, claims: DataplaneClaims, valid_for: Duration) -> Result<String, IssueError> {
        let realm = Realm::Dataplane(claims.mesh.clone());
        self.issue(&realm, claims, valid_for).await
    }

    /// A token for what runs in a zone.
    pub async fn issue_zone(&self, claims: ZoneClaims, valid_for: Duration) -> Result<String, IssueError> {
        self.issue(&Realm::Zone, claims, valid_for).await
    }

    /// A token for a user of the API.
    pub async fn issue_user(&self, claims: UserClaims, valid_for: Duration) -> Result<String, IssueError> {
        self.issue(&Realm::User, claims, valid_for).await
    }

    async fn issue<C: Serialize>(&self, realm: &Realm, claims: C, valid_for: Duration) -> Result<String, IssueError> {
        let (kid, pem) = keys::latest(&self.resources, realm).await?.ok_or(IssueError::NoKey)?;
        let key = jwt::SigningKey::from_pem(&pem).map_err(IssueError::BadKey)?;
        Ok(key.sign(&kid, &Claims::new(claims, valid_for, self.clock.now())))
    }

    /// Whether `token` lets the proxy `name` of `mesh` in, which declares `dataplane` and carries the label
    /// `kuma.io/workload: <workload>`.
    pub async fn validate_dataplane(
        &self,
        token: &str,
        mesh: &str,
        name: &str,
        dataplane: &Dataplane,
        workload: Option<&str>,
    ) -> Result<(), Reason> {
        let claims: DataplaneClaims = self.verify(&Realm::Dataplane(mesh.to_owned()), token).await?;
        check_dataplane(&claims, mesh, name, &values_by_tag(dataplane), workload).map_err(Reason::Mismatch)
    }

    /// Whether `token` is good for `scope` (`ingress`, `egress`, `cp`) in `zone`.
    pub async fn validate_zone(&self, token: &str, zone: &str, scope: &str) -> Result<(), Reason> {
        let claims: ZoneClaims = self.verify(&Realm::Zone, token).await?;
        if claims.zone != zone {
            let message = format!("zone from requestor: {zone} is different than in token: {}", claims.zone);
            return Err(Reason::Mismatch(message));
        }
        if !claims.scope.iter().any(|one| one == scope) {
            return Err(Reason::Mismatch(format!("token cannot be used for {scope}: its scope is {:?}", claims.scope)));
        }
        Ok(())
    }

    /// The user a token stands for.
    pub async fn validate_user(&self, token: &str) -> Result<UserClaims, Reason> {
        self.verify(&Realm::User, token).await
    }

    async fn verify<C: DeserializeOwned>(&self, realm: &Realm, token: &str) -> Result<C, Reason> {
        let kid = jwt::key_id(token)?;
        let key = keys::verification_key(&self.resources, realm, &kid).await?;
        let claims: Claims<C> = jwt::verify(token, self.clock.now(), |_| key)?;
        let revoked = secrets::read(&self.resources, realm.mesh(), &realm.revocations()).await?.unwrap_or_default();
        let revoked = String::from_utf8_lossy(&revoked);
        if revoked.split(',').any(|id| !id.trim().is_empty() && id.trim() == claims.registered.jti) {
            return Err(Reason::Revoked);
        }
        Ok(claims.own)
    }

    /// Makes sure that there are keys for the tokens of zones and users.
    pub async fn ensure_global_keys(&self) -> Result<(), ResourceError> {
        for realm in [Realm::Zone, Realm::User] {
            if keys::latest(&self.resources, &realm).await?.is_none() {
                let key = keys::generate().await.map_err(ResourceError::Defaults)?;
                secrets::create(&self.resources, "", &realm.first_key(), key.as_bytes()).await?;
            }
        }
        Ok(())
    }

    /// Makes sure that there is a token for the first administrator, kept as a global secret.
    pub async fn ensure_admin_token(&self) -> Result<(), ResourceError> {
        if secrets::read(&self.resources, "", ADMIN_TOKEN).await?.is_some() {
            return Ok(());
        }
        let claims = UserClaims { name: ADMIN.to_owned(), groups: vec![ADMIN.to_owned()] };
        let token = self
            .issue_user(claims, DEFAULT_LIFETIME)
            .await
            .map_err(|error| ResourceError::Defaults(base::report(&error)))?;
        secrets::create(&self.resources, "", ADMIN_TOKEN, token.as_bytes()).await
    }
}

/// Every value a proxy has for each of its tags, over all that it offers.
fn values_by_tag(dataplane: &Dataplane) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tag, value) in dataplane.source_tags().flatten() {
        values.entry(tag).or_default().insert(value);
    }
    values
}

/// What is empty in the token is not restricted; what is not must agree.
fn check_dataplane(
    claims: &DataplaneClaims,
    mesh: &str,
    name: &str,
    values: &BTreeMap<&str, BTreeSet<&str>>,
    workload: Option<&str>,
) -> Result<(), String> {
    if !claims.name.is_empty() && claims.name != name {
        return Err(format!("proxy name from requestor: {name} is different than in token: {}", claims.name));
    }
    if !claims.mesh.is_empty() && claims.mesh != mesh {
        return Err(format!("proxy mesh from requestor: {mesh} is different than in token: {}", claims.mesh));
    }
    if !["", "dataplane"].contains(&claims.proxy_type.as_str()) {
        return Err(format!("token is for a proxy of type {:?}, not for a dataplane", claims.proxy_type));
    }
    for (tag, allowed) in &claims.tags {
        let tag = if tag == "service" { SERVICE } else { tag };
        let Some(has) = values.get(tag) else {
            return Err(format!("dataplane has no tag {tag:?} required by the token"));
        };
        if let Some(value) = has.iter().find(|value| !allowed.iter().any(|one| one == **value)) {
            return Err(format!(
                "dataplane contains tag {tag:?} with value {value:?} which is not allowed with this token. Allowed values in token are {allowed:?}"
            ));
        }
    }
    if !claims.workload.is_empty() && workload != Some(claims.workload.as_str()) {
        return Err(format!(
            "dataplane has the workload {:?} but the token requires {:?}",
            workload.unwrap_or_default(),
            claims.workload
        ));
    }
    Ok(())
}
