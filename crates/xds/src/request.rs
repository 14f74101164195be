//! Discovery requests, read in place.
//!
//! An acknowledgement arrives for every response of every stream, and in the state-of-the-world protocol it
//! repeats all names. So requests borrow from the received bytes: the whole message is checked once, and
//! its repeated fields are walked when somebody asks.

use prost::encoding::{WireType, decode_key, decode_varint};
use proto::Version;

use crate::status::{Code, Status};

/// The longest resource name that is taken, in bytes.
pub const MAX_NAME: usize = 2048;

/// A checked `DeltaDiscoveryRequest`.
#[derive(Clone, Copy, Debug)]
pub struct DeltaRequest<'a> {
    body: &'a [u8],
    /// The encoded node; clients may send it in the first request only.
    pub node: Option<&'a [u8]>,
    /// What type is spoken of.
    pub type_url: &'a str,
    /// The response that is acknowledged or rejected; empty in a request that is neither.
    pub nonce: &'a str,
    /// The client's reason for rejecting.
    pub error: Option<&'a str>,
}

impl<'a> DeltaRequest<'a> {
    /// Checks and reads an encoded message.
    pub fn parse(body: &'a [u8]) -> Result<Self, Status> {
        let mut request = Self { body, node: None, type_url: "", nonce: "", error: None };
        for field in fields(body) {
            match field? {
                (1, Value::Bytes(node)) => request.node = Some(node),
                (2, Value::Bytes(url)) => request.type_url = text(url)?,
                (3 | 4, Value::Bytes(name)) => drop(resource_name(name)?),
                (5, Value::Bytes(entry)) => drop(map_entry(entry)?),
                (6, Value::Bytes(nonce)) => request.nonce = text(nonce)?,
                (7, Value::Bytes(detail)) => request.error = Some(rpc_message(detail)?),
                _ => {}
            }
        }
        Ok(request)
    }

    /// `resource_names_subscribe`
    pub fn subscribe(&self) -> impl Iterator<Item = &'a str> + Clone {
        names(self.body, 3)
    }

    /// `resource_names_unsubscribe`
    pub fn unsubscribe(&self) -> impl Iterator<Item = &'a str> + Clone {
        names(self.body, 4)
    }

    /// `initial_resource_versions`; the version is `None` when it is not one that this program gives.
    pub fn initial_versions(&self) -> impl Iterator<Item = (&'a str, Option<Version>)> {
        repeated(self.body, 5).filter_map(|entry| map_entry(entry).ok()).map(|(k, v)| (k, Version::parse(v)))
    }
}

/// A checked `DiscoveryRequest`.
#[derive(Clone, Copy, Debug)]
pub struct SotwRequest<'a> {
    body: &'a [u8],
    /// The encoded node; clients may send it in the first request only.
    pub node: Option<&'a [u8]>,
    /// What type is spoken of.
    pub type_url: &'a str,
    /// The response that this request follows; empty in the first request of a type.
    pub nonce: &'a str,
    /// The client's reason for rejecting that response.
    pub error: Option<&'a str>,
}

impl<'a> SotwRequest<'a> {
    /// Checks and reads an encoded message.
    pub fn parse(body: &'a [u8]) -> Result<Self, Status> {
        let mut request = Self { body, node: None, type_url: "", nonce: "", error: None };
        for field in fields(body) {
            match field? {
                (2, Value::Bytes(node)) => request.node = Some(node),
                (3, Value::Bytes(name)) => drop(resource_name(name)?),
                (4, Value::Bytes(url)) => request.type_url = text(url)?,
                (5, Value::Bytes(nonce)) => request.nonce = text(nonce)?,
                (6, Value::Bytes(detail)) => request.error = Some(rpc_message(detail)?),
                _ => {}
            }
        }
        Ok(request)
    }

    /// `resource_names`
    pub fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        names(self.body, 3)
    }
}

/// The id inside an encoded node.
pub(crate) fn node_id(node: &[u8]) -> Result<&str, Status> {
    let mut id = "";
    for field in fields(node) {
        if let (1, Value::Bytes(bytes)) = field? {
            id = text(bytes)?;
        }
    }
    Ok(id)
}

fn names(body: &[u8], number: u32) -> impl Iterator<Item = &str> + Clone {
    repeated(body, number).filter_map(|name| std::str::from_utf8(name).ok())
}

fn repeated(body: &[u8], number: u32) -> impl Iterator<Item = &[u8]> + Clone {
    fields(body).filter_map(move |field| match field {
        Ok((found, Value::Bytes(bytes))) if found == number => Some(bytes),
        _ => None,
    })
}

fn resource_name(bytes: &[u8]) -> Result<&str, Status> {
    if bytes.len() > MAX_NAME {
        return Err(invalid(format!("a resource name has {} bytes, at most {MAX_NAME} are allowed", bytes.len())));
    }
    text(bytes)
}

fn map_entry(entry: &[u8]) -> Result<(&str, &str), Status> {
    let (mut key, mut value) = ("", "");
    for field in fields(entry) {
        match field? {
            (1, Value::Bytes(bytes)) => key = resource_name(bytes)?,
            (2, Value::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The message of a `google.rpc.Status`.
fn rpc_message(status: &[u8]) -> Result<&str, Status> {
    let mut message = "";
    for field in fields(status) {
        if let (2, Value::Bytes(bytes)) = field? {
            message = text(bytes)?;
        }
    }
    Ok(message)
}

fn text(bytes: &[u8]) -> Result<&str, Status> {
    std::str::from_utf8(bytes).map_err(|_| invalid("a string in the discovery request is not UTF-8"))
}

fn invalid(message: impl Into<String>) -> Status {
    Status::new(Code::InvalidArgument, message)
}

/// A field's content, as far as these messages need it.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Other,
}

/// Walks the fields of a message; after an error the walk is over.
fn fields(body: &[u8]) -> Fields<'_> {
    Fields { rest: body }
}

#[derive(Clone, Debug)]
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Status>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or_else(|| invalid("the discovery request is not a valid protobuf message")))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let (number, wire_type) = decode_key(&mut self.rest).ok()?;
        let value = match wire_type {
            WireType::Varint => {
                decode_varint(&mut self.rest).ok()?;
                Value::Other
            }
            WireType::SixtyFourBit => self.take(8).map(|_| Value::Other)?,
            WireType::ThirtyTwoBit => self.take(4).map(|_| Value::Other)?,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.rest).ok()?;
                Value::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        Some((number, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
