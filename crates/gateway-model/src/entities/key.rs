//! Keys and sets of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::entity::EntitySchema;
use crate::schema::value::is_reference;
use crate::schema::{Document, EntityCheck, EntityError, Field, OnDelete, Schema};
use crate::types;

pub(super) fn key_sets() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        Field::string("name").optional().unique().description("The name to associate with the given key-set."),
        types::tags(),
        types::created_at(),
        types::updated_at(),
    ]);
    EntitySchema::new("key_sets", schema).admin_name("key-sets").endpoint_key("name").cache_key(&["name"])
}

pub(super) fn keys() -> EntitySchema {
    let pem = Schema::record([
        Field::string("private_key").referenceable().encrypted(),
        Field::string("public_key").referenceable(),
    ])
    .check(EntityCheck::at_least_one_of(["private_key", "public_key"]));
    let schema = Schema::record([
        types::id(),
        Field::foreign("set", "key_sets").optional().on_delete(OnDelete::Cascade),
        Field::string("name").optional().unique(),
        Field::string("kid").required(),
        Field::string("jwk").referenceable().encrypted(),
        Field::record("pem", pem).custom(check_pem),
        types::tags(),
        types::created_at(),
        types::updated_at(),
    ])
    .check(EntityCheck::mutually_exclusive(["jwk", "pem"]))
    .check(EntityCheck::at_least_one_of(["jwk", "pem"]))
    .check(EntityCheck::custom(["jwk", "pem", "kid"], check_jwk));
    EntitySchema::new("keys", schema).endpoint_key("name").cache_key(&["kid", "set"]).unique_together(&["kid", "set"])
}

fn check_pem(pem: &Value) -> Result<(), String> {
    let text = |name| pem.get(name).and_then(Value::as_str);
    let (public, private) = (text("public_key"), text("private_key"));
    // What a vault holds is not known here, and then neither half is looked at.
    if [public, private].into_iter().flatten().any(is_reference) {
        return Ok(());
    }
    if public.is_some_and(|key| !types::is_public_key(key)) {
        return Err("could not load public key".to_owned());
    }
    if private.is_some_and(|key| types::private_key(key).is_none()) {
        return Err(format!("could not load private key{}", types::NO_KEY));
    }
    match public.zip(private).and_then(|(public, private)| types::is_pair(public, private)) {
        Some(false) => Err("public key does not match private key".to_owned()),
        _ => Ok(()),
    }
}

fn check_jwk(fields: &dyn Document) -> Result<(), EntityError> {
    let Some(text) = fields.get("jwk").and_then(Value::as_str) else { return Ok(()) };
    let Ok(jwk) = serde_json::from_str::<Value>(text) else {
        return Err("could not json decode jwk string".into());
    };
    if jwk.get("kid") != fields.get("kid") {
        return Err("kid in jwk.kid must be equal to keys.kid".into());
    }
    if is_key(&jwk) { Ok(()) } else { Err("could not load JWK, likely not a valid key".into()) }
}

/// Whether a JWK has the members of its type, with values of the right size. Symmetric keys are none here.
fn is_key(jwk: &Value) -> bool {
    let bytes = |name: &str| {
        let text = jwk.get(name).and_then(Value::as_str)?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(|bytes| !bytes.is_empty())
    };
    let sized = |name: &str, len: usize| bytes(name).is_some_and(|bytes| bytes.len() == len);
    let curve = jwk.get("crv").and_then(Value::as_str).unwrap_or_default();
    match jwk.get("kty").and_then(Value::as_str) {
        Some("RSA") => bytes("n").is_some() && bytes("e").is_some(),
        Some("EC") => {
            let len = match curve {
                "P-256" => 32,
                "P-384" => 48,
                "P-521" => 66,
                _ => return false,
            };
            sized("x", len) && sized("y", len)
        }
        Some("OKP") => match curve {
            "Ed25519" | "X25519" => sized("x", 32),
            "Ed448" => sized("x", 57),
            "X448" => sized("x", 56),
            _ => false,
        },
        _ => false,
    }
}
