//! Responses as gRPC frames: small ones encoded once and shared by all streams, large ones written piece
//! by piece.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use crate::response::{Response, Variant};

/// Compression flag and length.
pub(crate) const PREFIX: usize = 5;
/// Frames up to this size are shared. A larger one is seldom equal for two proxies, and as one piece it
/// would occupy memory for every stream until the client has read it.
const SHARED_LIMIT: usize = 64 * 1024;
/// Size of the pieces of a large frame; one resource is never split.
const CHUNK: usize = 16 * 1024;
/// Bytes of one generation of shared frames; there are two.
const GENERATION: usize = 8 * 1024 * 1024;

/// The frames that were sent lately, by content.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    // A miss encodes outside the lock; it is held for one map operation.
    recent: Mutex<Recent>,
}

type Key = (Variant, u64);

#[derive(Debug, Default)]
struct Recent {
    young: HashMap<Key, Arc<Shared>>,
    young_bytes: usize,
    old: HashMap<Key, Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    response: Response,
    frame: Bytes,
}

impl Frames {
    /// The bytes of `response`, to be taken piece by piece.
    pub(crate) fn frame(&self, response: Response) -> Chunks {
        let length = response.encoded_len();
        if PREFIX + length > SHARED_LIMIT {
            return Chunks::Pieces(Pieces::new(response, length));
        }
        let key = (response.variant, response.nonce.0);
        let shared = self.recent.lock().get(key);
        if let Some(shared) = shared
            && shared.response.same_content(&response)
        {
            return Chunks::Whole(shared.frame.clone());
        }
        let frame = whole(&response, length);
        self.recent.lock().insert(key, Arc::new(Shared { response, frame: frame.clone() }));
        Chunks::Whole(frame)
    }
}

impl Recent {
    fn get(&mut self, key: Key) -> Option<Arc<Shared>> {
        if let Some(shared) = self.young.get(&key) {
            return Some(shared.clone());
        }
        let shared = self.old.remove(&key)?;
        self.insert(key, shared.clone());
        Some(shared)
    }

    fn insert(&mut self, key: Key, shared: Arc<Shared>) {
        if self.young_bytes + shared.frame.len() > GENERATION {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += shared.frame.len();
        self.young.insert(key, shared);
    }
}

/// The bytes of one frame that are still to be sent.
#[derive(Debug)]
pub(crate) enum Chunks {
    Done,
    Whole(Bytes),
    Pieces(Pieces),
}

impl Chunks {
    /// The next bytes, until there are none.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        match mem::replace(self, Self::Done) {
            Self::Done => None,
            Self::Whole(frame) => Some(frame),
            Self::Pieces(mut pieces) => {
                let chunk = pieces.next();
                if !pieces.is_done() {
                    *self = Self::Pieces(pieces);
                }
                Some(chunk)
            }
        }
    }
}

/// A large response that is being written.
#[derive(Debug)]
pub(crate) struct Pieces {
    response: Response,
    length: usize,
    started: bool,
    next: usize,
}

impl Pieces {
    fn new(response: Response, length: usize) -> Self {
        Self { response, length, started: false, next: 0 }
    }

    fn next(&mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(CHUNK + CHUNK / 4);
        if !mem::replace(&mut self.started, true) {
            put_prefix(self.length, &mut out);
            self.response.encode_head(&mut out);
        }
        while out.len() < CHUNK
            && let Some(resource) = self.response.resources.get(self.next)
        {
            self.response.encode_resource(resource, &mut out);
            self.next += 1;
        }
        out.freeze()
    }

    fn is_done(&self) -> bool {
        self.started && self.next >= self.response.resources.len()
    }
}

fn whole(response: &Response, length: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(PREFIX + length);
    put_prefix(length, &mut out);
    response.encode_head(&mut out);
    for resource in &response.resources {
        response.encode_resource(resource, &mut out);
    }
    out.freeze()
}

fn put_prefix(length: usize, out: &mut BytesMut) {
    out.put_u8(0);
    out.put_u32(u32::try_from(length).expect("a proxy's configuration is smaller than 4 GiB"));
}

#[cfg(test)]
mod tests;
