//! A blocking HTTP/1.1 client, exact to some ten microseconds: for the Admin API, for requests at a steady rate
//! and for paths that are all new.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use parking_lot::Mutex;

use crate::percentile;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The beginning of the body, as far as it fits into the client's buffer.
    pub(crate) body: Vec<u8>,
    close: bool,
}

/// One connection at a time, opened when needed.
#[derive(Debug)]
pub(crate) struct Client {
    port: u16,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    /// Requests sent again because the kept connection was closed before anything came back, as HTTP clients do.
    pub(crate) retried: u64,
}

/// Why there is no answer; the second value tells whether the connection was closed without a byte.
struct Failure(io::Error, bool);

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None, buffer: vec![0; 64 * 1024], retried: 0 }
    }

    /// Closes the connection: the next request opens one.
    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    /// Sends what is a whole request.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<Answer> {
        let kept = self.stream.is_some();
        match self.exchange(request) {
            Ok(answer) => Ok(answer),
            Err(Failure(_, true)) if kept => {
                self.retried += 1;
                self.exchange(request).map_err(|Failure(error, _)| error)
            }
            Err(Failure(error, _)) => Err(error),
        }
    }

    /// A request with a JSON body to the Admin API; an error unless it succeeds.
    pub(crate) fn admin(&mut self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.send(&[head.as_bytes(), body.as_bytes()].concat()).context("the Admin API")?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {path} was answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body).chars().take(2_000).collect::<String>()
        );
        Ok(answer)
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => open(self.port).map_err(|error| Failure(error, false))?,
        };
        let answer = talk(&mut stream, request, &mut self.buffer)?;
        if !answer.close {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

fn open(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn talk(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<Answer, Failure> {
    let gone = |kind| matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    stream.write_all(request).map_err(|error| {
        let closed = gone(error.kind());
        Failure(error, closed)
    })?;
    let mut filled = 0;
    let head = loop {
        let free = buffer.get_mut(filled..).filter(|free| !free.is_empty());
        let free = free.ok_or_else(|| Failure(invalid("the head of a response is too long"), false))?;
        let read = stream.read(free).map_err(|error| {
            let closed = filled == 0 && gone(error.kind());
            Failure(error, closed)
        })?;
        if read == 0 {
            return Err(Failure(ErrorKind::UnexpectedEof.into(), filled == 0));
        }
        let from = filled.saturating_sub(3);
        filled += read;
        if let Some(at) = buffer[from..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break from + at + 4;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]);
    let (status, length, close) = parse(&text).ok_or_else(|| Failure(invalid(&text), false))?;
    let mut body = buffer[head..filled].to_vec();
    let mut left = length.checked_sub(body.len()).ok_or_else(|| Failure(invalid("more than one response"), false))?;
    // The answer to a load is as large as the load, and nobody reads on in it: only its beginning is kept.
    let is_list = request.starts_with(b"GET ");
    while left > 0 {
        let part = left.min(buffer.len());
        stream.read_exact(&mut buffer[..part]).map_err(|error| Failure(error, false))?;
        if is_list || body.len() < buffer.len() {
            body.extend_from_slice(&buffer[..part]);
        }
        left -= part;
    }
    Ok(Answer { status, body, close })
}

/// Status, length of the body, and whether the connection ends, of a head. Chunked responses are not expected.
fn parse(head: &str) -> Option<(u16, usize, bool)> {
    let status = head.get(9..12)?.parse().ok()?;
    let (mut length, mut close) = (if status == 204 || status == 304 { Some(0) } else { None }, false);
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().ok()?);
        } else if name.eq_ignore_ascii_case("connection") {
            close |= value.trim().eq_ignore_ascii_case("close");
        }
    }
    Some((status, length?, close))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Connections, each with a thread.
    pub(crate) connections: usize,
    /// How many requests in all.
    pub(crate) requests: u64,
    /// No request is begun later than this.
    pub(crate) time: Duration,
    /// Requests a second, whatever the answers do; without it the next follows the answer.
    pub(crate) rate: Option<f64>,
    /// A connection for each request.
    pub(crate) fresh: bool,
}

impl Plan {
    /// As many as can be answered on `connections` in `time`.
    pub(crate) fn closed(connections: usize, time: Duration) -> Self {
        Self { connections, requests: u64::MAX, time, rate: None, fresh: false }
    }

    /// So many requests.
    pub(crate) fn count(connections: usize, requests: u64) -> Self {
        Self { connections, requests, time: PATIENCE, rate: None, fresh: false }
    }

    /// So many a second.
    pub(crate) fn steady(rate: f64, time: Duration) -> Self {
        Self { connections: 64, requests: u64::MAX, time, rate: Some(rate), fresh: false }
    }
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From the moment a request was due to the last byte of its answer, sorted.
    pub(crate) times: Vec<Duration>,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
    pub(crate) elapsed: Duration,
    /// What the first failure was.
    pub(crate) complaint: Option<String>,
}

impl Outcome {
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        percentile(&self.times, percent).as_secs_f64() * 1e3
    }

    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// An error if a request failed.
    pub(crate) fn flawless(self) -> Result<Self> {
        match &self.complaint {
            Some(complaint) => Err(anyhow!("{} requests failed, first: {complaint}", self.failed)),
            None => Ok(self),
        }
    }
}

/// Sends requests; `write` writes the one with a number into an empty buffer.
pub(crate) fn run(port: u16, plan: Plan, write: &(dyn Fn(u64, &mut Vec<u8>) + Sync)) -> Outcome {
    let (next, all, begin) = (AtomicU64::new(0), Mutex::new(Outcome::default()), Instant::now());
    thread::scope(|scope| {
        for _ in 0..plan.connections {
            scope.spawn(|| {
                let own = one_connection(port, plan, write, &next, begin);
                let mut all = all.lock();
                all.times.extend(own.times);
                all.failed += own.failed;
                all.retried += own.retried;
                all.complaint = all.complaint.take().or(own.complaint);
            });
        }
    });
    let mut all = all.into_inner();
    all.elapsed = begin.elapsed();
    all.times.sort_unstable();
    all
}

fn one_connection(
    port: u16,
    plan: Plan,
    write: &(dyn Fn(u64, &mut Vec<u8>) + Sync),
    next: &AtomicU64,
    begin: Instant,
) -> Outcome {
    let (mut client, mut outcome, mut request) = (Client::new(port), Outcome::default(), Vec::new());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = plan.rate.map(|rate| Duration::from_secs_f64(number as f64 / rate));
        if number >= plan.requests || due.unwrap_or_else(|| begin.elapsed()) >= plan.time {
            outcome.retried = client.retried;
            return outcome;
        }
        let due = due.map_or_else(Instant::now, |due| begin + due);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        request.clear();
        write(number, &mut request);
        if plan.fresh {
            client.close();
        }
        let complaint = match client.send(&request) {
            Ok(answer) if answer.status == 200 => {
                outcome.times.push(due.elapsed());
                continue;
            }
            Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(error) => error.to_string(),
        };
        outcome.failed += 1;
        outcome.complaint.get_or_insert(complaint);
    }
}
