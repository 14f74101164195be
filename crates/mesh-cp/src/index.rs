//! The one task that turns the store's changes into what every connected proxy should have.
//!
//! It owns all derived state; nobody else writes it and nobody waits for it. Streams see its work through
//! one `watch` channel a proxy. It runs on a thread of its own, so that a large rebuild never delays
//! the reading and writing of streams.

mod assignments;
mod concern;
mod engine;
mod external;
mod identity;
mod mesh;
mod proxy;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, report};
use mesh_model::mesh::CaBackend;
use mesh_xds::ProxyMetadata;
use pki::ca::CertificateAuthority;
use runtime::tasks::Shutdown;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};
use xds::View;

use crate::admin_access::AdminAuthority;
use crate::authorities;
use crate::insights::Insights;
use crate::resources::Resources;
use engine::{Engine, Flushed};
pub(crate) use identity::Issued;

/// Name of a proxy and of its mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId {
    /// The mesh.
    pub mesh: Arc<str>,
    /// Name of the Dataplane.
    pub name: Arc<str>,
}

/// What a proxy should have; not ready until that is known.
pub type Views = watch::Receiver<Arc<View>>;

/// Changes that come in bursts are published together: the first at once, the next ones after this pause.
const PAUSE: Duration = Duration::from_millis(5);

/// Commands that wait; a sender waits beyond that.
const QUEUE: usize = 4096;

/// Pause before a certificate authority that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Access to the index.
#[derive(Clone, Debug)]
pub struct Index {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Connect { proxy: ProxyId, session: u64, metadata: ProxyMetadata, reply: oneshot::Sender<Views> },
    Disconnect { proxy: ProxyId, session: u64 },
    Authority { mesh: Arc<str>, backend: CaBackend, authority: Arc<CertificateAuthority> },
    RetryAuthority { mesh: Arc<str> },
}

/// Why the index could not be asked: the process is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the control plane is stopping")]
pub struct Stopped;

impl Index {
    /// Starts the index on a thread of its own. Proxies show their admin interfaces to those whom `admin` vouches for.
    /// It ends, and with it every stream, when the process
    /// shuts down, when the last handle is dropped or when the store is gone.
    pub fn start(
        resources: Resources,
        clock: Arc<dyn Clock>,
        insights: Arc<Insights>,
        admin: Option<Arc<AdminAuthority>>,
        shutdown: Shutdown,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let sender = commands.downgrade();
        std::thread::Builder::new().name("index".to_owned()).spawn(move || {
            let task = Task { resources, clock, insights, admin, commands: sender };
            runtime.block_on(task.run(inbox, shutdown));
        })?;
        Ok(Self { commands })
    }

    /// Announces that `proxy` is connected; of several sessions of one proxy the latest is served.
    pub async fn connect(&self, proxy: ProxyId, session: u64, metadata: ProxyMetadata) -> Result<Views, Stopped> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Connect { proxy, session, metadata, reply };
        self.commands.send(command).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Announces that a session has ended.
    pub async fn disconnect(&self, proxy: ProxyId, session: u64) {
        // The index is gone only when the process stops, and then there is nothing left to tidy up.
        drop(self.commands.send(Command::Disconnect { proxy, session }).await);
    }
}

struct Task {
    resources: Resources,
    clock: Arc<dyn Clock>,
    insights: Arc<Insights>,
    admin: Option<Arc<AdminAuthority>>,
    commands: mpsc::WeakSender<Command>,
}

impl Task {
    async fn run(self, mut inbox: mpsc::Receiver<Command>, mut shutdown: Shutdown) {
        let mut watch = match self.resources.store().watch().await {
            Ok(watch) => watch,
            Err(error) => return error!(error = %report(&error), "The store cannot be watched"),
        };
        let mut engine = Engine::new(self.admin.clone());
        let mut quiet_until = Instant::now();
        let mut rotate_at = None;
        let mut pending = false;
        loop {
            tokio::select! {
                biased;
                // First, so that a steady stream of changes cannot starve the proxies of them.
                () = tokio::time::sleep_until(quiet_until), if pending => {
                    pending = false;
                    let flushed = engine.flush(self.clock.now());
                    rotate_at = self.follow_up(flushed);
                    quiet_until = Instant::now() + PAUSE;
                }
                event = watch.next() => {
                    let Some(event) = event else { return info!("The store is closed; the index ends") };
                    pending |= engine.apply(&event);
                }
                command = inbox.recv() => {
                    let Some(command) = command else { return };
                    Self::handle(&mut engine, command);
                    pending = true;
                }
                // Streams end with what feeds them, so that proxies turn to another instance at once.
                () = shutdown.wait() => return,
                () = sleep_until(rotate_at) => {
                    rotate_at = None;
                    pending = true;
                }
            }
        }
    }

    fn handle(engine: &mut Engine, command: Command) {
        match command {
            Command::Connect { proxy, session, metadata, reply } => {
                let views = engine.connect(&proxy, session, metadata);
                // A stream that ended while it waited sends its disconnect next.
                drop(reply.send(views));
            }
            Command::Disconnect { proxy, session } => engine.disconnect(&proxy, session),
            Command::Authority { mesh, backend, authority } => engine.set_authority(&mesh, &backend, authority),
            Command::RetryAuthority { mesh } => engine.retry_authority(&mesh),
        }
    }

    /// Starts what a flush asked for; returns when the next certificate is due.
    fn follow_up(&self, flushed: Flushed) -> Option<Instant> {
        for (mesh, backend) in flushed.authorities_wanted {
            self.resolve(mesh, backend);
        }
        for issued in flushed.issued {
            self.insights.certificate_issued(&issued);
        }
        for (proxy, problems) in flushed.problems {
            let unique: BTreeSet<_> = problems.0.iter().map(ToString::to_string).collect();
            for problem in unique {
                warn!(mesh = %proxy.mesh, dataplane = %proxy.name, problem, "Part of a proxy's configuration is left out");
            }
            self.insights.problems(&proxy, problems);
        }
        let due = flushed.next_rotation?;
        let wait = due.duration_since(self.clock.now());
        Some(Instant::now() + Duration::try_from(wait).unwrap_or(Duration::ZERO))
    }

    fn resolve(&self, mesh: Arc<str>, backend: CaBackend) {
        let Some(commands) = self.commands.upgrade() else { return };
        let (resources, clock) = (self.resources.clone(), Arc::clone(&self.clock));
        #[expect(clippy::disallowed_methods, reason = "bounded, and ends with this thread's runtime")]
        tokio::spawn(async move {
            let command = match authorities::resolve(&resources, &*clock, &mesh, &backend).await {
                Ok(authority) => Command::Authority { mesh, backend, authority: Arc::new(authority) },
                Err(error) => {
                    error!(%mesh, backend = backend.name, error = %report(&error), "The certificate authority is not usable; proxies keep what they have");
                    tokio::time::sleep_until(Instant::now() + RETRY).await;
                    Command::RetryAuthority { mesh }
                }
            };
            drop(commands.send(command).await);
        });
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
