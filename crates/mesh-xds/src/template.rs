//! Users' own Envoy resources, out of a ProxyTemplate.

mod canonical;
mod merge;
mod modification;
mod v2;

pub(crate) use modification::apply;

use std::sync::LazyLock;

use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::Any;
use proto::{Resource, TypeUrl, Version};
use serde_json::Value;

/// Longest text of one resource, in bytes.
const LONGEST: usize = 1 << 20;

/// Reads a resource: YAML or JSON of a message with `@type`. The error names the line where that is known.
pub(crate) fn resource(text: &str) -> Result<Resource, String> {
    if text.len() > LONGEST {
        return Err(format!("must not be longer than {LONGEST} bytes"));
    }
    let message = Parsed::read(text)?;
    let kind = TypeUrl::parse(&message.any.type_url).ok_or_else(|| {
        let served = TypeUrl::ALL.map(TypeUrl::as_str).join(", ");
        format!("@type: {} is not served to proxies; use one of {served}", message.any.type_url)
    })?;
    let field = if kind == TypeUrl::Endpoint { "cluster_name" } else { "name" };
    let name = message.content()?.get_field_by_name(field).and_then(|name| name.as_str().map(str::to_owned));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| format!("{field}: must be set"))?;
    let value = Bytes::from(message.canonical()?);
    Ok(Resource { kind, name: name.into(), version: Version::of(&value), value })
}

/// Reads a message of a known type.
fn message(type_name: &str, text: &str) -> Result<DynamicMessage, String> {
    if text.len() > LONGEST {
        return Err(format!("must not be longer than {LONGEST} bytes"));
    }
    let text = v2::type_names(text);
    let read = |pool: &DescriptorPool| {
        let descriptor = pool.get_message_by_name(type_name).expect("every pool has it");
        DynamicMessage::deserialize(descriptor, serde_norway::Deserializer::from_str(&text))
            .map_err(|error| located(error.to_string(), &text))
    };
    read(&SUBSET).or_else(|error| if error.contains("not found") { read(&ALL) } else { Err(error) })
}

/// A message of any type, and the pool that knows it and what it contains.
#[derive(Debug)]
struct Parsed {
    any: Any,
    pool: &'static DescriptorPool,
}

impl Parsed {
    fn read(text: &str) -> Result<Self, String> {
        let text = v2::type_names(text);
        let error = match Self::decode(|| serde_norway::Deserializer::from_str(&text)) {
            Ok(parsed) => return Ok(parsed),
            Err(error) => error,
        };
        let mut value: Value = serde_norway::from_str(&text).map_err(|error| error.to_string())?;
        // Lines are lost on this way, so that the first error is the better one for what is not old.
        if !v2::reshape(&mut value) {
            return Err(located(error.to_string(), &text));
        }
        Self::decode(|| value.clone()).map_err(|error| error.to_string())
    }

    fn decode<'de, D: serde::Deserializer<'de>>(input: impl Fn() -> D) -> Result<Self, D::Error> {
        let error = match Self::decode_with(&SUBSET, input()) {
            Ok(parsed) => return Ok(parsed),
            Err(error) => error,
        };
        if error.to_string().contains("not found") { Self::decode_with(&ALL, input()) } else { Err(error) }
    }

    fn decode_with<'de, D: serde::Deserializer<'de>>(
        pool: &'static DescriptorPool,
        input: D,
    ) -> Result<Self, D::Error> {
        let any = pool.get_message_by_name("google.protobuf.Any").expect("every pool has it");
        let message = DynamicMessage::deserialize(any, input)?;
        let any = message.transcode_to().expect("it is of that type");
        Ok(Self { any, pool })
    }

    fn content(&self) -> Result<DynamicMessage, String> {
        canonical::content(self.pool, &self.any).ok_or_else(|| format!("@type: {} is unknown", self.any.type_url))
    }

    fn canonical(&self) -> Result<Vec<u8>, String> {
        Ok(canonical::encode(&self.content()?))
    }
}

/// The parser knows no place within the outermost level: there the word at fault is looked up.
fn located(error: String, text: &str) -> String {
    let word = error.split('\'').nth(1).filter(|word| !word.is_empty() && !error.contains(" at line "));
    match word.and_then(|word| text.lines().position(|line| line.contains(word))) {
        Some(index) => format!("{error} at line {}", index + 1),
        None => error,
    }
}

/// What the product itself speaks.
static SUBSET: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).expect("made by the build"));

/// All that Envoy speaks.
static ALL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::ALL_DESCRIPTORS).expect("made by the build"));

#[cfg(test)]
mod tests;
