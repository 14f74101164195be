use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::PkiError;

const HOUR: Duration = Duration::from_secs(3600);

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());
static VERIFIER: LazyLock<VerificationKey> = LazyLock::new(|| KEY.verification_key());

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn claims() -> Claims<DataplaneClaims> {
    let own = DataplaneClaims {
        name: "web-1".to_owned(),
        mesh: "default".to_owned(),
        tags: BTreeMap::from([("kuma.io/service".to_owned(), vec!["web".to_owned()])]),
        ..DataplaneClaims::default()
    };
    Claims::new(own, HOUR, now())
}

fn check<C: DeserializeOwned>(token: &str, at: Timestamp) -> Result<Claims<C>, JwtError> {
    verify(token, at, |kid| (kid == "1").then_some(&*VERIFIER))
}

fn token_of(header: &serde_json::Value, payload: &serde_json::Value) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), URL_SAFE_NO_PAD.encode([0; 256]))
}

#[test]
fn a_token_is_read_back() {
    let token = KEY.sign("1", &claims());
    assert_eq!(key_id(&token).unwrap(), "1");
    assert_eq!(check::<DataplaneClaims>(&token, now()).unwrap(), claims_with_id_of(&token));
}

fn claims_with_id_of(token: &str) -> Claims<DataplaneClaims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let mut claims = claims();
    claims.registered.jti = payload["jti"].as_str().unwrap().to_owned();
    claims
}

#[test]
fn the_claims_have_the_reference_names() {
    let json = serde_json::to_value(claims()).unwrap();
    assert_eq!(json["Name"], "web-1");
    assert_eq!(json["Tags"], json!({"kuma.io/service": ["web"]}));
    assert_eq!((&json["Type"], &json["Workload"]), (&json!(""), &json!("")));
    assert_eq!(json["exp"], now().as_second() + 3600);
    assert_eq!((&json["nbf"], &json["iat"]), (&json!(now().as_second() - 5), &json!(now().as_second() - 5)));
    assert_eq!(json["jti"].as_str().unwrap().len(), 36);
    let zone = ZoneClaims { zone: "east".to_owned(), scope: vec!["cp".to_owned()] };
    assert_eq!(serde_json::to_value(zone).unwrap(), json!({"Zone": "east", "Scope": ["cp"]}));
    let user = UserClaims { name: "jo".to_owned(), groups: vec![] };
    assert_eq!(serde_json::to_value(user).unwrap(), json!({"Name": "jo", "Groups": []}));
}

#[test]
fn null_and_absent_claims_are_empty_and_dates_may_have_fractions() {
    let claims: Claims<DataplaneClaims> =
        serde_json::from_value(json!({"Name": "a", "Tags": null, "exp": 12.75, "iat": null, "iss": "x"})).unwrap();
    assert_eq!((claims.own.name.as_str(), claims.own.tags.len(), claims.registered.exp), ("a", 0, Some(12)));
}

#[test]
fn dates_decide() {
    let token = KEY.sign("1", &claims());
    let end = now().checked_add(HOUR).unwrap();
    let early = now().checked_sub(Duration::from_secs(6)).unwrap();
    assert_eq!(check::<DataplaneClaims>(&token, end).unwrap_err(), JwtError::Expired(end));
    assert!(matches!(check::<DataplaneClaims>(&token, early), Err(JwtError::NotYetValid(_))));
    let forever = Claims { own: UserClaims::default(), registered: Registered::default() };
    check::<UserClaims>(&KEY.sign("1", &forever), Timestamp::MAX).unwrap();
}

#[test]
fn signatures_and_keys_decide() {
    let token = KEY.sign("1", &claims());
    let other = SigningKey::generate().unwrap().verification_key();
    let result = verify::<DataplaneClaims, _>(&token, now(), |_| Some(&other));
    assert_eq!(result.unwrap_err(), JwtError::BadSignature);
    let result = check::<DataplaneClaims>(&KEY.sign("2", &claims()), now());
    assert_eq!(result.unwrap_err(), JwtError::UnknownKey("2".to_owned()));

    let (_, signature) = token.rsplit_once('.').unwrap();
    let forged = token_of(&json!({"alg": "RS256", "kid": "1"}), &json!({"Name": "admin"}));
    let forged = format!("{}.{signature}", forged.rsplit_once('.').unwrap().0);
    assert_eq!(check::<UserClaims>(&forged, now()).unwrap_err(), JwtError::BadSignature);
}

#[test]
fn only_the_key_chooses_the_algorithm() {
    for alg in ["none", "HS256", "RS512", "ES256", ""] {
        let token = token_of(&json!({"alg": alg, "kid": "1"}), &json!({}));
        assert_eq!(check::<UserClaims>(&token, now()).unwrap_err(), JwtError::Algorithm(alg.to_owned()));
    }
}

#[test]
fn shared_keys_are_accepted_for_the_legacy_key_id_only() {
    let secret = b"some shared secret";
    let legacy = VerificationKey::legacy(secret);
    let sign = |header: serde_json::Value| {
        let signed = format!("{}.{}", encode(&header), encode(&json!({"Name": "a", "Mesh": "m"})));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    };
    let check = |token: &str, key: &VerificationKey| verify::<DataplaneClaims, _>(token, now(), |_| Some(key));

    let token = sign(json!({"alg": "HS256", "typ": "JWT"}));
    assert_eq!(key_id(&token).unwrap(), LEGACY_KEY_ID);
    assert_eq!(check(&token, &legacy).unwrap().own.mesh, "m");
    assert_eq!(check(&token, &VerificationKey::legacy(b"other")).unwrap_err(), JwtError::BadSignature);
    assert!(matches!(check(&token, &VERIFIER), Err(JwtError::Algorithm(_))));
    let token = sign(json!({"alg": "HS256", "kid": "1"}));
    assert!(matches!(check(&token, &legacy), Err(JwtError::Algorithm(_))));
}

#[test]
fn malformed_tokens_are_told_apart_from_bad_ones() {
    let many = "a.".repeat(9);
    let long = format!("{}.b.c", "a".repeat(MAX_TOKEN));
    for token in ["", "abc", "a.b", "a.b.c.d", "!.b.c", "e30.e30.", &many, &long] {
        assert!(matches!(check::<UserClaims>(token, now()), Err(JwtError::Malformed(_))), "{token:.20}");
    }
    let list = KEY.sign("1", &claims());
    assert!(matches!(check::<Vec<u8>>(&list, now()), Err(JwtError::Malformed(_))));
}

#[test]
fn keys_survive_pem() {
    let token = KEY.sign("1", &claims());
    assert!(KEY.pem().expose().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(KEY.public_key_pem().starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
    let copy = SigningKey::from_pem(KEY.pem().expose()).unwrap();
    for pem in [KEY.public_key_pem(), KEY.pem().expose().to_owned(), copy.public_key_pem()] {
        let key = VerificationKey::from_pem(&pem).unwrap();
        verify::<DataplaneClaims, _>(&token, now(), |_| Some(&key)).unwrap();
    }
}

#[test]
fn other_containers_of_keys_are_read() {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = SigningKey::from_pem(&crate::pem::encode("PRIVATE KEY", der.as_ref())).unwrap();
    let public = VerificationKey::from_pem(&key.public_key_pem()).unwrap();
    verify::<DataplaneClaims, _>(&key.sign("1", &claims()), now(), |_| Some(&public)).unwrap();
}

#[test]
fn what_is_no_rsa_key_is_refused() {
    let p256 = crate::ca::generate_p256().unwrap();
    assert!(matches!(SigningKey::from_pem("x"), Err(PkiError::NotPem { .. })));
    assert!(matches!(SigningKey::from_pem(&p256.serialize_pem()), Err(PkiError::Unreadable { .. })));
    assert!(matches!(VerificationKey::from_pem(&p256.public_key_pem()), Err(PkiError::Unreadable { .. })));
    assert!(matches!(VerificationKey::from_pem(""), Err(PkiError::NotPem { .. })));
}

proptest! {
    #[test]
    fn no_token_makes_verification_panic(
        token in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,3}|.*",
        header in ".*",
        payload in ".*",
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let find = |_: &str| Some(&*VERIFIER);
        prop_assert!(verify::<DataplaneClaims, _>(&token, now(), find).is_err());
        let token = [header.as_bytes(), payload.as_bytes(), &bytes].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        prop_assert!(verify::<DataplaneClaims, _>(&token, now(), find).is_err());
    }

    #[test]
    fn no_key_makes_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
        for label in ["RSA PRIVATE KEY", "PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"] {
            let text = crate::pem::encode(label, &bytes);
            prop_assert!(SigningKey::from_pem(&text).is_err());
            prop_assert!(VerificationKey::from_pem(&text).is_err());
        }
        prop_assert!(SigningKey::from_pem(&text).is_err());
        prop_assert!(VerificationKey::from_pem(&text).is_err());
    }

    #[test]
    fn any_changed_character_breaks_a_token(position in 0_usize..600, replacement in "[A-Za-z0-9_-]") {
        let token = KEY.sign("1", &claims());
        let position = position % token.len();
        let replaced = format!("{}{replacement}{}", &token[..position], &token[position + 1..]);
        prop_assume!(replaced != token);
        prop_assert!(check::<DataplaneClaims>(&replaced, now()).is_err());
    }
}
