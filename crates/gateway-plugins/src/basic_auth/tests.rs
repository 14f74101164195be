use serde_json::json;

use super::{BasicAuth, COLLECTION, hash};
use crate::testing::{Lab, shown, words, write};

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.consumer("bob");
    for (user, password) in [("bob", "pw"), ("bobc", "p:w:x")] {
        let document = json!({ "id": user, "username": user, "password": hash(password, "id-bob") });
        lab.credential(&BasicAuth, COLLECTION, "bob", document);
    }
    lab
}

#[test]
fn defaults_are_complete() {
    let expected = json!({ "anonymous": null, "hide_credentials": false, "realm": "service" });
    assert_eq!(shown("basic-auth", json!({})), expected);
}

#[test]
fn passwords_are_stored_as_hashes() {
    let owner = json!({ "id": "00000030-1111-4111-8111-111111111111" });
    let stored =
        write("basicauth_credentials", json!({ "username": "bu", "password": "pw", "consumer": owner })).unwrap();
    assert_eq!(stored["password"], "c87078c850e431f698f905715072069808df4431");
}

#[test]
fn a_password_has_an_owner() {
    let error = write("basicauth_credentials", json!({ "username": "u", "password": "p" })).unwrap_err();
    assert_eq!(error["fields"]["consumer"], "required field missing");
    assert_eq!(
        error["fields"]["@entity"],
        json!(["all or none of these fields must be set: 'password', 'consumer.id'"])
    );
}

#[test]
fn only_the_right_password_lets_in() {
    let lab = lab();
    let plugin = lab.plugin(&BasicAuth, json!({}));
    let status = |value: &str| {
        lab.request("GET", "/").header("Authorization", value).access(&*plugin).map(|answer| answer.status)
    };
    assert_eq!(status("Basic Ym9iOnB3"), None);
    assert_eq!(status("basic Ym9iOnB3"), None);
    assert_eq!(status("Basic Ym9iYzpwOnc6eA=="), None, "a password with colons");
    for wrong in [
        "Basic Ym9iOm5v",
        "Basic Ym9iOnB3Mg==",
        "Basic bm9ib2R5Om5v",
        "Basic !!!",
        "Bearer x",
        "BASIC Ym9iOnB3",
        "Basic",
        "Basic =",
        "Ym9iOnB3",
        "Basic Ym9i",
        "Basic OnB3",
        "Basic Og==",
    ] {
        assert_eq!(status(wrong), Some(401), "{wrong}");
    }
}

#[test]
fn a_refusal_names_the_realm() {
    let lab = lab();
    let plugin = lab.plugin(&BasicAuth, json!({ "realm": "site" }));
    let answer = lab.request("GET", "/").access(&*plugin).unwrap();
    assert_eq!(words(&answer), "Unauthorized");
    assert_eq!(answer.headers.get_str("WWW-Authenticate"), Some("Basic realm=\"site\""));
}

#[test]
fn the_user_name_is_told_the_upstream_and_the_header_may_be_hidden() {
    let lab = lab();
    let plugin = lab.plugin(&BasicAuth, json!({ "hide_credentials": true }));
    let mut request =
        lab.request("GET", "/").header("Proxy-Authorization", "Basic Ym9iOnB3").header("Authorization", "Other");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Credential-Identifier"), Some("bob"));
    assert_eq!(request.upstream("X-Consumer-Username"), Some("bob"));
    assert_eq!((request.upstream("Proxy-Authorization"), request.upstream("Authorization")), (None, Some("Other")));
}
