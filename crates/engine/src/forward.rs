//! What can go wrong between a request and its response, and how long things may take.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::channel::BodyError;
use crate::headers::Names;
use crate::http1::{self, BadResponse};
use crate::message::{Method, RequestHead};

/// How long an upstream may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Connecting, with the TLS handshake.
    pub connect: Duration,
    /// Between two writes of the request.
    pub write: Duration,
    /// Between two reads of the response.
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { connect: minute, write: minute, read: minute }
    }
}

/// The head of a request on its way up. It is asked to write itself once an attempt, straight into what is sent.
pub trait Outgoing {
    /// The method.
    fn method(&self) -> &Method;

    /// Appends the target.
    fn write_target(&self, out: &mut Vec<u8>);

    /// Appends the fields as lines: among them `Host`, `Connection`, `length` as the only `Content-Length`, and an
    /// `Upgrade` that asks for another protocol. `Transfer-Encoding` is the engine's, and `Expect` has been answered.
    fn write_fields(&self, length: Option<u64>, out: &mut Vec<u8>);
}

impl Outgoing for RequestHead {
    fn method(&self) -> &Method {
        &self.method
    }

    fn write_target(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.target);
    }

    /// As they are; [`Outgoing`]'s own come last.
    fn write_fields(&self, length: Option<u64>, out: &mut Vec<u8>) {
        const OWN: Names = Names::new(&["Connection", "Content-Length", "Expect", "Keep-Alive", "Transfer-Encoding"]);
        self.headers.write_without(&OWN, out);
        let connection = if self.headers.contains("upgrade") { "keep-alive, Upgrade" } else { "keep-alive" };
        http1::write_field("Connection", connection, out);
        if let Some(length) = length {
            http1::write_length(length, out);
        }
    }
}

/// What is sent as the request's body.
#[derive(Clone, Copy, Debug)]
pub enum Upload<'a> {
    /// None.
    None,
    /// The client's: what was buffered of it, then the rest as it comes. Its framing is the client's, but with a
    /// length if all of it was buffered.
    Client,
    /// This.
    Bytes(&'a [u8]),
}

/// A request got no response, or the response did not get through.
#[derive(Debug)]
pub struct ForwardError {
    /// What was being done.
    pub stage: Stage,
    /// What happened.
    pub kind: Kind,
    /// Whether the upstream may have got some of the request.
    pub request_sent: bool,
    /// Whether body was used up that was not buffered, so that the request cannot be sent again.
    pub body_consumed: bool,
    /// The error below, if there is one.
    pub source: Option<io::Error>,
}

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Connecting, or the TLS handshake.
    Connect,
    /// Sending the request.
    Send,
    /// Waiting for the response's head, or reading it or its body.
    Receive,
    /// Reading the client's body, or writing to the client.
    Client,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It took too long.
    Timeout,
    /// Nobody listens.
    Refused,
    /// The other end reset or closed the connection.
    Closed,
    /// There is no way there.
    Unreachable,
    /// TLS could not be agreed on.
    Tls,
    /// The other end broke the protocol.
    BadMessage,
    /// Something else.
    Other,
}

impl ForwardError {
    // These are not called on the way of a usual request: compilers put what leads to them out of its way.

    #[cold]
    pub(crate) fn new(stage: Stage, kind: Kind, source: Option<io::Error>) -> Self {
        Self { stage, kind, request_sent: false, body_consumed: false, source }
    }

    #[cold]
    pub(crate) fn connect(error: io::Error) -> Self {
        Self::io(Stage::Connect, error)
    }

    #[cold]
    pub(crate) fn io(stage: Stage, error: io::Error) -> Self {
        Self::new(stage, Kind::of(&error), Some(error))
    }

    #[cold]
    pub(crate) fn body(stage: Stage, error: BodyError) -> Self {
        match error {
            BodyError::Io(error) => Self::io(stage, error),
            BodyError::Timeout => Self::new(stage, Kind::Timeout, None),
            BodyError::Malformed(http1::BadBody::Truncated) => Self::new(stage, Kind::Closed, None),
            error => Self::new(stage, Kind::BadMessage, Some(io::Error::other(error))),
        }
    }

    #[cold]
    pub(crate) fn bad_response(error: BadResponse) -> Self {
        Self::new(Stage::Receive, Kind::BadMessage, Some(io::Error::other(error)))
    }
}

impl Kind {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Of;
        match error.kind() {
            Of::TimedOut => Self::Timeout,
            Of::ConnectionRefused => Self::Refused,
            Of::ConnectionReset | Of::ConnectionAborted | Of::BrokenPipe | Of::UnexpectedEof | Of::WriteZero => {
                Self::Closed
            }
            Of::HostUnreachable | Of::NetworkUnreachable | Of::AddrNotAvailable => Self::Unreachable,
            Of::InvalidData if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Self::Tls,
            Of::InvalidData => Self::BadMessage,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Connect => "connecting to the upstream",
            Stage::Send => "sending the request",
            Stage::Receive => "receiving the response",
            Stage::Client => "serving the client",
        };
        let kind = match self.kind {
            Kind::Timeout => "timed out",
            Kind::Refused => "connection refused",
            Kind::Closed => "connection closed",
            Kind::Unreachable => "unreachable",
            Kind::Tls => "TLS failed",
            Kind::BadMessage => "protocol broken",
            Kind::Other => "failed",
        };
        write!(f, "{stage}: {kind}")
    }
}

impl std::error::Error for ForwardError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
