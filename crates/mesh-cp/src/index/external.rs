//! Services outside the mesh, with the secrets they name put in place.

use std::collections::HashMap;
use std::sync::Arc;

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_model::mesh::DataSource;
use mesh_model::policy::ExternalService;

/// `service` with the content of the secrets it refers to. One that does not exist stays a reference, and is
/// reported when a proxy is built that needs it.
pub(super) fn with_secrets(
    service: &Arc<ExternalService>,
    secrets: &HashMap<Arc<str>, Secret>,
) -> Arc<ExternalService> {
    let mut service = Arc::clone(service);
    let Some(tls) = &service.tls else { return service };
    let sources = [&tls.ca, &tls.cert, &tls.key];
    if !sources.into_iter().flatten().any(|source| matches!(source, DataSource::Secret(_))) {
        return service;
    }
    if let Some(tls) = &mut Arc::make_mut(&mut service).tls {
        for source in [&mut tls.ca, &mut tls.cert, &mut tls.key].into_iter().flatten() {
            let DataSource::Secret(name) = source else { continue };
            let data = secrets.get(name.as_str()).and_then(|data| STANDARD.decode(data.expose()).ok());
            if let Some(data) = data {
                *source = DataSource::Inline(data);
            }
        }
    }
    service
}
