//! Real PostgreSQL servers for tests, from the programs that `scripts/setup.sh postgres` installs. A test without them
//! fails.
//!
//! ```no_run
//! # use testkit::postgres;
//! # async fn f() -> anyhow::Result<()> {
//! // One server for all tests of this process, started by the first of them; a database of this test alone.
//! let server = postgres::shared().await?;
//! let empty = server.database().await?;
//! // A copy of a database that is prepared once, for the first test that names it.
//! let migrated = server.database_from("mesh", |address| async move {
//!     println!("migrate {}:{}/{} as {}", address.host, address.port, address.database, address.user);
//!     Ok(())
//! }).await?;
//! println!("{:?} holds {}", migrated.address(), migrated.sql("select count(*) from pg_tables")?);
//!
//! // A server of this test's own, which can be stopped; with TLS, other settings, or something in between
//! // (`testkit::link`).
//! let server = postgres::Server::start(postgres::Options::default()).await?;
//! server.stop(postgres::Stop::Immediate).await?;
//! server.resume().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The user of an [`Address`] owns the databases and is nothing more; [`Database::sql`] runs as the superuser. Texts
//! are ordered as English ones are (ICU), not by their bytes, as on the server of a careless administrator. A server
//! ends and its files are removed with the value, and with this process however it ends.

mod database;
mod programs;

pub use database::{Address, Database};

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::certificates::ServerTls;
use crate::guard::Guard;
use crate::postgres::programs::Programs;
use crate::{Process, free_port, wait_for};

/// How long a server may take to start, to recover and to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user of tests. Their programs get along without any rights beyond those of a database's owner.
const USER: &str = "tester";

/// Their password; with characters that mean something in addresses.
const PASSWORD: &str = "p@ss:w%rd/1";

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether what is committed outlives a power cut. Off is for tests that only measure.
    pub fsync: bool,
    /// With a certificate.
    pub tls: Option<ServerTls>,
    /// Whether connections without TLS are let in; with [`Self::tls`] only.
    pub plaintext: bool,
    /// Further settings of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: true, tls: None, plaintext: true, settings: Vec::new() }
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Sessions are ended, everything is written.
    Fast,
    /// At once, as in a crash; the next start recovers from the log.
    Immediate,
}

/// A running server on the loopback interface. Clones are the same server, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    programs: Programs,
    port: u16,
    dir: PathBuf,
    process: Mutex<Option<Process>>,
    guard: Mutex<Guard>,
    databases: AtomicU32,
    templates: Mutex<HashMap<&'static str, Arc<OnceCell<()>>>>,
}

/// The server of this process, started when it is first asked for.
pub async fn shared() -> Result<&'static Server> {
    static SHARED: OnceCell<Server> = OnceCell::const_new();
    SHARED.get_or_try_init(|| Server::start(Options::default())).await
}

impl Server {
    /// A new server, ready.
    pub async fn start(options: Options) -> Result<Self> {
        let programs = Programs::find()?;
        let dir = TempDir::with_prefix("postgres-")?.keep();
        let guard = Guard::new(&dir, "QUIT")?;
        programs.give(&dir)?;
        let data = dir.join("data");
        programs.initdb(&data)?;
        configure(&programs, &data, &options)?;
        let inner = Inner {
            programs,
            port: free_port()?,
            dir,
            process: Mutex::default(),
            guard: Mutex::new(guard),
            databases: AtomicU32::new(0),
            templates: Mutex::default(),
        };
        let server = Self { inner: Arc::new(inner) };
        server.resume().await?;
        server.sql("postgres", &format!("create role {USER} login password '{PASSWORD}'"))?;
        Ok(server)
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// The process that all others of it are children of; `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.inner.process.lock().as_ref().map(Process::pid)
    }

    /// Variables with which `psql` is its superuser.
    pub fn superuser(&self) -> [(&'static str, String); 4] {
        let (directory, port) = (self.inner.dir.display().to_string(), self.port().to_string());
        let user = programs::SUPERUSER.to_owned();
        [("PGHOST", directory), ("PGPORT", port), ("PGDATABASE", user.clone()), ("PGUSER", user)]
    }

    /// Ends it; databases stay.
    pub async fn stop(&self, how: Stop) -> Result<()> {
        let process = self.inner.process.lock().take();
        let Some(mut process) = process else { return Ok(()) };
        process.signal(match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        })?;
        process.wait(PATIENCE).await?;
        self.inner.guard.lock().watch(None)
    }

    /// Starts it again after [`Self::stop`], on the same port and with the same databases; returns when it is ready.
    pub async fn resume(&self) -> Result<()> {
        let inner = &self.inner;
        ensure!(inner.process.lock().is_none(), "the server is running");
        let mut command = inner.programs.command("postgres");
        command.arg("-D").arg(inner.data()).arg("-p").arg(inner.port.to_string()).arg("-k").arg(&inner.dir);
        let mut process = Process::spawn("postgres", command)?;
        inner.guard.lock().watch(Some(process.pid()))?;
        // The server says what it is doing in this file: its process id in the first line, its state in the eighth.
        let state = inner.data().join("postmaster.pid");
        let own = process.pid().to_string();
        let is_ready = wait_for("PostgreSQL is ready", PATIENCE, || {
            let text = std::fs::read_to_string(&state).unwrap_or_default();
            let ready = text.lines().next() == Some(own.as_str())
                && text.lines().nth(7).is_some_and(|line| line.trim() == "ready");
            let known = ready || !process.is_running();
            std::future::ready(if known { Ok(ready) } else { Err(process.output()) })
        });
        ensure!(is_ready.await?, "PostgreSQL does not start:\n{}", process.output());
        *inner.process.lock() = Some(process);
        Ok(())
    }

    /// A new, empty database.
    pub async fn database(&self) -> Result<Database> {
        self.create("template1")
    }

    /// A copy of the database `name`, which `prepare` fills when it is first asked for; `prepare` runs once, however
    /// many tests ask at a time, and again for the next one if it fails.
    pub async fn database_from<F, R>(&self, name: &'static str, prepare: F) -> Result<Database>
    where
        F: FnOnce(Address) -> R,
        R: Future<Output = Result<()>>,
    {
        let is_prepared = Arc::clone(self.inner.templates.lock().entry(name).or_default());
        let template = format!("template_{name}");
        is_prepared
            .get_or_try_init(|| async {
                self.sql("postgres", &format!("drop database if exists \"{template}\" with (force)"))?;
                self.sql("postgres", &format!("create database \"{template}\" owner {USER}"))?;
                prepare(self.address(&template)).await.with_context(|| format!("preparing {name}"))?;
                // A database that somebody is connected to cannot be copied.
                self.sql("postgres", &format!("alter database \"{template}\" allow_connections false"))?;
                let left = format!("from pg_stat_activity where datname = '{template}'");
                self.sql("postgres", &format!("select pg_terminate_backend(pid, 10000) {left}")).map(drop)
            })
            .await?;
        self.create(&template)
    }

    /// What a statement answers, as the superuser; columns are parted by `|`.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let mut command = self.inner.programs.psql();
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]);
        command.envs(self.superuser());
        let output = command.output().context("psql cannot be run")?;
        ensure!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// What the server has logged, the newest lines; empty while it is stopped.
    pub fn log(&self) -> String {
        self.inner.process.lock().as_ref().map(Process::output).unwrap_or_default()
    }

    fn create(&self, template: &str) -> Result<Database> {
        let name = format!("test_{}", self.inner.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("create database {name} template \"{template}\" owner {USER}"))?;
        Ok(Database::new(self.clone(), self.address(&name)))
    }

    fn address(&self, database: &str) -> Address {
        Address {
            host: "127.0.0.1".to_owned(),
            port: self.port(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            database: database.to_owned(),
        }
    }
}

impl Inner {
    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What a killed server leaves in shared memory, one that is asked to end removes.
        if let Some(mut process) = self.process.get_mut().take() {
            process.signal(Signal::QUIT).ok();
            process.ended(PATIENCE);
        }
        self.guard.get_mut().watch(None).ok();
    }
}

/// The settings and who is let in.
fn configure(programs: &Programs, data: &Path, options: &Options) -> Result<()> {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\nshared_buffers = 16MB\nmax_connections = 300\nmax_wal_size = 256MB\n\
         jit = off\ntimezone = 'UTC'\nlc_messages = 'C'\nfsync = {}\n",
        if options.fsync { "on" } else { "off" }
    );
    let mut access = "local all all trust\n".to_owned();
    let mut client = "";
    if let Some(tls) = &options.tls {
        settings += "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n";
        let mut files = vec![("server.pem", &tls.identity.certificate), ("server.key", &tls.identity.key)];
        if let Some(authority) = &tls.client_authority {
            settings += "ssl_ca_file = 'clients.pem'\n";
            client = " clientcert=verify-ca";
            files.push(("clients.pem", authority));
        }
        for (name, text) in files {
            let file = data.join(name);
            std::fs::write(&file, text)?;
            // A key that others can read is refused.
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            programs.give(&file)?;
        }
        writeln!(access, "hostssl all all 127.0.0.1/32 scram-sha-256{client}")?;
    }
    if options.plaintext {
        writeln!(access, "hostnossl all all 127.0.0.1/32 scram-sha-256")?;
    }
    for (name, value) in &options.settings {
        writeln!(settings, "{name} = '{}'", value.replace('\'', "''"))?;
    }
    // The last of the same name counts.
    let file = data.join("postgresql.conf");
    let text = std::fs::read_to_string(&file)? + &settings;
    std::fs::write(file, text)?;
    Ok(std::fs::write(data.join("pg_hba.conf"), access)?)
}

#[cfg(test)]
mod tests;
