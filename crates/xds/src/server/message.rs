//! gRPC messages out of a request body.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body as _;

use crate::frame::PREFIX;
use crate::status::{Code, Status};

/// The largest request, in bytes. A request of 50 000 names of 80 bytes fits.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The messages of one request body.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    /// Received and not yet taken; empty between requests.
    buffer: Bytes,
}

impl Messages {
    pub(super) fn new(body: Body) -> Self {
        Self { body, buffer: Bytes::new() }
    }

    /// The next message, or nothing when the client is done. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Status::new(Code::InvalidArgument, "the request stream ends inside a message")),
                Some(Err(error)) => {
                    return Err(Status::new(Code::Unavailable, format!("the request stream broke: {error}")));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.append(data);
                    }
                }
            }
        }
    }

    fn append(&mut self, data: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = data;
            return;
        }
        // Without a copy of what was there: nobody else holds it.
        let mut joined = BytesMut::from(std::mem::take(&mut self.buffer));
        joined.extend_from_slice(&data);
        self.buffer = joined.freeze();
    }

    fn take(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((&[compressed, a, b, c, d], rest)) = self.buffer.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        if compressed != 0 {
            return Err(Status::new(Code::Unimplemented, "compressed requests are not supported: send them plain"));
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > MAX_MESSAGE {
            let message = format!("a discovery request has {length} bytes, at most {MAX_MESSAGE} are allowed");
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length)))
    }
}
