//! The discovery streams of proxies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use store::StoreError;
use tracing::{debug, info, warn};
use xds::{Code, Directory, Hello, Session, Status, StreamEvent};

use super::DpServer;
use super::node::Introduction;
use super::registration::{Denied, Deregistered, WORKLOAD};
use crate::index::{ProxyId, Views};
use crate::insights::Subscription;
use crate::resources::{Document, ResourceError};

/// Pause between attempts while the store is away.
const RETRY: Duration = Duration::from_secs(1);

/// One stream of one proxy; its end is the end of the session.
#[derive(Debug)]
pub(super) struct ProxySession {
    server: Arc<DpServer>,
    proxy: ProxyId,
    id: u64,
    views: Views,
    subscription: Arc<Subscription>,
}

/// The streams of a [`DpServer`].
#[derive(Debug)]
pub(super) struct Streams(pub(super) Arc<DpServer>);

impl Directory for Streams {
    type Session = ProxySession;

    async fn open(&self, hello: Hello) -> Result<ProxySession, Status> {
        let introduction = Introduction::read(&hello.node)
            .map_err(|problems| Status::new(Code::InvalidArgument, problems.to_string()))?;
        self.0.admit_stream(introduction, hello.authorization.as_deref()).await.map_err(|denied| {
            info!(node = hello.node.id, reason = %denied, "A proxy is not let in");
            status(&denied)
        })
    }
}

impl DpServer {
    async fn admit_stream(
        self: &Arc<Self>,
        introduction: Introduction,
        token: Option<&str>,
    ) -> Result<ProxySession, Denied> {
        let Introduction { proxy, metadata, resource, version } = introduction;
        self.registrar.require_mesh(&proxy).await?;
        let declared = resource.as_deref().map(|text| self.registrar.read(&proxy, text)).transpose()?;
        let dataplane = match &declared {
            Some((_, dataplane)) => Some(Arc::clone(dataplane)),
            None => self.registrar.stored(&proxy).await?,
        };
        let workload = declared.as_ref().and_then(|(document, _)| document.labels.get(WORKLOAD).map(String::as_str));
        self.registrar.authenticate(&proxy, token, dataplane.as_deref(), workload).await?;
        let id = self.next_session();
        self.registrar.connected(&proxy, id);
        // From here on the end of the session undoes what its beginning did, also when that fails halfway.
        let subscription = self.insights.connected(&proxy, id, version);
        self.insights.admin_is_at(&proxy, &metadata);
        let views = self.index.connect(proxy.clone(), id, metadata).await.ok();
        // A stream without a sender ends at once, and that is right when the process is stopping.
        let views = views.unwrap_or_else(|| tokio::sync::watch::Sender::default().subscribe());
        let session = ProxySession { server: Arc::clone(self), proxy, id, views, subscription };
        if let Some((document, _)) = declared
            && !self.registrar.register(&document).await?
        {
            let later = Arc::clone(self).register_later(session.proxy.clone(), document);
            self.tasks.spawn_detached("registration", later);
        }
        debug!(mesh = %session.proxy.mesh, dataplane = %session.proxy.name, "A proxy is connected");
        Ok(session)
    }

    /// What the end of a session leaves to be done.
    async fn session_ended(self: Arc<Self>, proxy: ProxyId, id: u64) {
        self.index.disconnect(proxy.clone(), id).await;
        if self.registrar.disconnected(&proxy, id) {
            self.deregister_after(self.settings.deregistration_delay, &[proxy]).await;
        }
    }

    /// A known proxy came while the store was away: it is ours as soon as that can be said.
    async fn register_later(self: Arc<Self>, proxy: ProxyId, document: Document) {
        while self.registrar.is_connected(&proxy) && self.tasks.shutdown().pause(RETRY).await {
            match self.registrar.register(&document).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    return warn!(mesh = %proxy.mesh, dataplane = %proxy.name, %error, "A proxy could not be registered");
                }
            }
        }
    }

    /// When the process stops in between, others look after them.
    async fn deregister_after(&self, delay: Duration, proxies: &[ProxyId]) {
        let mut shutdown = self.tasks.shutdown();
        if !shutdown.pause(delay).await {
            return;
        }
        for proxy in proxies {
            let own = self.registrar.instance();
            while self.deregister(proxy, own, own).await == Deregistered::Unavailable {
                while !self.registrar.is_reachable() {
                    if !shutdown.pause(RETRY).await {
                        return;
                    }
                }
                // Others, to which the proxy may have moved, get the time to say so.
                if !shutdown.pause(delay.max(RETRY)).await {
                    return;
                }
            }
        }
    }

    /// `besides` is a control plane whose stored insights are not up to date.
    async fn deregister(&self, proxy: &ProxyId, owner: &str, besides: &str) -> Deregistered {
        match self.insights.is_connected_elsewhere(proxy, besides).await {
            Ok(false) => {}
            Ok(true) => return Deregistered::No,
            Err(error) => {
                warn!(error = %base::report(&error), "Insights cannot be read");
                return Deregistered::No;
            }
        }
        let done = self.registrar.deregister(proxy, owner).await;
        if done == Deregistered::Yes {
            self.insights.forget(proxy);
        }
        done
    }

    /// The control planes that registered proxies.
    pub(crate) async fn registering_instances(&self) -> Result<BTreeSet<String>, ResourceError> {
        Ok(self.registrar.registered().await?.into_iter().map(|(_, owner)| owner).collect())
    }

    /// Proxies that registered themselves with the control plane `owner`, which has ended, and have not come back to
    /// any are deregistered: it did not see them leave.
    pub(crate) async fn deregister_absent(&self, owner: &str) -> Result<(), ResourceError> {
        for (proxy, of) in self.registrar.registered().await? {
            if of == owner && self.deregister(&proxy, owner, "").await == Deregistered::Unavailable {
                return Err(StoreError::Unavailable("proxies could not be deregistered".into()).into());
            }
        }
        Ok(())
    }
}

impl DpServer {
    /// Removes the Dataplanes of proxies that were connected once, and to none for `age`.
    pub(crate) async fn remove_forgotten(&self, age: Duration) -> Result<(), ResourceError> {
        let Ok(before) = self.clock.now().checked_sub(age) else { return Ok(()) };
        for proxy in self.insights.offline_since(before).await? {
            self.registrar.remove(&proxy).await?;
            self.insights.forget(&proxy);
            info!(mesh = %proxy.mesh, dataplane = %proxy.name, "Removed a proxy that was offline for long");
        }
        Ok(())
    }
}

impl Session for ProxySession {
    fn views(&self) -> Views {
        self.views.clone()
    }

    fn event(&self, event: StreamEvent<'_>) {
        let now = self.server.clock.now();
        match event {
            StreamEvent::Sent { kind, .. } => self.subscription.sent(kind, now),
            StreamEvent::Acked { kind, .. } => self.subscription.acknowledged(kind, now),
            StreamEvent::Nacked { kind, message, .. } => {
                warn!(mesh = %self.proxy.mesh, dataplane = %self.proxy.name, kind = kind.short(), message, "A proxy rejected its configuration");
                self.subscription.rejected(kind, message, now);
            }
        }
        self.server.insights.counted();
    }
}

impl Drop for ProxySession {
    fn drop(&mut self) {
        debug!(mesh = %self.proxy.mesh, dataplane = %self.proxy.name, "A proxy is disconnected");
        self.server.insights.disconnected(&self.proxy, &self.subscription);
        let ended = Arc::clone(&self.server).session_ended(self.proxy.clone(), self.id);
        self.server.tasks.spawn_detached("session end", ended);
    }
}

fn status(denied: &Denied) -> Status {
    let code = match denied {
        Denied::NoToken | Denied::BadToken(_) | Denied::WrongToken(_) => Code::Unauthenticated,
        Denied::Invalid(_) => Code::InvalidArgument,
        Denied::NoMesh(_) => Code::NotFound,
        Denied::Resource(_) => Code::Unavailable,
    };
    Status::new(code, denied.to_string())
}
