//! Rules that need to see more than the resource that is written.

use mesh_model::mesh::{CaBackend, CaSource, DataSource};
use mesh_model::{Kind, Mesh, Spec};
use store::Record;

use super::{ResourceError, Resources, from_record, record};

/// What must hold before a mesh is written in place of `old`.
pub(super) async fn check_mesh(
    resources: &Resources,
    name: &str,
    new: &Mesh,
    old: Option<&Record>,
) -> Result<(), ResourceError> {
    let old = old.and_then(|record| from_record(record).ok());
    if let Some(Spec::Mesh(old)) = old.as_ref().map(|resource| &resource.spec) {
        check_ca_stays(old, new)?;
    }
    match new.enabled_ca() {
        Some(CaBackend { name: backend, source: CaSource::Provided { cert, key }, .. }) => {
            let index = new.mtls.iter().flat_map(|mtls| &mtls.backends).position(|one| one.name == *backend);
            let conf = format!("mtls.backends[{}].conf", index.unwrap_or_default());
            check_secret(resources, name, cert, &format!("{conf}.cert")).await?;
            check_secret(resources, name, key, &format!("{conf}.key")).await
        }
        _ => Ok(()),
    }
}

/// Proxies would trust two authorities for a while, which is not supported: mutual TLS goes off in between.
fn check_ca_stays(old: &Mesh, new: &Mesh) -> Result<(), ResourceError> {
    match (old.enabled_ca(), new.enabled_ca()) {
        (Some(old), Some(new)) if old.name != new.name => Err(ResourceError::invalid(
            "mtls.enabledBackend",
            "Changing CA when mTLS is enabled is forbidden. Disable mTLS first and then change the CA",
        )),
        _ => Ok(()),
    }
}

async fn check_secret(resources: &Resources, mesh: &str, source: &DataSource, path: &str) -> Result<(), ResourceError> {
    let DataSource::Secret(name) = source else { return Ok(()) };
    match resources.get(secret_kind(), mesh, name).await {
        Err(ResourceError::NotFound) => Err(ResourceError::invalid(
            format!("{path}.secret"),
            format!("could not load data: secret {name:?} does not exist in mesh {mesh:?}"),
        )),
        other => other.map(|_| ()),
    }
}

/// What must hold before a resource is deleted.
pub(super) async fn check_delete(
    resources: &Resources,
    kind: &Kind,
    mesh: &str,
    name: &str,
) -> Result<(), ResourceError> {
    match kind.name {
        "Mesh" if !resources.unsafe_delete() => check_mesh_is_empty(resources, name).await,
        "Secret" => check_secret_is_unused(resources, mesh, name).await,
        _ => Ok(()),
    }
}

async fn check_mesh_is_empty(resources: &Resources, mesh: &str) -> Result<(), ResourceError> {
    let dataplane = Kind::by_name("Dataplane").expect("the table has data plane proxies");
    if resources.count(dataplane, Some(mesh)).await? > 0 {
        return Err(ResourceError::invalid("mesh", "unable to delete mesh, there are still some dataplanes attached"));
    }
    Ok(())
}

async fn check_secret_is_unused(resources: &Resources, mesh: &str, secret: &str) -> Result<(), ResourceError> {
    let Ok(record) = resources.get(record::mesh_kind(), "", mesh).await else { return Ok(()) };
    let Ok(Spec::Mesh(spec)) = from_record(&record).map(|resource| resource.spec) else { return Ok(()) };
    let uses = |backend: &&CaBackend| match &backend.source {
        CaSource::Provided { cert, key } => {
            [cert, key].into_iter().any(|source| matches!(source, DataSource::Secret(name) if name == secret))
        }
        CaSource::Builtin => is_builtin_secret(mesh, &backend.name, secret),
    };
    match spec.enabled_ca().filter(uses) {
        Some(backend) => Err(ResourceError::invalid(
            "name",
            format!(
                "The secret {secret:?} that you are trying to remove is currently in use in Mesh {mesh:?} in mTLS \
                 backend {:?}. Please remove the reference from the {:?} backend before removing the secret.",
                backend.name, backend.name
            ),
        )),
        None => Ok(()),
    }
}

/// Names under which a generated authority keeps its certificate and key.
fn is_builtin_secret(mesh: &str, backend: &str, secret: &str) -> bool {
    ["cert", "key"].into_iter().any(|part| secret == format!("{mesh}.ca-builtin-{part}-{backend}"))
}

fn secret_kind() -> &'static Kind {
    Kind::by_name("Secret").expect("the table has secrets")
}
