//! Where the server's programs are, and as whom they run: they refuse to run as root.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The name of the superuser in every cluster.
pub(super) const SUPERUSER: &str = "postgres";

/// The oldest major version that tests run on.
const OLDEST: u32 = 15;

/// Programs of one version.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    directory: PathBuf,
    /// User and group to run as, when this process is root's.
    owner: Option<(u32, u32)>,
}

impl Programs {
    /// The newest version of this machine.
    pub(super) fn find() -> Result<Self> {
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let debian = debian.map(|entry| entry.path().join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            debian.chain(std::env::split_paths(&path)).filter_map(|directory| Some((version(&directory)?, directory)));
        let newest = found.max_by_key(|(version, _)| *version).filter(|(version, _)| *version >= OLDEST);
        let (_, directory) = newest
            .with_context(|| format!("no PostgreSQL {OLDEST} or newer is installed; run scripts/setup.sh postgres"))?;
        let owner = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        Ok(Self { directory, owner })
    }

    /// Makes a file or directory the server's own.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        match self.owner {
            Some((user, group)) => Ok(chown(path, Some(user), Some(group))?),
            None => Ok(()),
        }
    }

    /// A command that runs as the server does.
    pub(super) fn command(&self, program: &str) -> Command {
        let program = self.directory.join(program);
        let mut command = match self.owner {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg("--");
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        // Settings of whoever runs the tests are not for this server.
        command.env_remove("PGDATA").env_remove("PGPORT").current_dir("/");
        command
    }

    /// The client.
    pub(super) fn psql(&self) -> Command {
        Command::new(self.directory.join("psql"))
    }

    /// Makes the files of a new server.
    pub(super) fn initdb(&self, data: &Path) -> Result<()> {
        let mut command = self.command("initdb");
        command.arg("-D").arg(data).args(["-U", SUPERUSER, "--auth=trust", "--no-sync", "--no-instructions"]);
        command.args(["--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]);
        let output = command.output().context("initdb cannot be run")?;
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "initdb: {said}{complaint}");
        Ok(())
    }
}

/// The major version of the server in a directory of programs.
fn version(directory: &Path) -> Option<u32> {
    if !directory.join("initdb").exists() || !directory.join("psql").exists() {
        return None;
    }
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split(|c: char| !c.is_ascii_digit()).find(|word| !word.is_empty())?.parse().ok()
}

/// The user that Debian's package makes, or nobody.
fn unprivileged() -> Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    user(SUPERUSER).or_else(|| user("nobody")).context("there is no user but root to run PostgreSQL as")
}
