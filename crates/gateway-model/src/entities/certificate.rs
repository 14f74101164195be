//! Certificates, the names they are served for, and certificate authorities.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::entity::{EntitySchema, Transformation};
use crate::schema::{Document, EntityCheck, EntityError, Field, Schema};
use crate::types::{self, certificates_in, parse_certificate, private_key, public_key_of};

type Fields = Map<String, Value>;

pub(super) fn certificates() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::updated_at(),
        types::certificate("cert").required().referenceable(),
        types::key("key").required().referenceable().encrypted(),
        types::certificate("cert_alt").referenceable(),
        types::key("key_alt").referenceable().encrypted(),
        types::tags(),
    ])
    .check(EntityCheck::mutually_required(["cert_alt", "key_alt"]))
    .check(EntityCheck::custom(["cert", "key"], |fields| {
        check_pair(fields, "cert", "key", "certificate does not match key")
    }))
    .check(EntityCheck::custom(["cert_alt", "key_alt"], |fields| {
        check_pair(fields, "cert_alt", "key_alt", "alternative certificate does not match key")
    }))
    .check(EntityCheck::custom(["cert", "cert_alt"], check_types));
    EntitySchema::new("certificates", schema).form_field(Field::array("snis", types::wildcard_sni("")))
}

/// A certificate and a key belong together. Keys of a kind that is not used for TLS are let through.
fn check_pair(fields: &dyn Document, cert: &str, key: &str, err: &str) -> Result<(), EntityError> {
    let (Some(cert), Some(key)) = (text(fields, cert), text(fields, key)) else { return Ok(()) };
    let in_cert = parse_certificate(cert, |cert| cert.public_key().raw.to_vec());
    let of_key = private_key(key).as_ref().and_then(public_key_of);
    match (in_cert, of_key) {
        (Some(in_cert), Some(of_key)) if in_cert != of_key => Err(err.into()),
        _ => Ok(()),
    }
}

/// The second certificate is there for clients that do not know the first one's type.
fn check_types(fields: &dyn Document) -> Result<(), EntityError> {
    let kind = |name| {
        text(fields, name)
            .and_then(|pem| parse_certificate(pem, |cert| cert.public_key().algorithm.algorithm.to_id_string()))
    };
    match (kind("cert"), kind("cert_alt")) {
        (Some(one), Some(other)) if one == other => Err("certificate and alternative certificate need to have \
             different type (e.g. RSA and ECDSA), the provided certificates were both of the same type"
            .into()),
        _ => Ok(()),
    }
}

fn text<'a>(fields: &'a dyn Document, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

pub(super) fn snis() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::wildcard_sni("name").required().unique_everywhere(),
        types::created_at(),
        types::updated_at(),
        types::tags(),
        Field::foreign("certificate", "certificates")
            .required()
            .description("The id (a UUID) of the certificate with which to associate the SNI hostname."),
    ]);
    EntitySchema::new("snis", schema).endpoint_key("name").cache_key(&["name"])
}

pub(super) fn ca_certificates() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::updated_at(),
        types::certificate("cert").required(),
        Field::string("cert_digest").unique(),
        types::tags(),
    ])
    .check(EntityCheck::custom(["cert"], check_authority));
    EntitySchema::new("ca_certificates", schema).transformation(Transformation {
        input: &["cert"],
        needs: &[],
        on_write: digest,
    })
}

/// One certificate, of an authority, that has not expired at the time of the write.
fn check_authority(fields: &dyn Document) -> Result<(), EntityError> {
    let Some(pem) = text(fields, "cert") else { return Ok(()) };
    if certificates_in(pem) > 1 {
        return Err("please submit only one certificate at a time".into());
    }
    let read = parse_certificate(pem, |cert| {
        let is_ca = matches!(cert.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca);
        (is_ca, cert.validity().not_after.timestamp())
    });
    let Some((is_ca, not_after)) = read else { return Ok(()) };
    if fields.get("updated_at").and_then(Value::as_i64).is_some_and(|now| not_after < now) {
        return Err("certificate expired, \"Not After\" time is in the past".into());
    }
    if !is_ca {
        return Err("certificate does not appear to be a CA because it is missing the \"CA\" basic constraint".into());
    }
    Ok(())
}

fn digest(fields: &Fields) -> Fields {
    let pem = text(fields, "cert").unwrap_or_default();
    let Some(der) = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).next().and_then(Result::ok) else {
        return Fields::new();
    };
    let digest: String = Sha256::digest(&der.contents).iter().map(|byte| format!("{byte:02x}")).collect();
    Fields::from_iter([("cert_digest".to_owned(), Value::from(digest))])
}
