//! What proxies talk to: their bootstrap, their registration, and their discovery streams.

mod bootstrap;
mod node;
mod registration;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use base::Clock;
use pki::CertificateInfo;
use runtime::tasks::Tasks;

pub use registration::Denied;
use registration::Registrar;

use crate::index::Index;
use crate::insights::Insights;
use crate::resources::Resources;
use crate::tokens::Tokens;

/// Largest bootstrap request; it may carry a whole Dataplane and a chain of certificates.
const BOOTSTRAP_LIMIT: usize = 1024 * 1024;

/// What the operator decides about proxies.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether proxies have to show a token.
    pub authenticate: bool,
    /// How long the Dataplane of a proxy that registered itself outlives its connection.
    pub deregistration_delay: Duration,
    /// Host that proxies are told to connect to; `None` for the one they sent the bootstrap request to.
    pub xds_host: Option<String>,
    /// Port that proxies are told to connect to.
    pub xds_port: u16,
    /// Time a connection attempt of a proxy may take.
    pub xds_connect_timeout: Duration,
    /// What this control plane's certificate says of itself; `None` when it is not readable.
    pub certificate: Option<CertificateInfo>,
    /// PEM of what proxies verify that certificate with unless they bring an authority.
    pub ca_pem: String,
    /// Where proxies' admin interfaces listen.
    pub admin_address: String,
    /// Port of proxies' admin interfaces unless they name one; 0 for none.
    pub admin_port: u16,
    /// Whether proxies that name no port have their admin interface on a Unix socket.
    pub admin_unix_socket: bool,
    /// Access log of proxies' admin interfaces.
    pub admin_access_log: String,
}

/// The data plane side of a control plane.
#[derive(Debug)]
pub struct DpServer {
    settings: Settings,
    index: Index,
    insights: Arc<Insights>,
    registrar: Registrar,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    /// Numbers sessions; the larger one of a proxy is the later one.
    sessions: AtomicU64,
}

impl DpServer {
    /// A server on these parts.
    pub fn new(
        settings: Settings,
        resources: Resources,
        index: Index,
        insights: Arc<Insights>,
        tokens: Tokens,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let registrar = Registrar::new(resources, tokens, settings.authenticate, insights.instance().to_owned());
        let sessions = AtomicU64::new(1);
        Arc::new(Self { settings, index, insights, registrar, clock, tasks, sessions })
    }

    /// `POST /bootstrap` and the aggregated discovery service.
    pub fn router(self: &Arc<Self>) -> Router {
        xds::server::router(Arc::new(stream::Streams(Arc::clone(self)))).merge(self.bootstrap_router())
    }

    /// `POST /bootstrap` alone, for the port of the oldest dialect.
    pub fn bootstrap_router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/bootstrap", post(bootstrap::handle))
            .layer(DefaultBodyLimit::max(BOOTSTRAP_LIMIT))
            .with_state(Arc::clone(self))
    }

    fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }
}
