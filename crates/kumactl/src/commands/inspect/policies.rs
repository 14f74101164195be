//! Which policies apply to a proxy, and which proxies a policy applies to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::output::resource::{items, text};

/// The policies of one proxy, grouped by what they apply to.
pub(super) fn tree(answer: &Value) -> String {
    let mut tree = String::new();
    for item in items(&answer["items"]) {
        let name = text(&item["name"]);
        let title = match item["type"].as_str() {
            Some("inbound") => format!("INBOUND {name}({})", text(&item["service"])),
            Some("outbound") => format!("OUTBOUND {name}({})", text(&item["service"])),
            Some("service") => format!("SERVICE {name}"),
            _ => "DATAPLANE".to_owned(),
        };
        line(&mut tree, format_args!("{title}:"));
        for (kind, policies) in item["matchedPolicies"].as_object().into_iter().flatten() {
            line(&mut tree, format_args!("  {kind}"));
            for policy in items(policies) {
                line(&mut tree, format_args!("    {}", text(&policy["name"])));
            }
        }
        line(&mut tree, format_args!(""));
    }
    tree
}

/// The proxies that one policy applies to, and where in them.
pub(super) fn affected(answer: &Value) -> String {
    let mut proxies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in items(&answer["items"]) {
        let places = items(&item["attachments"]).iter().map(|place| {
            let name = text(&place["name"]);
            match place["type"].as_str() {
                Some(kind @ ("inbound" | "outbound")) => format!("{kind} {name}({})", text(&place["service"])),
                Some("service") => format!("service {name}"),
                _ => "dataplane".to_owned(),
            }
        });
        proxies.entry(text(&item["dataplane"]["name"])).or_default().extend(places);
    }
    let mut list = String::from("Affected data plane proxies:\n\n");
    for (name, places) in proxies {
        line(&mut list, format_args!("  {name}:"));
        for place in places {
            line(&mut list, format_args!("    {place}"));
        }
        line(&mut list, format_args!(""));
    }
    list
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes every write");
}
