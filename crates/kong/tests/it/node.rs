//! A node's commands.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use testkit::free_port;
use testkit::postgres::Address;

/// A node's settings; commands are run with them.
pub(super) struct Settings {
    pub(super) prefix: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Settings {
    pub(super) fn new(address: &Address) -> Self {
        let prefix = TempDir::with_prefix("kong-").unwrap();
        let port = || free_port().unwrap();
        let mut settings = address.kong();
        settings.extend(
            [
                ("prefix", prefix.path().display().to_string()),
                ("proxy_listen", format!("127.0.0.1:{}", port())),
                ("admin_listen", format!("127.0.0.1:{}", port())),
                ("status_listen", "off".to_owned()),
                ("pg_timeout", "2000".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let variables = settings.into_iter().map(|(name, value)| (format!("KONG_{}", name.to_uppercase()), value));
        Self { prefix, variables: variables.collect() }
    }

    /// With another value of a setting.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((format!("KONG_{}", name.to_uppercase()), value.to_owned()));
        self
    }

    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kong"));
        command.args(line.split(' ')).env_clear().envs(self.variables.iter().cloned()).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, line: &str) -> Said {
        self.command(line).output().unwrap().into()
    }

    /// What a command that succeeds prints.
    pub(super) fn out(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, 0, "{line}: {said:?}");
        said.out
    }
}

/// A node that a test left running ends with it.
impl Drop for Settings {
    fn drop(&mut self) {
        self.command("stop").output().ok();
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}
