//! Certificates, their keys and authorities.

use gateway_model::entities::RouterFlavor;
use gateway_model::error::Fields;
use gateway_model::registry::Registry;
use gateway_model::schema::Source;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd};
use serde_json::{Value, json};

/// The middle of 2030.
struct Later;

impl Source for Later {
    fn now_ms(&mut self) -> u64 {
        1_909_000_000_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(1);
    }
}

fn insert(entity: &str, document: Value) -> Result<Fields, String> {
    let registry = Registry::new(RouterFlavor::default(), []);
    let Value::Object(document) = document else { panic!("not an object: {document}") };
    let entity = registry.entity(entity).expect("the kind exists");
    entity.insert(document, &mut Later).map_err(|error| error.message())
}

fn pair(
    algorithm: &'static rcgen::SignatureAlgorithm,
    change: impl FnOnce(&mut CertificateParams),
) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).expect("keys can be generated");
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).expect("a valid name");
    params.not_after = date_time_ymd(2040, 1, 1);
    change(&mut params);
    (params.self_signed(&key).expect("certificates can be signed").pem(), key.serialize_pem())
}

fn plain(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    pair(algorithm, |_| ())
}

fn authority(year: i32) -> String {
    let make = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(year, 1, 1);
    };
    pair(&PKCS_ECDSA_P256_SHA256, make).0
}

#[test]
fn keys_belong_to_their_certificates() {
    let (cert, key) = plain(&PKCS_ECDSA_P256_SHA256);
    let (other, other_key) = plain(&PKCS_ED25519);
    assert!(insert("certificates", json!({"cert": cert, "key": key})).is_ok());
    assert_eq!(
        insert("certificates", json!({"cert": cert, "key": other_key})),
        Err("schema violation (certificate does not match key)".to_owned())
    );
    let two = json!({"cert": cert, "key": key, "cert_alt": other, "key_alt": other_key});
    assert!(insert("certificates", two).is_ok());
    assert_eq!(
        insert("certificates", json!({"cert": cert, "key": key, "cert_alt": other, "key_alt": key})),
        Err("schema violation (alternative certificate does not match key)".to_owned())
    );
}

#[test]
fn the_second_certificate_is_of_another_type() {
    let (cert, key) = plain(&PKCS_ECDSA_P256_SHA256);
    let (same, same_key) = plain(&PKCS_ECDSA_P256_SHA256);
    let error = insert("certificates", json!({"cert": cert, "key": key, "cert_alt": same, "key_alt": same_key}));
    assert!(error.expect_err("two of a type").contains("need to have different type"));
}

#[test]
fn references_to_vaults_are_taken_as_they_are() {
    let (cert, _) = plain(&PKCS_ED25519);
    let stored = insert("certificates", json!({"cert": cert, "key": "{vault://env/my-key}"})).expect("a reference");
    assert_eq!(stored["key"], "{vault://env/my-key}");
}

#[test]
fn authorities_are_known_by_a_digest() {
    let stored = insert("ca_certificates", json!({"cert": authority(2040)})).expect("an authority");
    let digest = stored["cert_digest"].as_str().expect("digests are strings");
    assert_eq!(digest.len(), 64);
    let (leaf, _) = plain(&PKCS_ED25519);
    assert_eq!(
        insert("ca_certificates", json!({"cert": leaf})),
        Err("schema violation (certificate does not appear to be a CA because it is missing the \"CA\" basic \
             constraint)"
            .to_owned())
    );
    assert_eq!(
        insert("ca_certificates", json!({"cert": authority(2029)})),
        Err("schema violation (certificate expired, \"Not After\" time is in the past)".to_owned())
    );
    let two = authority(2040) + &authority(2040);
    assert_eq!(
        insert("ca_certificates", json!({"cert": two})),
        Err("schema violation (please submit only one certificate at a time)".to_owned())
    );
}

#[test]
fn keys_come_as_pem_or_as_jwk() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("keys can be generated");
    let pem = json!({"private_key": key.serialize_pem(), "public_key": key.public_key_pem()});
    assert!(insert("keys", json!({"kid": "a", "pem": pem})).is_ok());
    let other = KeyPair::generate_for(&PKCS_ED25519).expect("keys can be generated");
    let mixed = json!({"private_key": other.serialize_pem(), "public_key": key.public_key_pem()});
    assert_eq!(
        insert("keys", json!({"kid": "a", "pem": mixed})),
        Err("schema violation (pem: public key does not match private key)".to_owned())
    );
    let jwk = |text: &str| insert("keys", json!({"kid": "a", "jwk": text})).map(drop);
    let fails = |text: &str| Err(format!("schema violation ({text})"));
    assert_eq!(jwk("{bad"), fails("could not json decode jwk string"));
    assert_eq!(jwk(r#"{"kid":"b"}"#), fails("kid in jwk.kid must be equal to keys.kid"));
    assert_eq!(jwk(r#"{"kid":"a","kty":"oct","k":"AAAA"}"#), fails("could not load JWK, likely not a valid key"));
    assert_eq!(jwk(r#"{"kid":"a","kty":"RSA","n":"AQAB","e":"AQAB"}"#), Ok(()));
}
