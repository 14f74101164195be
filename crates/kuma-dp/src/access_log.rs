//! Access logs for TCP receivers. Envoy writes lines `host:port;text` to a named pipe; each text goes to its
//! receiver. A receiver that is slow or away costs a bounded buffer, then lines: it never holds up Envoy.

mod receiver;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::failure::Failure;
use receiver::Receiver;

/// Longer lines are dropped.
const LONGEST_LINE: usize = 64 * 1024;
/// Lines for further receivers are dropped.
const MAX_RECEIVERS: usize = 32;
/// After such a silence an Envoy that has ended has nothing more in the pipe, which itself never ends.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// How long receivers may take for the last lines.
const FINISH: Duration = Duration::from_secs(2);

/// The path of the pipe in `work_dir`; the control plane derives the same one. Cut to what fits the address of a
/// Unix socket, which it was in old releases.
pub(crate) fn path(work_dir: &Path, name: &str, mesh: &str) -> PathBuf {
    const LONGEST: usize = 98;
    let mut path = format!("{}/kuma-al-{name}-{mesh}", work_dir.display());
    path.truncate(path.floor_char_boundary(LONGEST));
    path.push_str(".sock");
    path.into()
}

/// The pipe, open for reading; removed when dropped.
#[derive(Debug)]
pub(crate) struct Pipe {
    path: PathBuf,
    reader: pipe::Receiver,
}

impl Pipe {
    /// Creates the pipe in place of what an earlier run left there.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let failed =
            |source| Failure::File { action: "creating the pipe for access logs", path: path.to_owned(), source };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
        // Held open for writing, too, the pipe does not end when Envoy restarts.
        let reader = pipe::OpenOptions::new().read_write(true).open_receiver(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// Ships lines until `stop` is dropped; then what is in the pipe, as far as receivers take it in a moment.
    pub(crate) async fn ship(mut self, mut stop: oneshot::Receiver<Never>) {
        let mut shipper = Shipper::default();
        let mut lines = Lines::default();
        loop {
            tokio::select! {
                _ = &mut stop => break,
                read = self.reader.read_buf(lines.space()) => {
                    if let Err(error) = read {
                        tracing::error!(%error, "Access logs can no longer be read");
                        break;
                    }
                    shipper.ship_all(&mut lines);
                }
            }
        }
        while let Ok(Ok(1..)) = tokio::time::timeout(LAST_WORDS, self.reader.read_buf(lines.space())).await {
            shipper.ship_all(&mut lines);
        }
        shipper.finish().await;
    }
}

/// What nobody can send: the channel only ever closes.
#[derive(Debug)]
pub(crate) enum Never {}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "The pipe for access logs is gone already");
        }
    }
}

/// Cuts a stream of bytes into lines of at most [`LONGEST_LINE`].
#[derive(Debug, Default)]
struct Lines {
    buffer: BytesMut,
    /// The line at the front is too long; what comes up to its end is dropped.
    overlong: bool,
}

impl Lines {
    /// Where to put what is read next.
    fn space(&mut self) -> &mut BytesMut {
        self.buffer.reserve(8 * 1024);
        &mut self.buffer
    }

    /// The next whole line, without its end.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    let line = self.buffer.split_to(end).freeze();
                    self.buffer.advance(1);
                    if !std::mem::take(&mut self.overlong) && line.len() <= LONGEST_LINE {
                        return Some(line);
                    }
                }
                None => {
                    if self.overlong || self.buffer.len() > LONGEST_LINE {
                        self.overlong = true;
                        self.buffer.clear();
                    }
                    return None;
                }
            }
        }
    }
}

/// Splits `host:port;text`.
fn split(line: &Bytes) -> Option<(&str, Bytes)> {
    let end = line.iter().position(|byte| *byte == b';')?;
    let address = std::str::from_utf8(&line[..end]).ok()?;
    let (host, port) = address.rsplit_once(':')?;
    let valid = !host.is_empty() && host.len() <= 255 && port.parse::<u16>().is_ok_and(|port| port != 0);
    valid.then(|| (address, line.slice(end + 1..)))
}

#[derive(Debug, Default)]
struct Shipper {
    receivers: BTreeMap<String, Receiver>,
    tasks: JoinSet<()>,
    refused: u64,
}

impl Shipper {
    fn ship_all(&mut self, lines: &mut Lines) {
        while let Some(line) = lines.next() {
            self.ship(&line);
        }
    }

    /// Gives the receivers a moment to take what waits.
    async fn finish(mut self) {
        self.receivers.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH, all).await.is_err() {
            tracing::warn!("Access log lines are lost: their receivers did not take them in time");
        }
    }

    fn ship(&mut self, line: &Bytes) {
        let Some((address, text)) = split(line) else {
            return self.refuse("Access log lines without a receiver are dropped");
        };
        if let Some(receiver) = self.receivers.get_mut(address) {
            return receiver.ship(text);
        }
        if self.receivers.len() >= MAX_RECEIVERS {
            return self.refuse("Access log lines are dropped: there are too many receivers");
        }
        let (mut receiver, task) = Receiver::new(address.to_owned());
        self.tasks.spawn(task);
        receiver.ship(text);
        self.receivers.insert(address.to_owned(), receiver);
    }

    fn refuse(&mut self, message: &'static str) {
        self.refused += 1;
        if self.refused.is_power_of_two() {
            tracing::warn!(lines = self.refused, "{message}");
        }
    }
}

#[cfg(test)]
mod tests;
