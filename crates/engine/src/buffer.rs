//! Buffers that a worker hands out and takes back.

use std::cell::RefCell;

use crate::message::{RequestHead, ResponseHead};

/// Room for a body of 64 KiB together with a head of usual size, so that both leave with one write.
const SIZE: usize = 68 * 1024;

/// How many unused buffers a worker keeps.
const KEPT: usize = 64;

/// Staging buffers above this capacity are not kept.
const STAGE_KEPT: usize = 64 * 1024;

/// Bytes that were read and not yet used: a window in a block of fixed size. Without a block it has no room.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    block: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn with_block() -> Self {
        Self { block: vec![0; SIZE].into_boxed_slice(), start: 0, end: 0 }
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "only what is there can be used");
        if self.start == self.end {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Free room behind the data. Moves the data to the front when there is none behind; empty only if the buffer
    /// is full.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.end == self.block.len() && self.start > 0 {
            self.block.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.block[self.end..]
    }

    /// `count` bytes were put into the room.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }
}

/// A worker's unused buffers.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: RefCell<Vec<Buffer>>,
    stages: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// Gives a buffer without a block one: of the unused ones that which was used last, which processors still know.
    pub(crate) fn lend(&self, buffer: &mut Buffer) {
        if buffer.block.is_empty() {
            *buffer = self.free.borrow_mut().pop().unwrap_or_else(Buffer::with_block);
        }
    }

    /// Takes the block of a buffer back if nothing is in it.
    pub(crate) fn reclaim(&self, buffer: &mut Buffer) {
        if buffer.is_empty() && !buffer.block.is_empty() {
            self.take_back(std::mem::take(buffer));
        }
    }

    fn take_back(&self, mut buffer: Buffer) {
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT {
            buffer.clear();
            free.push(buffer);
        }
    }

    /// Takes the block of a buffer back, whatever is in it.
    pub(crate) fn give(&self, buffer: Buffer) {
        if !buffer.block.is_empty() {
            self.take_back(buffer);
        }
    }

    /// An empty vector to put bytes into that leave together.
    pub(crate) fn take_stage(&self) -> Vec<u8> {
        self.stages.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(8 * 1024))
    }

    pub(crate) fn give_stage(&self, mut stage: Vec<u8>) {
        let mut stages = self.stages.borrow_mut();
        if stages.len() < KEPT && stage.capacity() > 0 && stage.capacity() <= STAGE_KEPT {
            stage.clear();
            stages.push(stage);
        }
    }
}

/// A worker's unused heads.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    requests: RefCell<Vec<RequestHead>>,
    #[expect(clippy::vec_box, reason = "they are handed on several times: a pointer rather than a head")]
    responses: RefCell<Vec<Box<ResponseHead>>>,
}

impl Heads {
    /// A head with whatever content.
    pub(crate) fn take(&self) -> RequestHead {
        self.requests.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, head: RequestHead) {
        let mut heads = self.requests.borrow_mut();
        if heads.len() < KEPT {
            heads.push(head);
        }
    }

    /// A head with whatever content.
    pub(crate) fn take_response(&self) -> Box<ResponseHead> {
        self.responses.borrow_mut().pop().unwrap_or_else(|| Box::new(ResponseHead::new(0)))
    }

    pub(crate) fn give_response(&self, head: Box<ResponseHead>) {
        let mut heads = self.responses.borrow_mut();
        if heads.len() < KEPT {
            heads.push(head);
        }
    }
}
