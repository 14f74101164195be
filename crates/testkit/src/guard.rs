//! Servers that end with this process, however it ends.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result};

/// Reads process ids, `0` for none. At the end of its input it ends the last one and removes the directory.
const SCRIPT: &str = r#"
pid=0
while read -r line; do pid=$line; done
if [ "$pid" != 0 ] && kill -"$2" "$pid" 2>/dev/null; then
  tries=0
  while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
"#;

/// A process of its own that looks after a server and its directory. The pipe to it closes when this process is no more,
/// be it by `kill -9`; nothing that runs in this process could tell.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    pids: Option<ChildStdin>,
}

impl Guard {
    /// Takes over `directory`: it is removed at the end, after the server was sent `signal` (`TERM`, `QUIT`) and has
    /// ended.
    pub(crate) fn new(directory: &Path, signal: &str) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "guard"]).arg(directory).arg(signal);
        // Its own group, so that Ctrl-C leaves it to its work; nobody's output, so that none waits for its end.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().context("sh does not start")?;
        let pids = child.stdin.take();
        Ok(Self { child, pids })
    }

    /// From now on this is the process to end.
    pub(crate) fn watch(&mut self, pid: Option<u32>) -> Result<()> {
        let pids = self.pids.as_mut().expect("it is there until drop");
        writeln!(pids, "{}", pid.unwrap_or(0)).context("the server's guard is gone")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pids = None;
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests;
