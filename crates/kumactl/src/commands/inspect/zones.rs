//! The tables of zones, zone ingresses and zone egresses.

use jiff::Timestamp;
use serde_json::Value;

use super::overview::{Subscriptions, status};
use crate::output::Table;
use crate::output::resource::{items, text};

pub(super) fn zone_table(overviews: &[Value], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "NAME",
        "STATUS",
        "LAST CONNECTED AGO",
        "LAST UPDATED AGO",
        "TOTAL UPDATES",
        "TOTAL ERRORS",
        "ZONE-CP VERSION",
        "BACKEND",
    ]);
    for overview in overviews {
        let insight = &overview["zoneInsight"];
        let subscriptions = Subscriptions::of(insight);
        let enabled = overview["zone"]["enabled"].as_bool() != Some(false);
        let mut cells = vec![text(&overview["name"]), status(subscriptions.is_online() && enabled)];
        cells.extend(subscriptions.cells(now));
        cells.push(text(&subscriptions.version("kumaCp")["version"]));
        cells.push(backend(insight));
        table.row(cells);
    }
    table
}

/// The store of a zone's control plane, from the configuration it reported.
fn backend(insight: &Value) -> String {
    let config = items(&insight["subscriptions"]).last().and_then(|last| last["config"].as_str());
    let config: Value = config.and_then(|config| serde_json::from_str(config).ok()).unwrap_or_default();
    text(&config["store"]["type"])
}

pub(super) fn zone_ingress_table(overviews: &[Value], now: Timestamp) -> Table {
    zone_proxy_table(overviews, "zoneIngressInsight", now)
}

pub(super) fn zone_egress_table(overviews: &[Value], now: Timestamp) -> Table {
    zone_proxy_table(overviews, "zoneEgressInsight", now)
}

fn zone_proxy_table(overviews: &[Value], insight: &str, now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "NAME",
        "STATUS",
        "LAST CONNECTED AGO",
        "LAST UPDATED AGO",
        "TOTAL UPDATES",
        "TOTAL ERRORS",
        "KUMA-DP VERSION",
        "ENVOY VERSION",
    ]);
    for overview in overviews {
        let subscriptions = Subscriptions::of(&overview[insight]);
        let mut cells = vec![text(&overview["name"]), status(subscriptions.is_online())];
        cells.extend(subscriptions.cells(now));
        cells.push(text(&subscriptions.version("kumaDp")["version"]));
        cells.push(text(&subscriptions.version("envoy")["version"]));
        table.row(cells);
    }
    table
}
