use std::sync::Arc;

use gateway_proxy::pdk::Authenticated;
use serde_json::{Value, json};

use super::{Acl, COLLECTION};
use crate::testing::{Exchange, Lab, configuration, shown, words};

fn lab() -> Lab {
    let mut lab = Lab::new();
    for consumer in ["bob", "nobody"] {
        lab.consumer(consumer);
    }
    for (id, group) in [("2", "g1"), ("1", "g2")] {
        lab.credential(&Acl, COLLECTION, "bob", json!({ "id": id, "group": group }));
    }
    lab
}

/// A request of a consumer, with a credential unless it is anonymous.
fn request(lab: &Lab, consumer: Option<&str>, credential: bool) -> Exchange {
    let mut request = lab.request("GET", "/");
    request.context.consumer = consumer.map(|name| Arc::clone(lab.directory.consumer_by_id_or_name(name).unwrap()));
    request.context.credential = credential.then(|| Authenticated { id: "cred".into(), identifier: None });
    request
}

fn verdict(lab: &Lab, config: Value, mut request: Exchange) -> Result<Exchange, (u16, String)> {
    match request.access(&*lab.plugin(&Acl, config)) {
        None => Ok(request),
        Some(answer) => Err((answer.status, words(&answer).to_owned())),
    }
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "allow": ["g"], "deny": null, "hide_groups_header": false, "always_use_authenticated_groups": false,
    });
    assert_eq!(shown("acl", json!({ "allow": ["g"] })), expected);
}

#[test]
fn one_list_is_needed() {
    let error = configuration("acl", json!({})).unwrap_err();
    let expected = json!([
        "exactly one of these fields must be non-empty: 'config.allow', 'config.deny'",
        "at least one of these fields must be non-empty: 'config.allow', 'config.deny'",
    ]);
    assert_eq!(error["fields"]["@entity"], expected);
}

#[test]
fn groups_are_told_the_upstream_in_the_order_of_their_ids() {
    let lab = lab();
    let passed = verdict(&lab, json!({ "allow": ["g1"] }), request(&lab, Some("bob"), true)).unwrap();
    assert_eq!(passed.upstream("X-Consumer-Groups"), Some("g2, g1"));
    let hidden = json!({ "allow": ["g1"], "hide_groups_header": true });
    assert_eq!(verdict(&lab, hidden, request(&lab, Some("bob"), true)).unwrap().upstream("X-Consumer-Groups"), None);
}

#[test]
fn who_is_not_in_is_out() {
    let lab = lab();
    let forbidden = (403, "You cannot consume this service".to_owned());
    let unauthorized = (401, "Unauthorized".to_owned());
    let of = |config: Value, consumer, credential| verdict(&lab, config, request(&lab, consumer, credential)).err();
    assert_eq!(of(json!({ "allow": ["g9"] }), Some("bob"), true), Some(forbidden.clone()));
    assert_eq!(of(json!({ "deny": ["g2"] }), Some("bob"), true), Some(forbidden.clone()));
    assert_eq!(of(json!({ "deny": ["g9"] }), Some("bob"), true), None);
    assert_eq!(of(json!({ "deny": ["g1"] }), Some("nobody"), true), None);
    assert_eq!(of(json!({ "allow": ["g1"] }), Some("nobody"), true), Some(forbidden.clone()));
    assert_eq!(of(json!({ "allow": ["g1"] }), Some("nobody"), false), Some(unauthorized.clone()));
    assert_eq!(of(json!({ "allow": ["g1"] }), None, true), Some(forbidden));
    assert_eq!(of(json!({ "deny": ["g1"] }), None, false), Some(unauthorized));
}

#[test]
fn authenticated_groups_stand_in_for_the_consumer() {
    let lab = lab();
    let with_groups = |consumer, group: &str| {
        let mut request = request(&lab, consumer, consumer.is_some());
        request.context.groups = Some(vec![group.to_owned(), "extra".to_owned()]);
        request
    };
    let passed = verdict(&lab, json!({ "allow": ["g1"] }), with_groups(None, "g1")).unwrap();
    assert_eq!(passed.upstream("X-Authenticated-Groups"), Some("g1, extra"));
    assert_eq!(verdict(&lab, json!({ "allow": ["g1"] }), with_groups(None, "zz")).err().unwrap().0, 403);

    let passed = verdict(&lab, json!({ "allow": ["g1"] }), with_groups(Some("bob"), "zz")).unwrap();
    assert_eq!(passed.upstream("X-Consumer-Groups"), Some("g2, g1"), "a known consumer's own groups count");
    let always = json!({ "allow": ["g1"], "always_use_authenticated_groups": true });
    assert_eq!(verdict(&lab, always, with_groups(Some("bob"), "zz")).err().unwrap().0, 403);
}
