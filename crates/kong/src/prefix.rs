//! The directory of a node: its process id, its settings, its logs and its data.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use gateway::conf::Conf;
use rustix::process::{Pid, Signal};

/// How often a process is asked whether it is still there.
const POLL: Duration = Duration::from_millis(10);

/// A prefix directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the directory ready and writes the settings the node will run with.
    pub(crate) fn prepare(&self, conf: &Conf) -> anyhow::Result<()> {
        for part in ["", "logs", "pids", "ssl"] {
            let path = self.0.join(part);
            fs::create_dir_all(&path).with_context(|| {
                format!("cannot create {}; choose a directory with --prefix or KONG_PREFIX", path.display())
            })?;
        }
        let settings = self.settings_file();
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&settings)
            .with_context(|| format!("cannot write {}", settings.display()))?;
        file.write_all(conf.to_file().as_bytes()).with_context(|| format!("cannot write {}", settings.display()))
    }

    /// The settings the node runs with.
    pub(crate) fn settings_file(&self) -> PathBuf {
        self.0.join(".kong_env")
    }

    fn pid_file(&self) -> PathBuf {
        self.0.join("pids/nginx.pid")
    }

    /// Says that this process is the node and serves.
    pub(crate) fn write_pid(&self) -> anyhow::Result<()> {
        let path = self.pid_file();
        fs::write(&path, format!("{}\n", std::process::id()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Says that no node runs.
    pub(crate) fn remove_pid(&self) {
        if let Err(error) = fs::remove_file(self.pid_file()) {
            tracing::debug!(%error, "Process id file could not be removed");
        }
    }

    /// The process of the node, if it runs.
    pub(crate) fn running(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        (is_alive(pid) && is_node(pid)).then_some(pid)
    }

    /// The process of the node, or an error.
    pub(crate) fn expect_running(&self) -> anyhow::Result<Pid> {
        match self.running() {
            Some(pid) => Ok(pid),
            // Scripts know it by these words, though there is no nginx in it.
            None => bail!("nginx not running in prefix: {}", self.0.display()),
        }
    }
}

/// Sends the signal and waits until the process is gone; `false` if it is not after `patience`.
pub(crate) fn end(pid: Pid, signal: Signal, patience: Duration) -> anyhow::Result<bool> {
    rustix::process::kill_process(pid, signal).context("cannot signal the node")?;
    Ok(wait_until(patience, || !is_alive(pid)))
}

/// Waits for a condition; `false` if it does not hold after `patience`.
pub(crate) fn wait_until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(POLL);
    }
}

/// Whether a process can be the node: after a crash its id may be that of another, in a container of this very process.
fn is_node(pid: Pid) -> bool {
    let name = |of: &str| fs::read_to_string(format!("/proc/{of}/comm")).ok();
    let is_own = u32::try_from(pid.as_raw_nonzero().get()) == Ok(std::process::id());
    !is_own && name(&pid.as_raw_nonzero().to_string()) == name("self")
}

fn is_alive(pid: Pid) -> bool {
    // A child that nobody waited for still has its id.
    let zombie = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')));
    !zombie && rustix::process::test_kill_process(pid).is_ok()
}
