//! Keys of older releases that mean the same as a newer one.

use serde_json::Value;

use super::reader::at;

/// Old key and its successor. What is set under the old key counts unless the new one is set too.
pub(super) const SUCCESSORS: &[(&str, &str)] = &[
    ("apiServer.port", "apiServer.http.port"),
    ("apiServer.auth.allowFromLocalhost", "apiServer.authn.localhostIsAdmin"),
    ("bootstrapServer.port", "apiServer.https.port"),
    ("dataplaneTokenServer.enabled", "adminServer.apis.dataplaneToken.enabled"),
    ("dataplaneTokenServer.local.port", "adminServer.local.port"),
    ("dataplaneTokenServer.public.clientCertsDir", "adminServer.public.clientCertsDir"),
    ("dataplaneTokenServer.public.enabled", "adminServer.public.enabled"),
    ("dataplaneTokenServer.public.interface", "adminServer.public.interface"),
    ("dataplaneTokenServer.public.port", "adminServer.public.port"),
    ("dataplaneTokenServer.public.tlsCertFile", "adminServer.public.tlsCertFile"),
    ("dataplaneTokenServer.public.tlsKeyFile", "adminServer.public.tlsKeyFile"),
    ("dpServer.auth.type", "dpServer.authn.dpProxy.type"),
    ("monitoringAssignmentServer.grpcPort", "monitoringAssignmentServer.port"),
    ("xdsServer.diagnosticsPort", "diagnostics.serverPort"),
    ("xdsServer.grpcPort", "dpServer.port"),
    ("xdsServer.tlsCertFile", "dpServer.tlsCertFile"),
    ("xdsServer.tlsKeyFile", "dpServer.tlsKeyFile"),
];

/// Whether a key of that path has a successor.
pub(super) fn is_old(path: &str) -> bool {
    SUCCESSORS.iter().any(|(old, _)| *old == path)
}

/// Carries values set under old keys over to the new ones, and shows the effective value under both.
pub(super) fn carry_over(tree: &mut Value, given: &dyn Fn(&str) -> bool) {
    for (old, new) in SUCCESSORS {
        let (from, to) = if given(old) && !given(new) { (old, new) } else { (new, old) };
        if let Some(value) = at(tree, from).cloned() {
            set(tree, to, value);
        }
    }
}

fn set(tree: &mut Value, path: &str, value: Value) {
    if let Some(place) = tree.pointer_mut(&format!("/{}", path.replace('.', "/"))) {
        *place = value;
    }
}
