//! A connection under TLS, on either side.
//!
//! Records are read to one place of the thread's and opened from there to where the reader wants their data; what is
//! written is sealed to that place and leaves with one call. A connection holds memory of its own only for a record that is not
//! there to its end, data that the reader had no room for, and what the socket does not take.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::{Error, PeerMisbehaved};
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::cipher::{Content, DATA_LIMIT, OVERHEAD, RECORD_LIMIT, Slices, record_length};
use super::records::{Opened, Records};
use crate::outbox::Outbox;
use crate::socket::Socket;

/// How many records are written at a time: a body of 64 KiB and its head.
const RECORDS_AT_ONCE: usize = 5;

/// As much as [`RECORDS_AT_ONCE`] of the greatest records we write.
const SCRATCH: usize = RECORDS_AT_ONCE * (DATA_LIMIT + OVERHEAD);

/// How many slices are gathered at a time.
const SLICES_AT_ONCE: usize = 16;

/// So many answers to messages of the other end may wait for it to read them.
const REPLIES_LIMIT: u8 = 32;

thread_local! {
    /// Records on their way. Nothing stays in here.
    static SCRATCH_SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: Socket,
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
    pub(super) fn new(socket: Socket, records: Records, begun: Vec<u8>, data: Vec<u8>, closed: bool) -> Self {
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

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether only the socket knows what comes next.
    pub(crate) fn is_drained(&self) -> bool {
        self.data.is_empty() && self.begun.is_empty() && self.reading == Reading::Open
    }

    /// Waits until there is something to read, the end and errors included.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.data.is_empty() && self.reading == Reading::Open {
            return self.socket.poll_readable(context);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into `room`; 0 is the end, or that there is no room.
    #[inline(never)]
    pub(crate) fn poll_fill(&mut self, context: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.out.is_empty() {
            self.try_drain(context)?;
        }
        if room.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if !self.data.is_empty() {
                return Poll::Ready(Ok(self.data.take(room)));
            }
            match &self.reading {
                Reading::Open => {}
                Reading::Closed => return Poll::Ready(Ok(0)),
                Reading::Failed(error) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error.clone())));
                }
            }
            let filled = ready!(SCRATCH_SPACE.with_borrow_mut(|scratch| self.poll_records(context, scratch, room)))?;
            if filled > 0 {
                return Poll::Ready(Ok(filled));
            }
        }
    }

    /// Reads the socket once and puts the data of all records that are complete by then into `room`; how much.
    fn poll_records(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let held = self.begun.len();
        let most = room.len().max(RECORD_LIMIT).min(scratch.len() - held);
        let count = ready!(self.socket.poll_recv(context, &mut scratch[held..held + most]))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if held > 0 {
            scratch[..held].copy_from_slice(&std::mem::take(&mut self.begun));
        }
        let mut filled = 0;
        if let Err(error) = self.open_all(&mut scratch[..held + count], room, &mut filled) {
            self.records.seal_error(&error, &mut self.out.bytes);
            self.reading = Reading::Failed(error);
        }
        if !self.out.is_empty() {
            self.try_drain(context)?;
        }
        Poll::Ready(Ok(filled))
    }

    fn open_all(&mut self, mut bytes: &mut [u8], room: &mut [u8], filled: &mut usize) -> Result<(), Error> {
        while let Some(length) = record_length(bytes)? {
            let (record, behind) = bytes.split_at_mut(length);
            let waiting = self.out.bytes.len();
            match self.records.open(record, &mut room[*filled..], &mut self.out.bytes)? {
                Opened::Data(Content::InRoom(data)) => *filled += data.len(),
                Opened::Data(Content::InPlace(data)) => {
                    self.data.bytes.extend_from_slice(data);
                    *filled += self.data.take(&mut room[*filled..]);
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

    #[inline(never)]
    fn poll_write_slices(&mut self, context: &mut Context<'_>, slices: &[&[u8]]) -> Poll<io::Result<usize>> {
        if self.writing == Writing::Closed || matches!(self.reading, Reading::Failed(_)) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.records.refresh(&mut self.out.bytes).map_err(io::Error::other)?;
        ready!(self.poll_drain(context))?;
        let mut left = Slices::new(slices);
        SCRATCH_SPACE.with_borrow_mut(|scratch| {
            let (mut taken, mut sealed) = (0, 0);
            for _ in 0..RECORDS_AT_ONCE {
                let length = left.len().min(DATA_LIMIT);
                if length == 0 || sealed > 0 && self.records.is_worn() {
                    break;
                }
                sealed += self.records.seal(&mut left, length, &mut scratch[sealed..]).map_err(io::Error::other)?;
                taken += length;
            }
            self.send(context, &scratch[..sealed])?;
            Poll::Ready(Ok(taken))
        })
    }

    /// Lets `bytes` leave when the worker has done its turn, and takes them: ready unless something else still waits
    /// for the socket.
    #[inline(never)]
    pub(crate) fn poll_post(
        &mut self,
        context: &mut Context<'_>,
        outbox: &Outbox,
        bytes: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        ready!(self.socket.poll_drain(context))?;
        let is_usual = bytes.len() <= DATA_LIMIT
            && self.out.is_empty()
            && !self.records.is_worn()
            && self.writing == Writing::Open
            && !matches!(self.reading, Reading::Failed(_));
        if is_usual {
            let mut record = outbox.buffers().take_stage();
            SCRATCH_SPACE.with_borrow_mut(|scratch| {
                let sealed = self.records.seal(&mut Slices::new(&[bytes]), bytes.len(), scratch);
                record.extend_from_slice(&scratch[..sealed.map_err(io::Error::other)?]);
                io::Result::Ok(())
            })?;
            bytes.clear();
            self.socket.post(outbox, record);
            return Poll::Ready(Ok(()));
        }
        while !bytes.is_empty() {
            let count = ready!(self.poll_write_slices(context, &[bytes]))?;
            bytes.drain(..count);
        }
        self.poll_drain(context)
    }

    /// Sends records, and keeps what the socket does not take at once.
    fn send(&mut self, context: &mut Context<'_>, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let sent = match self.socket.poll_send(context, records) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.out.bytes.extend_from_slice(&records[sent..]);
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
    #[inline(never)]
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let count = ready!(self.socket.poll_send(context, self.out.rest()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.consume(count);
        }
        self.replies = 0;
        self.socket.poll_drain(context)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // What is opened needs memory that is initialized, and waiting needs none.
        ready!(this.poll_readable(context))?;
        let length = room.remaining().min(RECORD_LIMIT);
        let filled = ready!(this.poll_fill(context, room.initialize_unfilled_to(length)))?;
        room.advance(filled);
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
        match ready!(this.socket.poll_shutdown(context)) {
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

    /// Moves to `room` as much as fits; how much.
    fn take(&mut self, room: &mut [u8]) -> usize {
        let rest = self.rest();
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.consume(count);
        count
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
