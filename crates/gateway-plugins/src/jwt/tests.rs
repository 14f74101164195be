use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use gateway_proxy::pdk::Content;
use serde_json::{Value, json};

use super::{COLLECTION, Jwt};
use crate::testing::{Lab, configuration, shown, write};

/// 2026-01-02T03:04:05Z
const NOW: i64 = 1_767_323_045;

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.consumer("bob");
    lab.consumer("anon");
    for algorithm in ["HS256", "HS384", "HS512"] {
        let document = json!({ "id": algorithm, "key": algorithm, "secret": "js", "algorithm": algorithm });
        lab.credential(&Jwt, COLLECTION, "bob", document);
    }
    let orphan = json!({ "id": "orphan", "key": "orphan", "secret": "js", "algorithm": "HS256" });
    lab.credential(&Jwt, COLLECTION, "nobody", orphan);
    lab
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token signed with the secret `js`.
fn token(header: &Value, claims: &Value) -> String {
    use aws_lc_rs::hmac;
    let kind = match header["alg"].as_str() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = hmac::sign(&hmac::Key::new(kind, b"js"), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn hs256(claims: &Value) -> String {
    token(&json!({ "alg": "HS256" }), claims)
}

/// What a request with this token is answered: status, body, challenge.
fn verdict(config: Value, token: &str) -> Option<(u16, Value, Option<String>)> {
    let lab = lab();
    let plugin = lab.plugin(&Jwt, config);
    let answer = lab.request("GET", "/").header("Authorization", &format!("Bearer {token}")).access(&*plugin)?;
    let challenge = answer.headers.get_str("WWW-Authenticate").map(str::to_owned);
    let body = match answer.content {
        Content::Json(body) => body,
        Content::Error(message) => Value::String(message),
        other => panic!("{other:?}"),
    };
    Some((answer.status, body, challenge))
}

fn complaint(token: &str) -> Option<Value> {
    verdict(json!({}), token).map(|(_, body, _)| body.get("message").cloned().unwrap_or(body))
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "anonymous": null, "claims_to_verify": null, "cookie_names": [], "header_names": ["authorization"],
        "key_claim_name": "iss", "maximum_expiration": 0, "realm": null, "run_on_preflight": true,
        "secret_is_base64": false, "uri_param_names": ["jwt"],
    });
    assert_eq!(shown("jwt", json!({})), expected);
}

#[test]
fn a_longest_expiration_needs_the_claim() {
    let error = configuration("jwt", json!({ "maximum_expiration": 60, "claims_to_verify": ["nbf"] })).unwrap_err();
    assert!(error["fields"]["@entity"][0].as_str().unwrap().contains("config.maximum_expiration"));
    assert!(configuration("jwt", json!({ "maximum_expiration": 60, "claims_to_verify": ["exp"] })).is_ok());
}

#[test]
fn public_keys_are_checked() {
    let owner = json!({ "id": "00000030-1111-4111-8111-111111111111" });
    let error = |document: Value| write("jwt_secrets", document).unwrap_err()["fields"].clone();
    let conditional = json!(["failed conditional validation given value of field 'algorithm'"]);
    let missing = error(json!({ "consumer": owner, "algorithm": "RS256" }));
    assert_eq!(missing, json!({ "rsa_public_key": "required field missing", "@entity": conditional }));
    let bad = error(json!({ "consumer": owner, "algorithm": "RS256", "rsa_public_key": "x" }));
    assert_eq!(bad, json!({ "rsa_public_key": "invalid key", "@entity": conditional }));
    let secret = write("jwt_secrets", json!({ "consumer": owner })).unwrap();
    assert_eq!((secret["algorithm"].as_str(), secret["secret"].as_str().map(str::len)), (Some("HS256"), Some(32)));
}

#[test]
fn a_good_token_lets_in() {
    let lab = lab();
    let plugin = lab.plugin(&Jwt, json!({}));
    for algorithm in ["HS256", "HS384", "HS512"] {
        let token = token(&json!({ "alg": algorithm, "typ": "JWT" }), &json!({ "iss": algorithm }));
        let mut request = lab.request("GET", "/").header("Authorization", &format!("bearer  {token}"));
        assert!(request.access(&*plugin).is_none(), "{algorithm}");
        assert_eq!(request.upstream("X-Credential-Identifier"), Some(algorithm));
        assert_eq!(request.upstream("X-Consumer-Username"), Some("bob"));
    }
    assert_eq!(complaint(&token(&json!({ "alg": "HS256", "iss": "HS256" }), &json!({}))), None, "key in the header");
    assert_eq!(complaint(&format!("{}=", hs256(&json!({ "iss": "HS256" })))), None, "padding");
}

#[test]
fn what_is_wrong_with_a_token_is_told() {
    let (status, body, challenge) = verdict(json!({ "realm": "r" }), "bad").unwrap();
    assert_eq!((status, body), (401, json!({ "message": "Bad token; invalid JSON" })));
    assert_eq!(challenge.unwrap(), "Bearer realm=\"r\" error=\"invalid_token\"");

    let good = hs256(&json!({ "iss": "HS256" }));
    for broken in ["a.b.c", "a.b.c.d", "..", good.rsplit_once('.').unwrap().0] {
        assert_eq!(complaint(broken).unwrap(), "Bad token; invalid JSON", "{broken}");
    }
    for broken in [format!("{good}.x"), format!("{good}+")] {
        assert_eq!(complaint(&broken).unwrap(), "Bad token; invalid signature", "{broken}");
    }
    assert_eq!(complaint(&good[..good.len() - 4]).unwrap(), "Invalid signature");
    assert_eq!(complaint(&token(&json!({ "alg": "none" }), &json!({}))).unwrap(), "Bad token; invalid alg");
    assert_eq!(complaint(&token(&json!({}), &json!({}))).unwrap(), "Bad token; invalid alg");
    assert_eq!(complaint(&hs256(&json!({}))).unwrap(), "No mandatory 'iss' in claims");
    assert_eq!(complaint(&hs256(&json!("x"))).unwrap(), "No mandatory 'iss' in claims");
    assert_eq!(complaint(&hs256(&json!({ "iss": "" }))).unwrap(), "Invalid 'iss' in claims");
    assert_eq!(complaint(&hs256(&json!({ "iss": "eve" }))).unwrap(), "No credentials found for given 'iss'");
    assert_eq!(complaint(&hs256(&json!({ "iss": "HS512" }))).unwrap(), "Invalid algorithm");
    assert_eq!(complaint(&hs256(&json!({ "iss": "orphan" }))).unwrap(), "Could not find consumer for 'iss=orphan'");
    for odd in [json!(5), json!(null)] {
        let (status, body, _) = verdict(json!({}), &hs256(&json!({ "iss": odd }))).unwrap();
        assert_eq!((status, body), (500, json!("An unexpected error occurred")));
    }
}

#[test]
fn no_token_is_no_invalid_token() {
    let lab = lab();
    let plugin = lab.plugin(&Jwt, json!({}));
    for header in ["Basic x", "Bearer", "BEARER x"] {
        let answer = lab.request("GET", "/?JWT=x").header("Authorization", header).access(&*plugin).unwrap();
        assert_eq!(answer.headers.get_str("WWW-Authenticate"), Some("Bearer"), "{header}");
    }
}

#[test]
fn registered_claims_are_verified() {
    let both = |claims: Value| {
        let mut all = json!({ "iss": "HS256" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        verdict(json!({ "claims_to_verify": ["exp", "nbf"] }), &hs256(&all)).map(|(_, body, _)| body)
    };
    assert_eq!(both(json!({ "exp": NOW + 1, "nbf": NOW })), None);
    assert_eq!(both(json!({ "exp": NOW as f64 + 0.5, "nbf": 1.5 })), None);
    assert_eq!(both(json!({})).unwrap(), json!({ "nbf": "must be a number", "exp": "must be a number" }));
    let late = both(json!({ "exp": NOW, "nbf": NOW + 1 })).unwrap();
    assert_eq!(late, json!({ "nbf": "token not valid yet", "exp": "token expired" }));
    assert_eq!(both(json!({ "exp": "x", "nbf": 1 })).unwrap(), json!({ "exp": "must be a number" }));
}

#[test]
fn expiration_may_not_be_too_far() {
    let config = json!({ "claims_to_verify": ["exp"], "maximum_expiration": 60 });
    let body =
        |exp: i64| verdict(config.clone(), &hs256(&json!({ "iss": "HS256", "exp": exp }))).map(|(_, body, _)| body);
    assert_eq!(body(NOW + 60), None);
    assert_eq!(body(NOW + 61).unwrap(), json!({ "exp": "exceeds maximum allowed expiration" }));
    assert_eq!(body(NOW - 1).unwrap(), json!({ "exp": "token expired" }));
}

#[test]
fn secrets_may_be_base64() {
    let mut lab = lab();
    // Of the two alphabets of base64 it is the one for URLs.
    let secrets = [("coded", BASE64_STANDARD.encode("js")), ("uncoded", "!".to_owned()), ("other", "AAF/".to_owned())];
    for (key, secret) in secrets {
        let document = json!({ "id": key, "key": key, "secret": secret, "algorithm": "HS256" });
        lab.credential(&Jwt, COLLECTION, "bob", document);
    }
    let plugin = lab.plugin(&Jwt, json!({ "secret_is_base64": true }));
    let ask = |key: &str| {
        let header = format!("Bearer {}", hs256(&json!({ "iss": key })));
        lab.request("GET", "/").header("Authorization", &header).access(&*plugin)
    };
    assert!(ask("coded").is_none());
    for wrong in ["uncoded", "other"] {
        let Content::Json(body) = ask(wrong).unwrap().content else { panic!("not JSON") };
        assert_eq!(body, json!({ "message": "Invalid key/secret" }));
    }
}

#[test]
fn tokens_are_found_where_the_plugin_is_told_to_look() {
    let lab = lab();
    let config =
        json!({ "header_names": ["X-Token"], "uri_param_names": ["tk", "tk2"], "cookie_names": ["ck", "ck2"] });
    let plugin = lab.plugin(&Jwt, config);
    let good = hs256(&json!({ "iss": "HS256" }));
    let other = token(&json!({ "alg": "HS512" }), &json!({ "iss": "HS512" }));
    let message = |mut request: crate::testing::Exchange| match request.access(&*plugin)?.content {
        Content::Json(body) => body["message"].as_str().map(str::to_owned),
        content => panic!("{content:?}"),
    };
    let bearer = format!("Token Bearer {good}");
    assert_eq!(message(lab.request("GET", "/").header("X-Token", &bearer)), None);
    assert_eq!(message(lab.request("GET", &format!("/?tk2={good}"))), None);
    assert_eq!(message(lab.request("GET", "/").header("Cookie", &format!("ck=; ck2={good}"))), None);
    assert_eq!(message(lab.request("GET", &format!("/?tk={good}&tk={good}")).header("X-Token", &bearer)), None);
    assert_eq!(message(lab.request("GET", "/").header("Authorization", &bearer)).unwrap(), "Unauthorized");
    let several = lab.request("GET", &format!("/?tk={other}")).header("X-Token", &bearer);
    assert_eq!(message(several).unwrap(), "Multiple tokens provided");
    assert_eq!(message(lab.request("GET", "/?tk")).unwrap(), "Unrecognizable token");
}

#[test]
fn failures_may_be_anonymous_and_preflights_may_pass() {
    let lab = lab();
    let plugin = lab.plugin(&Jwt, json!({ "anonymous": "anon" }));
    let mut request = lab.request("GET", "/").header("Authorization", "Bearer bad");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Anonymous-Consumer"), Some("true"));
    let plugin = lab.plugin(&Jwt, json!({ "run_on_preflight": false }));
    assert!(lab.request("OPTIONS", "/").access(&*plugin).is_none());
}

#[test]
fn public_keys_verify() {
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa_key = rsa.public_key().as_der().unwrap().as_ref().to_vec();
    let sign_rsa = |kind: &'static dyn signature::RsaEncoding, text: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(kind, &random, text, &mut signature).unwrap();
        signature
    };
    let ecdsa = |kind| EcdsaKeyPair::generate(kind).unwrap();
    let p256 = ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let p384 = ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING);
    let p521 = ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING);
    let ed = Ed25519KeyPair::generate().unwrap();
    let spki = |pair: &EcdsaKeyPair| pair.public_key().as_der().unwrap().as_ref().to_vec();
    type Sign<'a> = Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>;
    let sign_ec = |pair: &EcdsaKeyPair, text: &[u8]| pair.sign(&random, text).unwrap().as_ref().to_vec();
    let cases: Vec<(&str, Vec<u8>, Sign<'_>)> = vec![
        ("RS256", rsa_key.clone(), Box::new(|text| sign_rsa(&signature::RSA_PKCS1_SHA256, text))),
        ("RS384", rsa_key.clone(), Box::new(|text| sign_rsa(&signature::RSA_PKCS1_SHA384, text))),
        ("RS512", rsa_key.clone(), Box::new(|text| sign_rsa(&signature::RSA_PKCS1_SHA512, text))),
        ("PS256", rsa_key.clone(), Box::new(|text| sign_rsa(&signature::RSA_PSS_SHA256, text))),
        ("PS384", rsa_key.clone(), Box::new(|text| sign_rsa(&signature::RSA_PSS_SHA384, text))),
        ("PS512", rsa_key.clone(), Box::new(|text| sign_rsa(&signature::RSA_PSS_SHA512, text))),
        ("ES256", spki(&p256), Box::new(|text| sign_ec(&p256, text))),
        ("ES384", spki(&p384), Box::new(|text| sign_ec(&p384, text))),
        ("ES512", spki(&p521), Box::new(|text| sign_ec(&p521, text))),
        (
            "EdDSA",
            ed.public_key().as_der().unwrap().as_ref().to_vec(),
            Box::new(|text| ed.sign(text).as_ref().to_vec()),
        ),
    ];
    let mut lab = lab();
    for (algorithm, key, _) in &cases {
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(key));
        let document = json!({ "id": algorithm, "key": algorithm, "rsa_public_key": pem, "algorithm": algorithm });
        let owned = json!({
            "consumer": { "id": "00000030-1111-4111-8111-111111111111" }, "rsa_public_key": pem, "algorithm": algorithm,
        });
        assert!(write("jwt_secrets", owned).is_ok(), "{algorithm}");
        lab.credential(&Jwt, COLLECTION, "bob", document);
    }
    let plugin = lab.plugin(&Jwt, json!({}));
    for (algorithm, _, sign) in &cases {
        let signed = format!("{}.{}", encode(&json!({ "alg": algorithm })), encode(&json!({ "iss": algorithm })));
        let mut signature = sign(signed.as_bytes());
        let ask = |signature: &[u8]| {
            let header = format!("Bearer {signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
            lab.request("GET", "/").header("Authorization", &header).access(&*plugin)
        };
        assert!(ask(&signature).is_none(), "{algorithm}");
        signature[3] ^= 1;
        assert!(ask(&signature).is_some(), "{algorithm}");
    }
}
