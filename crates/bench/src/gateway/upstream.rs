//! The upstream of the traffic: a loop that does as little as an upstream can, so that it is the proxy's processor that
//! sets the pace. A proxy that has to wait sleeps now and then, and what that costs says nothing about proxies.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

use anyhow::Result;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// What stands at the end of a request's head; none has a body.
const END: &[u8] = b"\r\n\r\n";

/// Answers every request on `port` with 1 KiB, or 64 KiB at `/64k`, for ever.
pub(crate) fn serve(port: u16) -> Result<()> {
    let answers = Answers { small: answer(1024), large: answer(64 * 1024) };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let key = stream.as_raw_fd() as u64;
                    epoll::add(
                        &epoll,
                        &stream,
                        EventData::new_u64(key),
                        EventFlags::IN | EventFlags::OUT | EventFlags::ET,
                    )?;
                    connections.insert(key, Connection { stream, read: Vec::new(), left: Vec::new() });
                }
            } else if let Some(connection) = connections.get_mut(&key)
                && !connection.go_on(&answers)
            {
                connections.remove(&key);
            }
        }
    }
}

struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
}

fn answer(length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\nConnection: keep-alive\r\n\r\n{}",
        "x".repeat(length)
    )
    .into_bytes()
}

struct Connection {
    stream: TcpStream,
    /// Of a request that is not complete.
    read: Vec<u8>,
    /// What is not written yet.
    left: Vec<u8>,
}

impl Connection {
    /// Does what can be done; whether the connection goes on.
    fn go_on(&mut self, answers: &Answers) -> bool {
        let mut block = [0; 16 * 1024];
        loop {
            if !self.left.is_empty() {
                match self.stream.write(&self.left) {
                    Ok(count) => drop(self.left.drain(..count)),
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
                continue;
            }
            let count = match self.stream.read(&mut block) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            self.read.extend_from_slice(&block[..count]);
            while let Some(end) = self.read.windows(END.len()).position(|window| window == END) {
                let answer = if self.read.starts_with(b"GET /64k ") { &answers.large } else { &answers.small };
                self.read.drain(..end + END.len());
                let written = if self.left.is_empty() { self.stream.write(answer).unwrap_or(0) } else { 0 };
                self.left.extend_from_slice(&answer[written..]);
            }
            if count < block.len() && self.left.is_empty() {
                return true;
            }
        }
    }
}
