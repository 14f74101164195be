//! One line a request, in the format that is known as combined.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

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
        let file = File::options().create(true).append(true).open(path)?;
        let (lines, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(file, &waiting))?;
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

fn write(file: File, lines: &Receiver<String>) {
    let mut out = BufWriter::with_capacity(64 * 1024, file);
    loop {
        let result = match lines.recv_timeout(FLUSH) {
            Ok(line) => out.write_all(line.as_bytes()),
            Err(RecvTimeoutError::Timeout) => out.flush(),
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
