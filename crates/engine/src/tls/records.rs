//! The records of an established connection: data, and the few messages that can follow a handshake. Knows nothing of
//! sockets.

use std::fmt;

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ExtractedSecrets, InvalidMessage, PeerMisbehaved,
    SupportedCipherSuite,
};

use super::cipher::{Cipher, Content, OVERHEAD, Slices, unexpected};

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
    Data(Content<'a>),
    /// Something that is dealt with.
    Nothing,
    /// The other end sends nothing more.
    Closed,
}

/// Both directions of a connection.
pub(super) struct Records {
    sealer: Cipher,
    opener: Cipher,
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
            sealer: Cipher::new(suite, secrets.tx)?,
            opener: Cipher::new(suite, secrets.rx)?,
            kernel,
            message: Vec::new(),
            fruitless: 0,
        })
    }

    /// Opens a record, which must be complete, into `room` or in its place. What is to be answered is put behind
    /// `replies`.
    pub(super) fn open<'a>(
        &mut self,
        record: &'a mut [u8],
        room: &'a mut [u8],
        replies: &mut Vec<u8>,
    ) -> Result<Opened<'a>, Error> {
        let (kind, content) = self.opener.open(record, room)?;
        let data = content.bytes();
        if kind == ContentType::ApplicationData && !data.is_empty() && self.message.is_empty() {
            self.fruitless = 0;
            return Ok(Opened::Data(content));
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
            ContentType::Handshake if self.sealer.is_tls13() => self.messages(data, replies).map(|()| Opened::Nothing),
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
            (WARNING, _) if !self.sealer.is_tls13() => Ok(Opened::Nothing),
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
        self.opener = Cipher::new(self.kernel.suite(), self.kernel.next_opening()?)?;
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

    /// Takes new keys if there is only one record left to be sealed with the old ones, and puts their announcement
    /// behind `out`.
    pub(super) fn refresh(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.is_worn() { self.renew(out) } else { Ok(()) }
    }

    /// Whether [`Self::refresh`] would take new keys.
    pub(super) fn is_worn(&self) -> bool {
        self.sealer.is_worn()
    }

    /// Seals `length` bytes from the front of `data` into a record at the front of `out`; its length.
    pub(super) fn seal(&mut self, data: &mut Slices<'_>, length: usize, out: &mut [u8]) -> Result<usize, Error> {
        self.sealer.seal(ContentType::ApplicationData, data, length, out)
    }

    /// Announces new keys and takes them.
    fn renew(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if !self.sealer.is_tls13() {
            return Err(Error::EncryptError);
        }
        self.seal_behind(ContentType::Handshake, &OWN_KEY_UPDATE, out)?;
        self.sealer = Cipher::new(self.kernel.suite(), self.kernel.next_sealing()?)?;
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
        self.seal_behind(ContentType::Alert, &[level, description.into()], out)
    }

    fn seal_behind(&mut self, kind: ContentType, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut record = [0; 8 + OVERHEAD];
        let length = self.sealer.seal(kind, &mut Slices::one(message), message.len(), &mut record)?;
        out.extend_from_slice(&record[..length]);
        Ok(())
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("suite", &self.kernel.suite()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
