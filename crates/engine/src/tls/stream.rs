//! A connection under TLS, on either side.
//!
//! What is read is decrypted in one place of the thread's and copied to where the reader wants it; what is written is
//! sealed into records that leave with one call. A connection holds memory of its own only for a record that is not
//! there to its end, data that the reader had no room for, and what the socket does not take.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::crypto::cipher::OutboundChunks;
use rustls::{Error, PeerMisbehaved};
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::records::{DATA_LIMIT, Opened, RECORD_LIMIT, Records};
use crate::socket::{poll_recv, poll_send};

/// How many records are written at a time: a body of 64 KiB and its head.
const RECORDS_AT_ONCE: usize = 5;

/// As much as [`RECORDS_AT_ONCE`] records of usual size, behind the beginning of one.
const SCRATCH: usize = 88 << 10;

/// How many slices are gathered at a time.
const SLICES_AT_ONCE: usize = 16;

/// So many answers to messages of the other end may wait for it to read them.
const REPLIES_LIMIT: u8 = 32;

thread_local! {
    /// Where records are decrypted.
    static DECRYPTED: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    records: Records,
    /// The beginning of a record.
    begun: Vec<u8>,
    /// Data nobody had room for.
    data: Held,
    /// Records that wait for the socket.
    out: Held,
    /// How many answers are among them.
    replies: u8,
    reading: Reading,
    writing: Writing,
}

#[derive(Debug, PartialEq)]
enum Reading {
    Open,
    /// The other end has said that nothing more comes.
    Closed,
    Failed(Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// We have said that nothing more comes.
    Closed,
}

impl TlsStream {
    /// A connection of which `begun` has been read beyond the handshake and not decrypted, and `data` decrypted.
    pub(super) fn new(socket: TcpStream, records: Records, begun: Vec<u8>, data: Vec<u8>, closed: bool) -> Self {
        Self {
            socket,
            records,
            begun,
            data: Held::new(data),
            out: Held::default(),
            replies: 0,
            reading: if closed { Reading::Closed } else { Reading::Open },
            writing: Writing::Open,
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether only the socket knows what comes next.
    pub(crate) fn is_drained(&self) -> bool {
        self.data.is_empty() && self.begun.is_empty() && self.reading == Reading::Open
    }

    /// Waits until there is something to read, the end and errors included.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.data.is_empty() && self.reading == Reading::Open {
            return self.socket.poll_read_ready(context);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the socket once and puts the data of all records that are complete by then into `room`.
    fn poll_records(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let held = self.begun.len();
        let most = room.remaining().max(RECORD_LIMIT).min(scratch.len() - held);
        let count = ready!(poll_recv(&self.socket, context, &mut scratch[held..held + most]))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if held > 0 {
            scratch[..held].copy_from_slice(&std::mem::take(&mut self.begun));
        }
        if let Err(error) = self.open_all(&mut scratch[..held + count], room) {
            self.records.seal_error(&error, &mut self.out.bytes);
            self.reading = Reading::Failed(error);
        }
        if !self.out.is_empty() {
            self.try_drain(context)?;
        }
        Poll::Ready(Ok(()))
    }

    fn open_all(&mut self, mut bytes: &mut [u8], room: &mut ReadBuf<'_>) -> Result<(), Error> {
        while let Some(length) = Records::length(bytes)? {
            let (record, behind) = bytes.split_at_mut(length);
            let waiting = self.out.bytes.len();
            match self.records.open(record, &mut self.out.bytes)? {
                Opened::Data(data) => {
                    let (fits, beyond) = data.split_at(data.len().min(room.remaining()));
                    room.put_slice(fits);
                    self.data.bytes.extend_from_slice(beyond);
                }
                Opened::Nothing if self.out.bytes.len() > waiting => self.count_reply()?,
                Opened::Nothing => {}
                Opened::Closed => {
                    self.reading = Reading::Closed;
                    return Ok(());
                }
            }
            bytes = behind;
        }
        if !bytes.is_empty() {
            self.begun = bytes.to_vec();
        }
        Ok(())
    }

    /// Who asks and does not read the answers would make them pile up here.
    fn count_reply(&mut self) -> Result<(), Error> {
        self.replies += 1;
        if self.replies > REPLIES_LIMIT {
            return Err(PeerMisbehaved::TooManyKeyUpdateRequests.into());
        }
        Ok(())
    }

    fn poll_write_slices(&mut self, context: &mut Context<'_>, slices: &[&[u8]]) -> Poll<io::Result<usize>> {
        if self.writing == Writing::Closed || matches!(self.reading, Reading::Failed(_)) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(context))?;
        let all = OutboundChunks::new(slices);
        let (mut rest, _) = all.split_at(RECORDS_AT_ONCE * DATA_LIMIT);
        let taken = rest.len();
        let mut records = SmallVec::<[Vec<u8>; RECORDS_AT_ONCE]>::new();
        while !rest.is_empty() {
            let (data, behind) = rest.split_at(DATA_LIMIT);
            let mut before = Vec::new();
            let record = self.records.seal(data, &mut before).map_err(io::Error::other)?;
            if !before.is_empty() {
                records.push(before);
            }
            records.push(record);
            rest = behind;
        }
        self.send(context, &records)?;
        Poll::Ready(Ok(taken))
    }

    /// Sends records, and keeps what the socket does not take at once.
    fn send(&mut self, context: &mut Context<'_>, records: &[Vec<u8>]) -> io::Result<()> {
        let sent = match records {
            [] => return Ok(()),
            [record] => poll_send(&self.socket, context, record),
            records => {
                let slices: SmallVec<[IoSlice<'_>; RECORDS_AT_ONCE]> =
                    records.iter().map(|record| IoSlice::new(record)).collect();
                Pin::new(&mut self.socket).poll_write_vectored(context, &slices)
            }
        };
        let mut sent = match sent {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        for record in records {
            let of_this = sent.min(record.len());
            sent -= of_this;
            self.out.bytes.extend_from_slice(&record[of_this..]);
        }
        Ok(())
    }

    /// Sends what the socket takes of what waits for it: answers leave when they can, and who reads does not wait.
    fn try_drain(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.poll_drain(context) {
            Poll::Ready(drained) => drained,
            Poll::Pending => Ok(()),
        }
    }

    /// Sends what waits for the socket.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let count = ready!(poll_send(&self.socket, context, self.out.rest()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.consume(count);
        }
        self.replies = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.out.is_empty() {
            this.try_drain(context)?;
        }
        let before = room.remaining();
        while room.remaining() == before && before > 0 {
            if !this.data.is_empty() {
                let data = this.data.rest();
                let fits = data.len().min(before);
                room.put_slice(&data[..fits]);
                this.data.consume(fits);
                break;
            }
            match &this.reading {
                Reading::Open => {}
                Reading::Closed => break,
                Reading::Failed(error) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error.clone())));
                }
            }
            ready!(DECRYPTED.with_borrow_mut(|scratch| this.poll_records(context, scratch, room)))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_slices(context, &[bytes])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices: SmallVec<[&[u8]; SLICES_AT_ONCE]> =
            slices.iter().filter(|slice| !slice.is_empty()).take(SLICES_AT_ONCE).map(|slice| &**slice).collect();
        self.get_mut().poll_write_slices(context, &slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_drain(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.writing == Writing::Open {
            this.writing = Writing::Closed;
            if !matches!(this.reading, Reading::Failed(_)) {
                this.records.seal_close(&mut this.out.bytes).map_err(io::Error::other)?;
            }
        }
        ready!(this.poll_drain(context))?;
        match ready!(Pin::new(&mut this.socket).poll_shutdown(context)) {
            // Where there is no connection any more there is nothing to end.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}

/// Bytes that are used from the front. Without any it has no memory.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    used: usize,
}

impl Held {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, used: 0 }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    fn consume(&mut self, count: usize) {
        self.used += count;
        if self.used == self.bytes.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests;
