//! Real Redis servers for tests, from the program that `scripts/setup.sh redis` installs. A test without it fails.
//!
//! ```no_run
//! # use testkit::redis::{Options, Server};
//! # async fn f() -> anyhow::Result<()> {
//! let redis = Server::start(Options { password: Some("secret".to_owned()), ..Options::default() }).await?;
//! println!("port {}: {}", redis.port(), redis.command(&["PING"])?);
//! redis.stop().await?;
//! redis.resume().await?; // empty
//! # Ok(())
//! # }
//! ```
//!
//! A server ends with the value, and with this process however it ends.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::certificates::ServerTls;
use crate::guard::Guard;
use crate::{Process, free_port};

/// How long a server may take to start and to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What says that the program is missing.
const MISSING: &str = "Redis is not installed; run scripts/setup.sh redis";

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Without it, everybody is let in.
    pub password: Option<String>,
    /// Over TLS, and in no other way.
    pub tls: Option<ServerTls>,
    /// Further settings of `redis.conf`.
    pub settings: Vec<(String, String)>,
}

/// A running server on the loopback interface. It keeps nothing on disk.
#[derive(Debug)]
pub struct Server {
    options: Options,
    port: u16,
    dir: PathBuf,
    process: Mutex<Option<Process>>,
    guard: Mutex<Guard>,
}

impl Server {
    /// A new server, ready.
    pub async fn start(options: Options) -> Result<Self> {
        let dir = TempDir::with_prefix("redis-")?.keep();
        let guard = Mutex::new(Guard::new(&dir, "TERM")?);
        let server = Self { options, port: free_port()?, dir, process: Mutex::default(), guard };
        if let Some(tls) = &server.options.tls {
            std::fs::write(server.dir.join("server.pem"), &tls.identity.certificate)?;
            std::fs::write(server.dir.join("server.key"), &tls.identity.key)?;
            let authority = tls.client_authority.as_ref().unwrap_or(&tls.identity.certificate);
            std::fs::write(server.dir.join("clients.pem"), authority)?;
        }
        server.resume().await?;
        Ok(server)
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, with all it knows.
    pub async fn stop(&self) -> Result<()> {
        let process = self.process.lock().take();
        let Some(mut process) = process else { return Ok(()) };
        process.signal(Signal::TERM)?;
        process.wait(PATIENCE).await?;
        self.guard.lock().watch(None)
    }

    /// Starts it again after [`Self::stop`], empty, on the same port; returns when it is ready.
    pub async fn resume(&self) -> Result<()> {
        ensure!(self.process.lock().is_none(), "the server is running");
        let mut command = Command::new("redis-server");
        command.current_dir(&self.dir).args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let port = self.port.to_string();
        match &self.options.tls {
            Some(tls) => {
                let clients = if tls.client_authority.is_some() { "yes" } else { "no" };
                command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", clients]);
                command.args(["--tls-cert-file", "server.pem", "--tls-key-file", "server.key"]);
                command.args(["--tls-ca-cert-file", "clients.pem"]);
            }
            None => drop(command.args(["--port", &port])),
        }
        if let Some(password) = &self.options.password {
            command.args(["--requirepass", password]);
        }
        for (name, value) in &self.options.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut process = Process::spawn("redis-server", command).context(MISSING)?;
        self.guard.lock().watch(Some(process.pid()))?;
        process.wait_for_line("Ready to accept connections", PATIENCE).await?;
        *self.process.lock() = Some(process);
        Ok(())
    }

    /// What a command is answered; without TLS only.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-e", "-p", &self.port.to_string()]);
        if let Some(password) = &self.options.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(words).output().context(MISSING)?;
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{words:?}: {said}{complaint}");
        Ok(said.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.process.get_mut() = None;
        self.guard.get_mut().watch(None).ok();
    }
}

#[cfg(test)]
mod tests;
