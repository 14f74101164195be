//! The program as a whole: with a control plane that answers as told, and real Envoys where Envoy matters.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod control_plane;
mod exits;
mod proxy;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::Process;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `kuma-dp run` with `args`, untouched by variables of the developer's environment.
pub(crate) fn run(args: &[&str]) -> Command {
    let mut command = kuma_dp(&["run", "--readiness-port=0"]);
    command.args(args);
    command
}

pub(crate) fn kuma_dp(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuma-dp"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KUMA_") {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

/// A program that stands in for Envoy: says its version, otherwise runs `script`.
pub(crate) fn fake_envoy(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("envoy");
    let version = "[ \"$1\" = --version ] && echo 'envoy  version: c0ffee/1.40.0/Clean/RELEASE/BoringSSL' && exit 0";
    // Another process writes it: a child forked by a test beside this one would hold a file that this process has
    // open for writing, and such a file cannot be run.
    let write = r#"printf '#!/bin/sh\n%s\n%s\n' "$1" "$2" > "$0" && chmod 755 "$0""#;
    let status = Command::new("sh").args(["-c", write]).arg(&path).args([version, script]).status().unwrap();
    assert!(status.success());
    path
}

pub(crate) fn spawn(command: Command) -> Process {
    Process::spawn("kuma-dp", command).unwrap()
}
