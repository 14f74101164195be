//! The record layer of an established connection: what is left to do by those who take a connection's keys from
//! rustls. Ciphers, nonces and padding are still rustls'; here are the frames around them, sequence numbers, and the
//! few messages that can follow a handshake. Knows nothing of sockets.

use std::fmt;

use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ExtractedSecrets, InvalidMessage, PeerMisbehaved,
    ProtocolVersion, SupportedCipherSuite,
};

/// The head of a record: its type, a version that says nothing any more, its length.
const HEAD: usize = 5;

/// More than this is in no record, whatever its padding.
const PAYLOAD_LIMIT: usize = (16 << 10) + 2048;

/// The greatest record, head included.
pub(super) const RECORD_LIMIT: usize = HEAD + PAYLOAD_LIMIT;

/// How much data goes into one record.
pub(super) const DATA_LIMIT: usize = 16 << 10;

/// No message after a handshake is longer.
const MESSAGE_LIMIT: usize = 0xffff;

/// So many records in a row may bring no data.
const FRUITLESS_LIMIT: u8 = 32;

const WARNING: u8 = 1;
const FATAL: u8 = 2;

const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// A key update that asks for none in return.
const OWN_KEY_UPDATE: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];

/// What of rustls outlives the handshake: it derives further keys, and a client's part keeps tickets.
pub(super) enum Kernel {
    Server(KernelConnection<ServerConnectionData>),
    Client(KernelConnection<ClientConnectionData>),
}

impl Kernel {
    fn suite(&self) -> SupportedCipherSuite {
        match self {
            Self::Server(kernel) => kernel.negotiated_cipher_suite(),
            Self::Client(kernel) => kernel.negotiated_cipher_suite(),
        }
    }

    fn next_sealing(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        match self {
            Self::Server(kernel) => kernel.update_tx_secret(),
            Self::Client(kernel) => kernel.update_tx_secret(),
        }
    }

    fn next_opening(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        match self {
            Self::Server(kernel) => kernel.update_rx_secret(),
            Self::Client(kernel) => kernel.update_rx_secret(),
        }
    }
}

/// What a record brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// Data, at least a byte.
    Data(&'a [u8]),
    /// Something that is dealt with.
    Nothing,
    /// The other end sends nothing more.
    Closed,
}

/// Both directions of a connection.
pub(super) struct Records {
    sealer: Sealer,
    opener: Opener,
    kernel: Kernel,
    /// The beginning of a message of which more is to come.
    message: Vec<u8>,
    /// How many records in a row brought no data.
    fruitless: u8,
}

impl Records {
    pub(super) fn new(secrets: ExtractedSecrets, kernel: Kernel) -> Result<Self, Error> {
        let suite = kernel.suite();
        Ok(Self {
            sealer: Sealer::new(suite, secrets.tx)?,
            opener: Opener::new(suite, secrets.rx)?,
            kernel,
            message: Vec::new(),
            fruitless: 0,
        })
    }

    /// The length of the record that `bytes` begin with, its head included; `None` if it is not there to its end.
    pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, Error> {
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

    /// Decrypts a record, which must be complete, in its place. What is to be answered is put behind `replies`.
    pub(super) fn open<'a>(&mut self, record: &'a mut [u8], replies: &mut Vec<u8>) -> Result<Opened<'a>, Error> {
        let (kind, data) = self.opener.open(record)?;
        if kind == ContentType::ApplicationData && !data.is_empty() && self.message.is_empty() {
            self.fruitless = 0;
            return Ok(Opened::Data(data));
        }
        self.fruitless += 1;
        if self.fruitless > FRUITLESS_LIMIT {
            return Err(PeerMisbehaved::TooManyEmptyFragments.into());
        }
        if kind != ContentType::Handshake && !self.message.is_empty() {
            return Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into());
        }
        match kind {
            ContentType::ApplicationData => Ok(Opened::Nothing),
            ContentType::Alert => self.alerted(data),
            ContentType::Handshake if self.sealer.tls13 => self.messages(data, replies).map(|()| Opened::Nothing),
            ContentType::Handshake => self.refuse_renegotiation(data, replies).map(|()| Opened::Nothing),
            _ => Err(unexpected(kind)),
        }
    }

    fn alerted(&self, alert: &[u8]) -> Result<Opened<'static>, Error> {
        let &[level, description] = alert else {
            return Err(InvalidMessage::TrailingData("Alert").into());
        };
        let description = AlertDescription::from(description);
        match (level, description) {
            (WARNING | FATAL, AlertDescription::CloseNotify) => Ok(Opened::Closed),
            (WARNING, AlertDescription::UserCanceled) => Ok(Opened::Nothing),
            (WARNING, _) if !self.sealer.tls13 => Ok(Opened::Nothing),
            _ => Err(Error::AlertReceived(description)),
        }
    }

    /// Messages of TLS 1.3, whose borders need not be those of records.
    fn messages(&mut self, part: &[u8], replies: &mut Vec<u8>) -> Result<(), Error> {
        self.message.extend_from_slice(part);
        let all = std::mem::take(&mut self.message);
        let mut rest = all.as_slice();
        while let Some((&[kind, high, middle, low], behind)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > MESSAGE_LIMIT {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some((body, behind)) = behind.split_at_checked(length) else { break };
            rest = behind;
            match (kind, &mut self.kernel) {
                (KEY_UPDATE, _) => self.update_keys(body, rest, replies)?,
                (NEW_SESSION_TICKET, Kernel::Client(kernel)) => kernel.handle_new_session_ticket(body)?,
                _ => return Err(unexpected(ContentType::Handshake)),
            }
        }
        self.message = rest.to_vec();
        Ok(())
    }

    /// What follows comes with other keys; the other end may want the same of us.
    fn update_keys(&mut self, body: &[u8], behind: &[u8], replies: &mut Vec<u8>) -> Result<(), Error> {
        if !behind.is_empty() {
            return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
        }
        let &[wanted @ 0..=1] = body else {
            return Err(InvalidMessage::InvalidKeyUpdate.into());
        };
        self.opener = Opener::new(self.kernel.suite(), self.kernel.next_opening()?)?;
        if wanted == 1 {
            self.renew(replies)?;
        }
        Ok(())
    }

    /// TLS 1.2 knows handshakes on connections that have had one. Nobody needs them, and some attacks did.
    fn refuse_renegotiation(&mut self, message: &[u8], replies: &mut Vec<u8>) -> Result<(), Error> {
        match (message.first(), &self.kernel) {
            (Some(&HELLO_REQUEST), Kernel::Client(_)) | (Some(&CLIENT_HELLO), Kernel::Server(_)) => {
                self.seal_alert(WARNING, AlertDescription::NoRenegotiation, replies)
            }
            _ => Err(unexpected(ContentType::Handshake)),
        }
    }

    /// Encrypts up to [`DATA_LIMIT`] bytes of data into a record. New keys that have to be announced before are so
    /// behind `before`, which has to be sent first.
    pub(super) fn seal(&mut self, data: OutboundChunks<'_>, before: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.sealer.is_worn() {
            self.renew(before)?;
        }
        self.sealer.seal(ContentType::ApplicationData, data)
    }

    /// Announces new keys and takes them.
    fn renew(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if !self.sealer.tls13 {
            return Err(Error::EncryptError);
        }
        let update = self.sealer.seal(ContentType::Handshake, OutboundChunks::Single(&OWN_KEY_UPDATE))?;
        out.extend_from_slice(&update);
        self.sealer = Sealer::new(self.kernel.suite(), self.kernel.next_sealing()?)?;
        Ok(())
    }

    /// Puts the end of what is sent behind `out`.
    pub(super) fn seal_close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.seal_alert(WARNING, AlertDescription::CloseNotify, out)
    }

    /// Puts what tells the other end of an error behind `out`, if it is to be told.
    pub(super) fn seal_error(&mut self, error: &Error, out: &mut Vec<u8>) {
        let description = match error {
            Error::AlertReceived(_) => return,
            Error::DecryptError => AlertDescription::BadRecordMac,
            Error::PeerSentOversizedRecord | Error::InvalidMessage(InvalidMessage::MessageTooLarge) => {
                AlertDescription::RecordOverflow
            }
            Error::InvalidMessage(_) => AlertDescription::DecodeError,
            _ => AlertDescription::UnexpectedMessage,
        };
        // There is an error already, and the connection ends with it.
        drop(self.seal_alert(FATAL, description, out));
    }

    fn seal_alert(&mut self, level: u8, description: AlertDescription, out: &mut Vec<u8>) -> Result<(), Error> {
        let alert = [level, description.into()];
        out.extend_from_slice(&self.sealer.seal(ContentType::Alert, OutboundChunks::Single(&alert))?);
        Ok(())
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("suite", &self.kernel.suite()).finish_non_exhaustive()
    }
}

fn unexpected(kind: ContentType) -> Error {
    Error::InappropriateMessage { expect_types: vec![ContentType::ApplicationData], got_type: kind }
}

/// One direction: what we send.
struct Sealer {
    cipher: Box<dyn MessageEncrypter>,
    next: u64,
    /// How many records the keys are good for.
    limit: u64,
    tls13: bool,
}

impl Sealer {
    fn new(suite: SupportedCipherSuite, (next, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Error> {
        let (key, iv) = key_and_iv(secrets)?;
        let (mut cipher, limit, tls13) = match suite {
            SupportedCipherSuite::Tls13(suite) => {
                (suite.aead_alg.encrypter(key, iv), suite.common.confidentiality_limit, true)
            }
            SupportedCipherSuite::Tls12(suite) => {
                let (fixed, explicit) = iv.as_ref().split_at(suite.aead_alg.key_block_shape().fixed_iv_len);
                (suite.aead_alg.encrypter(key, fixed, explicit), suite.common.confidentiality_limit, false)
            }
        };
        if next > 0 {
            // The cipher makes sure of ever greater numbers and takes the first it sees for 0. This one is not sent.
            cipher.encrypt(message(ContentType::ApplicationData, OutboundChunks::new_empty()), 0)?;
        }
        Ok(Self { cipher, next, limit, tls13 })
    }

    /// Whether only one more record can be sealed with these keys.
    fn is_worn(&self) -> bool {
        self.next.saturating_add(1) >= self.limit
    }

    fn seal(&mut self, kind: ContentType, payload: OutboundChunks<'_>) -> Result<Vec<u8>, Error> {
        if self.next >= self.limit {
            return Err(Error::EncryptError);
        }
        let record = self.cipher.encrypt(message(kind, payload), self.next)?;
        self.next += 1;
        Ok(record.encode())
    }
}

fn message(kind: ContentType, payload: OutboundChunks<'_>) -> OutboundPlainMessage<'_> {
    OutboundPlainMessage { typ: kind, version: ProtocolVersion::TLSv1_2, payload }
}

/// The other direction: what we get.
struct Opener {
    cipher: Box<dyn MessageDecrypter>,
    next: u64,
    tls13: bool,
}

impl Opener {
    fn new(suite: SupportedCipherSuite, (next, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Error> {
        let (key, iv) = key_and_iv(secrets)?;
        Ok(match suite {
            SupportedCipherSuite::Tls13(suite) => Self { cipher: suite.aead_alg.decrypter(key, iv), next, tls13: true },
            SupportedCipherSuite::Tls12(suite) => {
                let fixed = &iv.as_ref()[..suite.aead_alg.key_block_shape().fixed_iv_len];
                Self { cipher: suite.aead_alg.decrypter(key, fixed), next, tls13: false }
            }
        })
    }

    fn open<'a>(&mut self, record: &'a mut [u8]) -> Result<(ContentType, &'a [u8]), Error> {
        let Some((&mut [kind, ..], payload)) = record.split_first_chunk_mut::<HEAD>() else {
            return Err(InvalidMessage::MessageTooShort.into());
        };
        let kind = ContentType::from(kind);
        // All of TLS 1.3 looks like data from outside.
        if self.tls13 && kind != ContentType::ApplicationData {
            return Err(unexpected(kind));
        }
        let opaque = InboundOpaqueMessage::new(kind, ProtocolVersion::TLSv1_2, payload);
        let opened = self.cipher.decrypt(opaque, self.next)?;
        self.next += 1;
        Ok((opened.typ, opened.payload))
    }
}

fn key_and_iv(secrets: ConnectionTrafficSecrets) -> Result<(AeadKey, Iv), Error> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(Error::General("a cipher whose keys are of a kind unknown".to_owned())),
    }
}

#[cfg(test)]
mod tests;
