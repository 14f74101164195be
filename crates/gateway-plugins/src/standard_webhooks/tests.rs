use serde_json::json;

use super::StandardWebhooks;
use crate::testing::{Lab, configuration, shown, words};

#[test]
fn defaults_are_complete() {
    assert_eq!(
        shown("standard-webhooks", json!({ "secret_v1": "s" })),
        json!({ "secret_v1": "s", "tolerance_second": 300 })
    );
    assert!(configuration("standard-webhooks", json!({})).is_err());
}

#[test]
fn only_what_was_signed_just_now_passes() {
    let lab = Lab::new();
    let plugin = lab.plugin(
        &StandardWebhooks,
        json!({ "secret_v1": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "tolerance_second": 67_323_045 }),
    );
    let passes = |fields: &[(&str, &str)], body: &str| {
        let mut request = lab.request("POST", "/").body("application/json", body);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        match request.access(&*plugin) {
            None => true,
            Some(answer) => {
                assert_eq!((answer.status, words(&answer)), (400, "Bad request"));
                false
            }
        }
    };
    const BODY: &str = r#"{"event_type":"ping"}"#;
    const SIGNATURE: &str = "v1,7K7XBQIb0QB/PTSJkPQdvMR3U+SHT3SJm6ZnSvZ5/tk=";
    let fields =
        |time, signature| [("webhook-id", "msg_1"), ("webhook-timestamp", time), ("webhook-signature", signature)];
    assert!(passes(&fields("1700000000", SIGNATURE), BODY));
    assert!(!passes(&fields("1700000000", SIGNATURE), r#"{"event_type":"ping"} "#));
    assert!(!passes(&fields("1700000000", SIGNATURE), ""));
    assert!(!passes(&fields("1699999999", SIGNATURE), BODY));
    assert!(!passes(&fields("x", SIGNATURE), BODY));
    assert!(!passes(&fields("1700000000", "v1,bad v2,x v1,7K7XBQIb0QB/PTSJkPQdvMR3U+SHT3SJm6ZnSvZ5/tk="), BODY));
    assert!(!passes(&fields("1700000000", &SIGNATURE[3..]), BODY));
    for missing in 0..3 {
        let mut fields = fields("1700000000", SIGNATURE).to_vec();
        fields.remove(missing);
        assert!(!passes(&fields, BODY));
    }
}
