//! Child processes: their output is kept, and they and their children end with the value.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait_for;

/// Lines kept of each process.
const LINES: usize = 2_000;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` in a process group of its own.
    pub fn spawn(name: impl Into<String>, mut command: Command) -> Result<Self> {
        let name = name.into();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("{name} ({command:?}) does not start"))?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let readers = [keep(child.stdout.take(), &lines), keep(child.stderr.take(), &lines)];
        Ok(Self { name, child, lines, readers: readers.into_iter().flatten().collect() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed, both streams, the newest lines.
    pub fn output(&self) -> String {
        self.lines.lock().iter().fold(String::new(), |all, line| all + line + "\n")
    }

    /// Waits until it has printed a line with `part`.
    pub async fn wait_for_line(&mut self, part: &str, timeout: Duration) -> Result<String> {
        let (lines, name) = (Arc::clone(&self.lines), self.name.clone());
        wait_for(&format!("{name} prints {part:?}"), timeout, || {
            let found = lines.lock().iter().find(|line| line.contains(part)).cloned();
            let output = found.is_none().then(|| self.output());
            async { found.ok_or_else(|| format!("output:\n{}", output.unwrap_or_default())) }
        })
        .await
    }

    /// Waits until it ends and its output is complete.
    pub async fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let this = Mutex::new(self);
        wait_for(&what, timeout, || {
            let mut this = this.lock();
            let answer = match this.child.try_wait() {
                Ok(Some(status)) if this.readers.iter().all(JoinHandle::is_finished) => Ok(status),
                Ok(_) => Err(anyhow!("still running; output:\n{}", this.output())),
                Err(error) => Err(error.into()),
            };
            std::future::ready(answer)
        })
        .await
    }

    /// Waits, and blocks, until it ends: whether it did.
    pub(crate) fn ended(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.id()?, signal)?)
    }

    /// Ends it and all it started at once, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        if self.is_running() {
            kill_process_group(self.id()?, Signal::KILL).with_context(|| format!("{} cannot be killed", self.name))?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory, in KiB.
    pub fn rss_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
    }

    fn id(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.pid())?).context("a process id is positive")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its group may outlive it: whatever it started ends too.
        if let Ok(id) = self.id() {
            kill_process_group(id, Signal::KILL).ok();
        }
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- output of {} ---\n{}", self.name, self.output());
        }
    }
}

fn keep(stream: Option<impl Read + Send + 'static>, lines: &Arc<Mutex<VecDeque<String>>>) -> Option<JoinHandle<()>> {
    let stream = stream?;
    let lines = Arc::clone(lines);
    Some(std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let mut lines = lines.lock();
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    }))
}
