use std::net::IpAddr;

use serde_json::{Value, json};

use super::IpRestriction;
use super::network::Network;
use crate::testing::{Lab, configuration, shown, words};

fn verdict(config: Value, address: &str) -> Option<(u16, String)> {
    let lab = Lab::new();
    let plugin = lab.plugin(&IpRestriction, config);
    let mut request = lab.request("GET", "/").header("X-Forwarded-For", "10.1.1.1");
    request.context.client.ip = address.parse().unwrap();
    request.access(&*plugin).map(|answer| (answer.status, words(&answer).to_owned()))
}

#[test]
fn defaults_are_complete() {
    let expected = json!({ "allow": ["10.0.0.0/8"], "deny": null, "status": null, "message": null });
    assert_eq!(shown("ip-restriction", json!({ "allow": ["10.0.0.0/8"] })), expected);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told() {
    let error = configuration("ip-restriction", json!({ "allow": ["x"] })).unwrap_err();
    assert_eq!(error["fields"]["config"]["allow"], json!(["invalid ip or cidr range: 'x'"]));
    let none = "at least one of these fields must be non-empty: 'config.allow', 'config.deny'";
    assert_eq!(configuration("ip-restriction", json!({})).unwrap_err()["fields"]["@entity"], json!([none]));
}

#[test]
fn addresses_are_let_in_by_list() {
    let refused = Some((403, "IP address not allowed: 127.0.0.1".to_owned()));
    let local = |config| verdict(config, "127.0.0.1");
    assert_eq!(local(json!({ "allow": ["127.0.0.1"] })), None);
    assert_eq!(local(json!({ "allow": ["10.0.0.0/8", "::1"] })), refused);
    assert_eq!(local(json!({ "deny": ["127.0.0.0/8"] })), refused);
    assert_eq!(local(json!({ "allow": ["127.0.0.0/8"], "deny": ["127.0.0.1"] })), refused);
    assert_eq!(local(json!({ "allow": ["127.0.0.1"], "deny": ["127.0.0.2"] })), None);
    assert_eq!(local(json!({ "allow": ["::/0"] })), refused);
    assert_eq!(local(json!({ "allow": ["0.0.0.0/0"] })), None);
    assert_eq!(verdict(json!({ "allow": ["::/0"] }), "2001:db8::1"), None);
}

#[test]
fn refusals_may_be_worded() {
    let config = json!({ "deny": ["127.0.0.1"], "status": 418, "message": "no way" });
    assert_eq!(verdict(config, "127.0.0.1"), Some((418, "no way".to_owned())));
    let config = json!({ "deny": ["127.0.0.1"], "status": 200, "message": "fine" });
    assert_eq!(verdict(config.clone(), "127.0.0.2"), None);
    let fault = "An unexpected error occurred".to_owned();
    assert_eq!(verdict(config, "127.0.0.1"), Some((500, fault)), "no refusal has this status");
}

#[test]
fn networks_end_where_their_bits_do() {
    let contains =
        |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse::<IpAddr>().unwrap());
    assert!(contains("10.1.2.3/15", "10.0.255.255") && !contains("10.1.2.3/15", "10.2.0.0"));
    assert!(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"));
    for bad in ["10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "", "10.0.0"] {
        assert!(Network::parse(bad).is_none(), "{bad}");
    }
}
