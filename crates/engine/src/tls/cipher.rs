//! One direction of a connection's records: heads, nonces, padding. Both ways between two places, so that nothing is
//! copied on the way.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, InvalidMessage, PeerMisbehaved, SupportedCipherSuite};

/// The head of a record: its type, a version that says nothing any more, its length.
const HEAD: usize = 5;

/// More than this is in no record, whatever its padding.
const PAYLOAD_LIMIT: usize = DATA_LIMIT + 2048;

/// The greatest record, head included.
pub(super) const RECORD_LIMIT: usize = HEAD + PAYLOAD_LIMIT;

/// How much data goes into one record.
pub(super) const DATA_LIMIT: usize = 16 << 10;

/// By how much a record is greater than what is in it, at most.
pub(super) const OVERHEAD: usize = HEAD + EXPLICIT + 1 + TAG;

const TAG: usize = 16;
const NONCE: usize = 12;

/// The part of a nonce that TLS 1.2 sends along.
const EXPLICIT: usize = 8;

/// The length of the record that `bytes` begin with, its head included; `None` if it is not there to its end.
pub(super) fn record_length(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let Some(&[kind, major, _, high, low]) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    if matches!(ContentType::from(kind), ContentType::Unknown(_)) {
        return Err(InvalidMessage::InvalidContentType.into());
    }
    if major != 3 {
        return Err(InvalidMessage::UnknownProtocolVersion.into());
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length >= PAYLOAD_LIMIT {
        return Err(InvalidMessage::MessageTooLarge.into());
    }
    Ok((bytes.len() >= HEAD + length).then_some(HEAD + length))
}

/// How a record's payload is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// TLS 1.3: behind the content, and encrypted as it is, its type.
    TypeBehind,
    /// TLS 1.2 with AES: before the content a part of the nonce.
    NonceBefore,
    /// TLS 1.2 with ChaCha20.
    Bare,
}

impl Layout {
    fn before(self) -> usize {
        if self == Self::NonceBefore { EXPLICIT } else { 0 }
    }

    fn behind(self) -> usize {
        if self == Self::TypeBehind { 1 + TAG } else { TAG }
    }
}

/// A key with its sequence numbers.
pub(super) struct Cipher {
    key: LessSafeKey,
    iv: [u8; NONCE],
    layout: Layout,
    /// The number of the next record.
    next: u64,
    /// How many records the key may seal.
    limit: u64,
}

impl Cipher {
    pub(super) fn new(
        suite: SupportedCipherSuite,
        (next, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Error> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Error::General("keys of an unknown cipher".to_owned())),
        };
        let (layout, limit) = match suite {
            SupportedCipherSuite::Tls13(suite) => (Layout::TypeBehind, suite.common.confidentiality_limit),
            SupportedCipherSuite::Tls12(suite) if *algorithm == CHACHA20_POLY1305 => {
                (Layout::Bare, suite.common.confidentiality_limit)
            }
            SupportedCipherSuite::Tls12(suite) => (Layout::NonceBefore, suite.common.confidentiality_limit),
        };
        let key = UnboundKey::new(algorithm, key.as_ref())
            .map_err(|_| Error::General("a key of the wrong length".to_owned()))?;
        let iv = iv.as_ref().try_into().map_err(|_| Error::General("a nonce of the wrong length".to_owned()))?;
        Ok(Self { key: LessSafeKey::new(key), iv, layout, next, limit })
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.layout == Layout::TypeBehind
    }

    /// Whether the key may seal only one more record.
    pub(super) fn is_worn(&self) -> bool {
        self.next.saturating_add(1) >= self.limit
    }

    #[cfg(test)]
    pub(super) fn wear_out(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Seals `length` bytes from the front of `content` into a record at the front of `out`, which must have room for
    /// [`OVERHEAD`] more; the record's length.
    pub(super) fn seal(
        &mut self,
        kind: ContentType,
        content: &mut Slices<'_>,
        length: usize,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let (before, behind) = (self.layout.before(), self.layout.behind());
        let payload = before + length + behind;
        // Never the same nonce twice: past the limit nothing is sealed, and before it numbers do not wrap.
        if self.next >= self.limit || payload >= PAYLOAD_LIMIT || out.len() < HEAD + payload {
            return Err(Error::EncryptError);
        }
        let (head, out) = out.split_at_mut(HEAD);
        let (explicit, out) = out.split_at_mut(before);
        let (text, out) = out.split_at_mut(length);
        let last = &mut out[..behind];

        let outer = if self.is_tls13() { ContentType::ApplicationData } else { kind };
        head.copy_from_slice(&[outer.into(), 3, 3, (payload >> 8) as u8, payload as u8]);
        let nonce = self.nonce();
        explicit.copy_from_slice(&nonce[NONCE - before..]);
        let inner = [u8::from(kind)];
        let extra = &inner[..behind - TAG];
        let (nonce, associated) = (Nonce::assume_unique_for_key(nonce), self.associated(head, length));
        match content.take(length, text) {
            Some(whole) => self.key.seal_out_of_place_scatter(nonce, associated.aad(), whole, text, extra, last),
            None => self.key.seal_in_place_scatter(nonce, associated.aad(), text, extra, last),
        }
        .map_err(|_| Error::EncryptError)?;
        self.next += 1;
        Ok(HEAD + payload)
    }

    /// Opens a complete record into `room`, or into its own place if that is too small.
    pub(super) fn open<'a>(
        &mut self,
        record: &'a mut [u8],
        room: &'a mut [u8],
    ) -> Result<(ContentType, Content<'a>), Error> {
        let mut kind = record.first().map_or(ContentType::Unknown(0), |&kind| kind.into());
        if self.is_tls13() && kind != ContentType::ApplicationData {
            return Err(unexpected(kind));
        }
        let around = HEAD + self.layout.before() + TAG;
        let Some(length) = record.len().checked_sub(around) else {
            return Err(Error::DecryptError);
        };
        if length > DATA_LIMIT + 1 || length > DATA_LIMIT && !self.is_tls13() {
            return Err(Error::PeerSentOversizedRecord);
        }
        let (head, payload) = record.split_at_mut(HEAD);
        let (before, payload) = payload.split_at_mut(self.layout.before());
        let (text, tag) = payload.split_at_mut(length);
        let mut nonce = self.nonce();
        nonce[NONCE - before.len()..].copy_from_slice(before);
        let (nonce, associated) = (Nonce::assume_unique_for_key(nonce), self.associated(head, length));
        let fits = room.len() >= length;
        let opened = if fits {
            let opened = &mut room[..length];
            self.key.open_separate_gather(nonce, associated.aad(), text, tag, opened).map(|()| opened)
        } else {
            self.key.open_in_place_separate_tag(nonce, associated.aad(), tag, text)
        };
        let mut opened = &*opened.map_err(|_| Error::DecryptError)?;
        self.next += 1;
        if self.is_tls13() {
            // Behind the content stand its type and then zeros, as many as its sender liked.
            let at = opened.iter().rposition(|&byte| byte != 0).ok_or(PeerMisbehaved::IllegalTlsInnerPlaintext)?;
            kind = ContentType::from(opened[at]);
            opened = &opened[..at];
        }
        Ok((kind, if fits { Content::InRoom(opened) } else { Content::InPlace(opened) }))
    }

    fn nonce(&self) -> [u8; NONCE] {
        let mut nonce = self.iv;
        for (byte, number) in nonce[NONCE - 8..].iter_mut().zip(self.next.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    /// What is protected along with a content of this length.
    fn associated(&self, head: &[u8], length: usize) -> Associated {
        let mut bytes = [0; 8 + HEAD];
        if self.is_tls13() {
            // The version is taken to be what it has to be.
            bytes[..HEAD].copy_from_slice(&[head[0], 3, 3, head[3], head[4]]);
            return Associated { bytes, length: HEAD };
        }
        bytes[..8].copy_from_slice(&self.next.to_be_bytes());
        bytes[8..11].copy_from_slice(&[head[0], 3, 3]);
        // No content is longer than 16 KiB.
        bytes[11..].copy_from_slice(&(length as u16).to_be_bytes());
        Associated { bytes, length: 8 + HEAD }
    }
}

struct Associated {
    bytes: [u8; 8 + HEAD],
    length: usize,
}

impl Associated {
    fn aad(&self) -> Aad<&[u8]> {
        Aad::from(&self.bytes[..self.length])
    }
}

/// What was in a record, and where it is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// At the front of the room given.
    InRoom(&'a [u8]),
    /// Where the record was.
    InPlace(&'a [u8]),
}

impl<'a> Content<'a> {
    pub(super) fn bytes(&self) -> &'a [u8] {
        match self {
            Self::InRoom(bytes) | Self::InPlace(bytes) => bytes,
        }
    }
}

pub(super) fn unexpected(kind: ContentType) -> Error {
    Error::InappropriateMessage { expect_types: vec![ContentType::ApplicationData], got_type: kind }
}

/// Slices that are used up from the front as if they were one.
#[derive(Debug)]
pub(super) struct Slices<'a> {
    first: &'a [u8],
    rest: &'a [&'a [u8]],
}

impl<'a> Slices<'a> {
    pub(super) fn new(slices: &'a [&'a [u8]]) -> Self {
        Self { first: &[], rest: slices }
    }

    pub(super) fn one(slice: &'a [u8]) -> Self {
        Self { first: slice, rest: &[] }
    }

    pub(super) fn len(&self) -> usize {
        self.rest.iter().fold(self.first.len(), |sum, slice| sum + slice.len())
    }

    /// Takes `length` bytes, which must be there: where they are if they are in one piece, or else into `copy`.
    fn take(&mut self, length: usize, copy: &mut [u8]) -> Option<&'a [u8]> {
        let mut at = 0;
        loop {
            let (taken, first) = self.first.split_at(self.first.len().min(length - at));
            self.first = first;
            if taken.len() == length {
                return Some(taken);
            }
            copy[at..at + taken.len()].copy_from_slice(taken);
            at += taken.len();
            if at == length {
                return None;
            }
            let (next, rest) = self.rest.split_first().expect("who takes has counted what there is");
            (self.first, self.rest) = (next, rest);
        }
    }
}

#[cfg(test)]
mod tests;
