//! Clients that send the same request again and again.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::END;
use crate::gateway::tools::Seen;
use crate::percentile;

/// A load that is under way.
pub(super) struct Load {
    pub(super) target: u16,
    pub(super) connections: u32,
    pub(super) request: Vec<u8>,
    /// The connection that wants to know what it comes to.
    pub(super) asked_by: usize,
    pub(super) end: Instant,
    seconds: u32,
    failed: u64,
    times: Vec<Duration>,
}

/// A client's connection, which waits for an answer.
pub(super) struct Asking {
    stream: TcpStream,
    since: Instant,
    answer: Answer,
}

/// How far an answer is.
#[derive(Default)]
struct Answer {
    /// The beginning of an answer whose head is not complete.
    begun: Vec<u8>,
    /// How much of the body is to come, if the head was there.
    left: Option<usize>,
    /// How the last head ended: most likely the next one is as long.
    usual: Usual,
}

#[derive(Default)]
struct Usual {
    head: usize,
    /// Where the length stands in it.
    digits: std::ops::Range<usize>,
    length: usize,
    text: Vec<u8>,
}

impl Load {
    /// Reads `LOAD port connections seconds` and, from the next line on, the request.
    pub(super) fn read(words: &[u8], asked_by: usize) -> Result<Self> {
        let text = std::str::from_utf8(words)?;
        let (line, request) = text.split_once("\r\n").context("a load without a request")?;
        let mut numbers = line.split(' ').skip(1).map(str::parse::<u32>);
        let mut number = || numbers.next().context("a load without its numbers")?.map_err(anyhow::Error::from);
        let (target, connections, seconds) = (u16::try_from(number()?)?, number()?, number()?);
        Ok(Self {
            target,
            connections,
            request: request.as_bytes().to_vec(),
            asked_by,
            end: Instant::now() + Duration::from_secs(seconds.into()),
            seconds,
            failed: 0,
            times: Vec::with_capacity(100_000 * seconds as usize),
        })
    }

    /// Reads what there is of an answer, and asks again when it is complete; whether the connection goes on.
    pub(super) fn go_on(&mut self, asking: &mut Asking, room: &mut [u8]) -> bool {
        loop {
            let count = match asking.stream.read(room) {
                Ok(count @ 1..) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Ok(_) | Err(_) => {
                    self.failed += 1;
                    return false;
                }
            };
            match asking.answer.take(&room[..count]) {
                None => {
                    self.failed += 1;
                    return false;
                }
                Some(false) => {}
                Some(true) => {
                    self.times.push(asking.since.elapsed());
                    if asking.ask(&self.request).is_err() {
                        self.failed += 1;
                        return false;
                    }
                }
            }
            if count < room.len() {
                return true;
            }
        }
    }

    /// What it came to.
    pub(super) fn seen(mut self) -> Seen {
        self.times.sort_unstable();
        let at = |percent| percentile(&self.times, percent).as_secs_f64() * 1e3;
        let requests = self.times.len() as u64;
        Seen {
            requests,
            rate: requests as f64 / f64::from(self.seconds),
            p50_ms: at(50),
            p99_ms: at(99),
            failed: self.failed,
        }
    }
}

impl Asking {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, since: Instant::now(), answer: Answer::default() }
    }

    /// Sends a request, which always finds room.
    pub(super) fn ask(&mut self, request: &[u8]) -> std::io::Result<()> {
        self.since = Instant::now();
        self.answer.left = None;
        self.stream.write_all(request)
    }
}

impl Answer {
    /// Takes a piece of an answer: whether that was its end; `None` if it is not one that was hoped for.
    fn take(&mut self, piece: &[u8]) -> Option<bool> {
        let left = match self.left {
            Some(left) => left.checked_sub(piece.len())?,
            None if self.begun.is_empty() => match self.usual.length_of(piece) {
                Some((head, length)) => length.checked_sub(piece.len() - head)?,
                None => self.begin(piece)?,
            },
            None => self.begin(piece)?,
        };
        self.left = Some(left).filter(|_| self.begun.is_empty());
        Some(self.left == Some(0))
    }

    /// Reads a head as anybody would; how much of the body is to come, or anything if the head is not complete.
    fn begin(&mut self, piece: &[u8]) -> Option<usize> {
        self.begun.extend_from_slice(piece);
        let Some(end) = self.begun.windows(END.len()).position(|window| window == END) else { return Some(0) };
        let answer = std::mem::take(&mut self.begun);
        let head = end + END.len();
        if !answer.starts_with(b"HTTP/1.1 2") {
            return None;
        }
        let text = std::str::from_utf8(&answer[..head]).ok()?.to_ascii_lowercase();
        let mark = "\r\ncontent-length: ";
        let start = text.find(mark)? + mark.len();
        let digits = start..start + text[start..].find('\r')?;
        let length = text[digits.clone()].parse().ok()?;
        self.usual = Usual { head, text: answer[digits.clone()].to_vec(), digits, length };
        usize::checked_sub(length, answer.len() - head)
    }
}

impl Usual {
    /// Where the head of this answer ends and how long its body is, if both are as they were.
    fn length_of(&self, answer: &[u8]) -> Option<(usize, usize)> {
        let is_same = self.head > 0
            && answer.starts_with(b"HTTP/1.1 2")
            && answer.get(..self.head)?.ends_with(END)
            && answer.get(self.digits.clone())? == self.text;
        is_same.then_some((self.head, self.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_their_length_says_however_they_come() {
        let answer =
            |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
        for size in [1, 7, 40, 4096] {
            let mut reading = Answer::default();
            for text in [answer(10), answer(10), answer(20), answer(0), answer(10)] {
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                for (at, piece) in pieces.iter().enumerate() {
                    assert_eq!(reading.take(piece), Some(at + 1 == pieces.len()), "{size} {text:?}");
                }
                reading.left = None;
            }
            assert_eq!(reading.take(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), None);
        }
    }
}
