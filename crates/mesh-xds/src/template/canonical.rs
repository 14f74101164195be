//! An encoding with sorted maps: versions are hashes of encodings, and must not change when nothing did.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use prost_types::Any;

/// The message inside, if its type is known and it is well formed.
pub(super) fn content(pool: &DescriptorPool, any: &Any) -> Option<DynamicMessage> {
    let name = any.type_url.rsplit('/').next()?;
    DynamicMessage::decode(pool.get_message_by_name(name)?, any.value.as_slice()).ok()
}

/// The encoding of `message` with maps sorted by key, also inside of packed messages.
pub(super) fn encode(message: &DynamicMessage) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, value) in message.fields() {
        match value {
            Value::Map(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    write(&field, &encode(&map_entry(&field, key, value)), &mut out);
                }
            }
            Value::Message(inner) => write(&field, &nested(inner), &mut out),
            Value::List(items) if matches!(field.kind(), Kind::Message(_)) => {
                for inner in items.iter().filter_map(Value::as_message) {
                    write(&field, &nested(inner), &mut out);
                }
            }
            plain => {
                let mut alone = DynamicMessage::new(message.descriptor());
                alone.set_field(&field, plain.clone());
                out.extend(alone.encode_to_vec());
            }
        }
    }
    out
}

fn nested(message: &DynamicMessage) -> Vec<u8> {
    let packed = || {
        let mut any: Any = (message.descriptor().full_name() == "google.protobuf.Any")
            .then(|| message.transcode_to().expect("it is of that type"))?;
        any.value = encode(&content(message.descriptor().parent_pool(), &any)?);
        Some(any.encode_to_vec())
    };
    packed().unwrap_or_else(|| encode(message))
}

fn map_entry(field: &FieldDescriptor, key: &MapKey, value: &Value) -> DynamicMessage {
    let Kind::Message(descriptor) = field.kind() else { unreachable!("a map is a list of entries") };
    let mut entry = DynamicMessage::new(descriptor);
    entry.set_field_by_number(1, key.clone().into());
    entry.set_field_by_number(2, value.clone());
    entry
}

fn write(field: &FieldDescriptor, content: &[u8], out: &mut Vec<u8>) {
    encode_key(field.number(), WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}
