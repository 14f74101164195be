//! The keys that sign tokens, kept as secrets `<prefix>-<number>`; the highest number signs.

use pki::jwt::{LEGACY_KEY_ID, SigningKey, VerificationKey};

use crate::resources::{ResourceError, Resources, Selection};
use crate::secrets;

/// Who shares keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Realm {
    /// The data plane proxies of a mesh.
    Dataplane(String),
    /// Zones.
    Zone,
    /// Users of the API.
    User,
}

impl Realm {
    /// The mesh whose secrets hold the keys; empty for global ones.
    pub(super) fn mesh(&self) -> &str {
        match self {
            Self::Dataplane(mesh) => mesh,
            Self::Zone | Self::User => "",
        }
    }

    fn key_prefix(&self) -> String {
        match self {
            Self::Dataplane(mesh) => format!("dataplane-token-signing-key-{mesh}"),
            Self::Zone => "zone-token-signing-key".to_owned(),
            Self::User => "user-token-signing-key".to_owned(),
        }
    }

    pub(super) fn first_key(&self) -> String {
        format!("{}-1", self.key_prefix())
    }

    /// Secret with the ids of revoked tokens, separated by commas.
    pub(super) fn revocations(&self) -> String {
        match self {
            Self::Dataplane(mesh) => format!("dataplane-token-revocations-{mesh}"),
            Self::Zone => "zone-token-revocations".to_owned(),
            Self::User => "user-token-revocations".to_owned(),
        }
    }

    /// The number of the key that a secret holds; the oldest key has no number in its name.
    fn number(&self, secret: &str) -> Option<u64> {
        match secret.strip_prefix(&self.key_prefix())? {
            "" => Some(0),
            rest => rest.strip_prefix('-')?.parse().ok(),
        }
    }
}

/// Name of the secret with the first key for the proxies of a mesh.
pub(crate) fn first_dataplane_key(mesh: &str) -> String {
    Realm::Dataplane(mesh.to_owned()).first_key()
}

/// A new key as PEM. Takes a while and is computed off the async threads.
pub(crate) async fn generate() -> Result<String, String> {
    let made = tokio::task::spawn_blocking(|| SigningKey::generate().map(|key| key.pem().expose().to_owned())).await;
    match made {
        Ok(Ok(pem)) => Ok(pem),
        Ok(Err(error)) => Err(base::report(&error)),
        Err(error) => Err(error.to_string()),
    }
}

/// Id and PEM of the key that signs.
pub(super) async fn latest(resources: &Resources, realm: &Realm) -> Result<Option<(String, String)>, ResourceError> {
    let selection = Selection { name: Some(realm.key_prefix()), ..Selection::default() };
    let page = resources.list(secrets::kind(realm.mesh()), Some(realm.mesh()), &selection).await?;
    let keys = page.records.iter().filter_map(|record| Some((realm.number(&record.draft.key.name)?, record)));
    let latest = keys.max_by_key(|(number, _)| *number);
    Ok(latest
        .map(|(number, record)| (number.to_string(), String::from_utf8_lossy(&secrets::data(record)).into_owned())))
}

/// The key of that id, if there is one and it can be read.
pub(super) async fn verification_key(
    resources: &Resources,
    realm: &Realm,
    kid: &str,
) -> Result<Option<VerificationKey>, ResourceError> {
    let prefix = realm.key_prefix();
    let mut data = secrets::read(resources, realm.mesh(), &format!("{prefix}-{kid}")).await?;
    if data.is_none() && kid == LEGACY_KEY_ID {
        data = secrets::read(resources, realm.mesh(), &prefix).await?;
    }
    Ok(data.and_then(|data| match VerificationKey::from_pem(&String::from_utf8_lossy(&data)) {
        Ok(key) => Some(key),
        Err(_) if kid == LEGACY_KEY_ID => Some(VerificationKey::legacy(&data)),
        Err(error) => {
            tracing::warn!(error = %base::report(&error), kid, "Signing key cannot be read");
            None
        }
    }))
}
