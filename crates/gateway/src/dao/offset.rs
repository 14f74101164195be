//! Where the next page of a list begins, as clients are told.
//!
//! With a database it is the id of the last document. Without one it is the place of that document among all, as in the
//! reference, whose clients may have kept it: kind, workspace and id.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gateway_model::error::DaoError;
use serde_json::{Value, json};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The only workspace there is, and all of it.
const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b|*";

pub(super) fn write(id: &str) -> String {
    encode(&json!([id]))
}

pub(super) fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

pub(super) fn read(offset: &str) -> Result<String, DaoError> {
    match decode(offset)?.get(0) {
        Some(Value::String(id)) => Ok(id.clone()),
        _ => Err(invalid(offset, "bad offset string")),
    }
}

pub(super) fn decode(offset: &str) -> Result<Value, DaoError> {
    serde_json::from_slice(&bytes(offset)?).map_err(|_| invalid(offset, "bad json encoding"))
}

/// Of a node without a database.
pub(super) fn write_in_one_kind(kind: &str, id: &str) -> String {
    BASE64.encode(format!("{kind}|{WORKSPACE}|{id}\0"))
}

/// The id in an offset of a node without a database; none when it is about something else.
pub(super) fn read_in_one_kind(offset: &str, kind: &str) -> Result<Option<String>, DaoError> {
    let place = String::from_utf8(bytes(offset)?).unwrap_or_default();
    let id = place.strip_prefix(kind).and_then(|rest| rest.strip_prefix('|')?.strip_prefix(WORKSPACE));
    Ok(id.and_then(|id| id.strip_prefix('|')).map(|id| id.trim_end_matches('\0').to_owned()))
}

pub(super) fn invalid(offset: &str, reason: &'static str) -> DaoError {
    DaoError::InvalidOffset { offset: offset.to_owned(), reason }
}

fn bytes(offset: &str) -> Result<Vec<u8>, DaoError> {
    BASE64.decode(offset).map_err(|_| invalid(offset, "bad base64 encoding"))
}
