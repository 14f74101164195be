//! One line a request, in the format that is known as combined.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::pdk::{Context, Outcome};

/// Lines that may wait for the disk; further ones are lost rather than delay requests.
const WAITING: usize = 16_384;

/// How long a line may stay in memory.
const FLUSH: Duration = Duration::from_millis(200);

/// Where lines go. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct AccessLog(SyncSender<String>);

impl AccessLog {
    /// Appends to the file at `path`, from a thread that ends when the last clone is gone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let path = path.to_owned();
        let (lines, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&path, file, &waiting))?;
        Ok(Self(lines))
    }

    pub(crate) fn write(&self, context: &Context, outcome: &Outcome<'_>) {
        if let Err(TrySendError::Disconnected(_)) = self.0.try_send(line(context, outcome)) {
            warn!("Access log is gone");
        }
    }
}

fn line(context: &Context, outcome: &Outcome<'_>) -> String {
    let request = &context.request;
    let time = context.node.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
    let field = |name| match request.headers.get(name) {
        Some(value) if !value.is_empty() => escaped(value),
        _ => "-".to_owned(),
    };
    let version = match request.version {
        engine::message::Version::Http10 => "HTTP/1.0",
        engine::message::Version::Http11 => "HTTP/1.1",
        engine::message::Version::Http2 => "HTTP/2.0",
    };
    format!(
        "{} - - [{}] \"{} {} {version}\" {} {} \"{}\" \"{}\" kong_request_id: \"{}\"\n",
        context.client.ip,
        time.strftime("%d/%b/%Y:%H:%M:%S %z"),
        request.method.as_str(),
        escaped(&request.target),
        outcome.response.status,
        outcome.response_size,
        field("referer"),
        field("user-agent"),
        context.id.as_str(),
    )
}

/// Nothing a client sends can end a line or a quoted field.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=31 | 127..=255 => out.push_str(&format!("\\x{byte:02X}")),
            other => out.push(char::from(other)),
        }
    }
    out
}

fn write(path: &Path, file: File, lines: &Receiver<String>) {
    let mut out = BufWriter::with_capacity(64 * 1024, file);
    let mut due = Instant::now() + FLUSH;
    loop {
        let result = match lines.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(line) => out.write_all(line.as_bytes()),
            Err(RecvTimeoutError::Timeout) => {
                due = Instant::now() + FLUSH;
                out.flush().and_then(|()| follow(path, &mut out))
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Err(error) = result {
            warn!(%error, "Access log cannot be written");
        }
    }
    if let Err(error) = out.flush() {
        warn!(%error, "Access log cannot be written");
    }
}

/// Begins a new file when the old one was moved away or deleted, as tools that rotate logs do.
fn follow(path: &Path, out: &mut BufWriter<File>) -> io::Result<()> {
    let own = out.get_ref().metadata()?;
    let is_there = std::fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino()));
    if !is_there {
        *out = BufWriter::with_capacity(64 * 1024, open(path)?);
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use testkit::wait_for;

    use super::*;

    #[tokio::test]
    async fn lines_come_soon_and_follow_the_name_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
        let log = AccessLog::open(&path).unwrap();
        let holds = async |path: &Path, part: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text.contains(part) { Ok(()) } else { Err(text) }
        };
        // Further lines do not keep those before them waiting.
        wait_for("the first line is there", FLUSH * 50, async || {
            log.0.try_send("first\n".to_owned()).unwrap();
            holds(&path, "first").await
        })
        .await
        .unwrap();
        std::fs::rename(&path, &moved).unwrap();
        wait_for("the second line is in a new file", FLUSH * 50, async || {
            log.0.try_send("second\n".to_owned()).unwrap();
            holds(&path, "second").await
        })
        .await
        .unwrap();
    }
}
