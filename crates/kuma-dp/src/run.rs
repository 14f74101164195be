//! `kuma-dp run` from start to end.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::access_log::{self, Pipe};
use crate::admin_port::{self, AdminPort, Reservation};
use crate::control_plane::{Bootstrap, ControlPlane, Environment, bootstrap_request};
use crate::envoy::Supervisor;
use crate::failure::Failure;
use crate::readiness::{self, PhaseSender};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::version;

/// Runs a proxy until a signal, Envoy's own end, or a failure.
pub(crate) async fn run(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|source| Failure::File {
        action: "listening for signals of",
        path: "/proc/self".into(),
        source,
    })?;
    if settings.wants_dns {
        tracing::warn!("DNS of the mesh is not served by this version; flags and variables about it have no effect");
    }
    let control_plane = ControlPlane::new(&settings.control_plane)?;
    let envoy = version::Envoy::of(&settings.envoy.binary).await?;
    let work_dir = WorkDir::new(settings.work_dir.as_deref())?;
    let admin = reserve_admin_port(&settings.admin_port)?;
    let readiness = readiness::bind(settings.readiness).await?;
    let access_log = access_log::path(work_dir.path(), &settings.name, &settings.mesh);
    let pipe = Pipe::create(&access_log)?;
    let request = bootstrap_request(
        &settings,
        &Environment {
            envoy: &envoy,
            work_dir: work_dir.path(),
            access_log: &access_log,
            admin_port: admin.as_ref().map_or(0, |admin| admin.port),
            readiness_port: readiness
                .as_ref()
                .and_then(|listener| listener.local_addr().ok())
                .map_or(0, |at| at.port()),
        },
    );
    tracing::info!(
        name = settings.name,
        mesh = settings.mesh,
        envoy = envoy.version,
        control_plane = settings.control_plane.address,
        "Asking the control plane for the bootstrap"
    );
    let bootstrap = tokio::select! {
        bootstrap = control_plane.bootstrap(&request) => bootstrap?,
        name = signals.next() => {
            tracing::info!(signal = name, "Stopping before the proxy was started");
            return Ok(());
        }
    };
    check_admin(&bootstrap, admin.as_ref())?;
    let path = work_dir.path().join("bootstrap.yaml");
    write_private(&path, &bootstrap.yaml)?;

    let admin_server = bootstrap.admin.as_ref().map(|admin| admin.server());
    let phase = PhaseSender::new();
    let (stop_shipping, stopped) = oneshot::channel();
    let mut shipping = JoinSet::new();
    shipping.spawn(pipe.ship(stopped));
    let mut beside = JoinSet::new();
    if let Some(listener) = readiness {
        beside.spawn(readiness::serve(listener, phase.subscribe(), admin_server.clone()));
    }
    let supervisor = Supervisor { settings: &settings.envoy, bootstrap: &path, admin: admin_server, phase };
    let ended = supervisor.run(&mut signals).await;
    drop(stop_shipping);
    while shipping.join_next().await.is_some() {}
    ended
}

/// The directory for the bootstrap and for pipes.
enum WorkDir {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl WorkDir {
    fn new(given: Option<&Path>) -> Result<Self, Failure> {
        let failed =
            |path: PathBuf| move |source| Failure::File { action: "creating the work directory", path, source };
        match given {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(failed(path.to_owned()))?;
                // The control plane hands the path back, as text and to Envoy.
                let path = path.canonicalize().map_err(failed(path.to_owned()))?;
                Ok(Self::Given(path))
            }
            None => tempfile::Builder::new()
                .prefix("kuma-dp-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(failed(std::env::temp_dir())),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

fn reserve_admin_port(choice: &AdminPort) -> Result<Option<Reservation>, Failure> {
    let AdminPort::FirstOf(range) = choice else { return Ok(None) };
    match admin_port::reserve(range.clone()) {
        Some(reservation) => Ok(Some(reservation)),
        None => {
            let (low, high) = (range.start(), range.end());
            Err(admin_port_in_use(if low == high { low.to_string() } else { format!("{low}-{high}") }))
        }
    }
}

/// The control plane may have decided for another port than the one proposed.
fn check_admin(bootstrap: &Bootstrap, reserved: Option<&Reservation>) -> Result<(), Failure> {
    let Some(address) = bootstrap.admin.as_ref().and_then(|admin| admin.socket_address()) else { return Ok(()) };
    if reserved.is_none_or(|reserved| reserved.port != address.port()) {
        tracing::info!(port = address.port(), "The control plane chose the port of Envoy's admin interface");
    }
    if admin_port::is_free(address) { Ok(()) } else { Err(admin_port_in_use(address.port().to_string())) }
}

fn admin_port_in_use(port: String) -> Failure {
    Failure::PortInUse { what: "Envoy's admin interface", port, flag: "--admin-port (KUMA_DATAPLANE_ADMIN_PORT)" }
}

/// Writes a file that only this user may read: it holds the token.
fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A new file, so that neither an old one's permissions nor a link decide who reads it.
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|source| Failure::File { action: "writing the bootstrap", path: path.to_owned(), source })
}
