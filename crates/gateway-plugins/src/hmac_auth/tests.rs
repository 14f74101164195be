use serde_json::json;

use super::{COLLECTION, HmacAuth};
use crate::testing::{Exchange, Lab, shown, words};

const DATE: &str = "Fri, 02 Jan 2026 03:04:00 GMT";

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.consumer("bob");
    lab.credential(&HmacAuth, COLLECTION, "bob", json!({ "id": "cred", "username": "bob", "secret": "sec" }));
    lab
}

/// A request signed as a client would.
fn signed(lab: &Lab, algorithm: &str, headers: &str, text: &str) -> Exchange {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    let key = hmac::Key::new(super::Algorithm::named(algorithm).unwrap().hmac(), b"sec");
    let signature = base64::prelude::BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let claim =
        format!("hmac username=\"bob\", algorithm=\"{algorithm}\", headers=\"{headers}\", signature=\"{signature}\"");
    lab.request("GET", "/ha?x=1").header("Date", DATE).header("Authorization", &claim)
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "algorithms": ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"], "anonymous": null, "clock_skew": 300,
        "enforce_headers": [], "hide_credentials": false, "realm": null, "validate_request_body": false,
    });
    assert_eq!(shown("hmac-auth", json!({})), expected);
}

#[test]
fn a_recorded_signature_is_right() {
    let lab = lab();
    let text = "date: Fri, 20 Nov 2026 17:40:23 GMT\nGET /ha HTTP/1.1";
    let head = lab.request("GET", "/ha").header("Date", "Fri, 20 Nov 2026 17:40:23 GMT").context.request;
    assert_eq!(super::signature::signed_text(&head, "date request-line"), text.as_bytes());
    let target = "date: Fri, 20 Nov 2026 17:40:23 GMT\n@request-target: get /ha";
    assert_eq!(super::signature::signed_text(&head, "date @request-target"), target.as_bytes());
    assert_eq!(super::signature::signed_text(&head, "x-none"), b"x-none:");
}

#[test]
fn all_algorithms_let_in() {
    let lab = lab();
    let plugin = lab.plugin(&HmacAuth, json!({}));
    for algorithm in ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        let mut request = signed(&lab, algorithm, "date request-line", &format!("date: {DATE}\nGET /ha?x=1 HTTP/1.1"));
        assert!(request.access(&*plugin).is_none(), "{algorithm}");
        assert_eq!(request.upstream("X-Credential-Identifier"), Some("bob"));
    }
}

#[test]
fn what_is_wrong_is_told() {
    let lab = lab();
    let plugin = lab.plugin(&HmacAuth, json!({ "enforce_headers": ["date"], "algorithms": ["hmac-sha256"] }));
    let refused = |mut request: Exchange, message: &str| {
        let answer = request.access(&*plugin).unwrap();
        assert_eq!((answer.status, words(&answer)), (401, message));
        assert_eq!(answer.headers.get_str("WWW-Authenticate"), Some("hmac"));
    };
    refused(lab.request("GET", "/"), "Unauthorized");
    refused(lab.request("GET", "/").header("Authorization", "hmac"), super::NO_DATE);
    refused(
        lab.request("GET", "/").header("Authorization", "hmac").header("Date", "Mon, 01 Jan 2001 00:00:00 GMT"),
        super::NO_DATE,
    );
    refused(lab.request("GET", "/").header("Authorization", "hmac").header("Date", DATE), super::NOT_VALID);
    refused(signed(&lab, "hmac-sha1", "date", &format!("date: {DATE}")), super::NOT_VALID);
    refused(signed(&lab, "hmac-sha256", "host", "host: example.com"), super::NOT_VALID);
    refused(signed(&lab, "hmac-sha256", "date", "date: another"), super::NOT_SAME);
    let stranger = "hmac username=\"eve\", algorithm=\"hmac-sha256\", headers=\"date\", signature=\"eA==\"";
    refused(lab.request("GET", "/").header("Date", DATE).header("Authorization", stranger), super::NOT_VALID);
}

#[test]
fn the_body_is_what_its_digest_says() {
    let lab = lab();
    let plugin = lab.plugin(&HmacAuth, json!({ "validate_request_body": true, "hide_credentials": true }));
    let with = |body: &str, digest: Option<&str>| {
        let request = signed(&lab, "hmac-sha256", "date", &format!("date: {DATE}")).body("text/plain", body);
        let mut request = match digest {
            Some(digest) => request.header("Digest", digest),
            None => request,
        };
        let answer = request.access(&*plugin).map(|answer| words(&answer).to_owned());
        assert_eq!(request.upstream("Authorization"), None);
        answer
    };
    let digest = "SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    assert_eq!(with("hello", Some(digest)), None);
    assert_eq!(with("hellox", Some(digest)).unwrap(), super::NOT_SAME);
    assert_eq!(with("hello", None).unwrap(), super::NOT_SAME);
    assert_eq!(with("", None), None);
}
