//! Certificate authorities of meshes: generated ones are created once and kept as secrets of the mesh,
//! provided ones are read from where the mesh says.

use std::sync::Arc;

use base::Clock;
use mesh_model::mesh::{CaBackend, CaSource, DataSource};
use pki::PkiError;
use pki::ca::CertificateAuthority;
use store::{Op, StoreError};

use crate::resources::{ResourceError, Resources};
use crate::secrets;

/// Largest certificate or key that is read from a file.
const FILE_LIMIT: u64 = 256 * 1024;

/// Why a mesh has no usable authority.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// A secret it is made of cannot be read.
    #[error("its secrets cannot be read")]
    Read(#[from] ResourceError),
    /// The secrets it is made of cannot be written.
    #[error("its secrets cannot be written")]
    Write(#[from] StoreError),
    /// A secret it is made of does not exist.
    #[error("secret {0:?} does not exist in the mesh")]
    NoSecret(String),
    /// A secret or file is not what it should be.
    #[error("{0} is not text in PEM form")]
    NotText(String),
    /// A file it is made of cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Certificate or key are not usable.
    #[error("certificate and key are not usable")]
    Pki(#[from] PkiError),
}

/// The authority that `backend` describes. A generated one that does not exist yet is created; of several
/// control planes that try, one wins and all use its authority.
pub(crate) async fn resolve(
    resources: &Resources,
    clock: &dyn Clock,
    mesh: &Arc<str>,
    backend: &CaBackend,
) -> Result<CertificateAuthority, AuthorityError> {
    let (cert, key) = match &backend.source {
        CaSource::Builtin => builtin(resources, clock, mesh, backend).await?,
        CaSource::Provided { cert, key } => (data(resources, mesh, cert).await?, data(resources, mesh, key).await?),
    };
    Ok(CertificateAuthority::from_pem(&cert, &key, clock.now())?)
}

async fn builtin(
    resources: &Resources,
    clock: &dyn Clock,
    mesh: &Arc<str>,
    backend: &CaBackend,
) -> Result<(String, String), AuthorityError> {
    let cert_name = format!("{mesh}.ca-builtin-cert-{}", backend.name);
    let key_name = format!("{mesh}.ca-builtin-key-{}", backend.name);
    if let Some(cert) = secret(resources, mesh, &cert_name).await? {
        let key = secret(resources, mesh, &key_name).await?.ok_or(AuthorityError::NoSecret(key_name))?;
        return Ok((cert, key));
    }
    let ca = CertificateAuthority::generate(mesh, backend.root_lifetime, clock.now())?;
    let create = |name: &str, pem: &str| Op::Create(secrets::document(mesh, name, pem.as_bytes()).draft());
    let pair = vec![create(&cert_name, ca.cert_pem()), create(&key_name, ca.key_pem().expose())];
    match resources.store().commit(pair).await {
        Ok(_) => Ok((ca.cert_pem().to_owned(), ca.key_pem().expose().to_owned())),
        Err(StoreError::Exists(_)) => {
            let cert = secret(resources, mesh, &cert_name).await?.ok_or(AuthorityError::NoSecret(cert_name))?;
            let key = secret(resources, mesh, &key_name).await?.ok_or(AuthorityError::NoSecret(key_name))?;
            Ok((cert, key))
        }
        Err(error) => Err(error.into()),
    }
}

async fn secret(resources: &Resources, mesh: &Arc<str>, name: &str) -> Result<Option<String>, AuthorityError> {
    let Some(bytes) = secrets::read(resources, mesh, name).await? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| AuthorityError::NotText(format!("secret {name:?}")))
}

async fn data(resources: &Resources, mesh: &Arc<str>, source: &DataSource) -> Result<String, AuthorityError> {
    match source {
        DataSource::Secret(name) => {
            secret(resources, mesh, name).await?.ok_or_else(|| AuthorityError::NoSecret(name.clone()))
        }
        DataSource::InlineString(text) => Ok(text.clone()),
        DataSource::Inline(bytes) => {
            String::from_utf8(bytes.clone()).map_err(|_| AuthorityError::NotText("inline".to_owned()))
        }
        DataSource::File(path) => file(path).await,
    }
}

async fn file(path: &str) -> Result<String, AuthorityError> {
    use tokio::io::AsyncReadExt as _;
    let failed = |source| AuthorityError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.take(FILE_LIMIT).read_to_string(&mut text).await.map_err(failed)?;
    Ok(text)
}
