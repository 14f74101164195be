use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::dataplane::{Gateway, Inbound};

/// `a=1 b=*` as tags; a word without `=` is the service.
fn tags(text: &str) -> Tags {
    let tag = |word: &str| {
        let (key, value) = word.split_once('=').unwrap_or((SERVICE, word));
        (key.to_owned(), value.to_owned())
    };
    text.split_whitespace().map(tag).collect()
}

fn proxy(inbounds: &[&str]) -> Dataplane {
    let inbound = |text: &&str| Inbound { tags: tags(text), ..Inbound::default() };
    Dataplane { inbounds: inbounds.iter().map(inbound).collect(), ..Dataplane::default() }
}

/// Name, age, sources, destinations.
type Row<'a> = (&'a str, i64, &'a [&'a str], &'a [&'a str]);

/// Policies of these rows, the age in seconds before some moment.
fn policies(table: &[Row<'_>]) -> Policies<Connection<()>> {
    let all = |selectors: &[&str]| selectors.iter().map(|text| tags(text)).collect();
    let policy = |&(name, age, sources, destinations): &Row<'_>| Named {
        name: Arc::from(name),
        created: Timestamp::from_second(1_000_000 - age).unwrap(),
        policy: Arc::new(Connection { sources: all(sources), destinations: all(destinations), conf: () }),
    };
    let mut policies: Vec<_> = table.iter().map(policy).collect();
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    policies
}

fn name<P>(winner: Option<&Named<P>>) -> &str {
    winner.map_or("", |named| &named.name)
}

#[test]
fn a_selector_matches_when_all_it_names_is_there() {
    let proxy = tags("web version=1");
    assert!(rank(&tags(""), &proxy).is_some());
    assert!(rank(&tags("web"), &proxy).is_some());
    assert!(rank(&tags("* version=*"), &proxy).is_some());
    assert!(rank(&tags("web version=2"), &proxy).is_none());
    assert!(rank(&tags("web env=*"), &proxy).is_none());
}

#[test]
fn more_tags_win_then_more_exact_ones() {
    let proxy = tags("web version=1");
    let by_rank = ["", "*", "web", "* version=*", "web version=*", "web version=1"];
    for pair in by_rank.windows(2) {
        assert!(rank(&tags(pair[0]), &proxy) < rank(&tags(pair[1]), &proxy), "{pair:?}");
    }
    assert_eq!(rank(&tags("* version=1"), &proxy), rank(&tags("web version=*"), &proxy));
}

#[test]
fn outbound_policies_are_chosen_by_both_ends_together() {
    let cases: [(&[Row<'_>], &str); 10] = [
        (&[], ""),
        (&[("other-service", 0, &["*"], &["search"])], ""),
        (&[("other-source", 0, &["api"], &["backend"])], ""),
        (&[("any", 0, &["*"], &["*"])], "any"),
        (&[("any", 0, &["*"], &["*"]), ("exact", 0, &["web"], &["backend"])], "exact"),
        // Two tags at the source beat one exact tag at each end.
        (&[("both", 0, &["web"], &["backend"]), ("many", 0, &["* version=*"], &["*"])], "many"),
        // Of equal ranks the youngest wins, and of equal ages the first name.
        (&[("a-old", 9, &["*"], &["backend"]), ("b-young", 1, &["web"], &["*"])], "b-young"),
        (&[("b", 5, &["*"], &["backend"]), ("a", 5, &["web"], &["*"])], "a"),
        // The best of a policy's selectors counts.
        (&[("a", 0, &["web"], &["backend"]), ("b", 0, &["*", "web version=1"], &["backend"])], "b"),
        // Clients know no tags of a destination but its service.
        (&[("narrow", 0, &["web"], &["backend version=1"]), ("wide", 0, &["*"], &["*"])], "wide"),
    ];
    for (table, expected) in cases {
        let policies = policies(table);
        assert_eq!(name(outbound(&policies, &proxy(&["web version=1"]), "backend")), expected, "{table:?}");
    }
}

#[test]
fn any_inbound_of_a_proxy_makes_it_a_source() {
    let policies = policies(&[("admin", 0, &["web-admin"], &["backend"])]);
    assert_eq!(name(outbound(&policies, &proxy(&["web", "web-admin"]), "backend")), "admin");
    assert_eq!(name(outbound(&policies, &proxy(&["web"]), "backend")), "");
}

#[test]
fn a_gateway_is_a_source_by_its_own_tags() {
    let policies = policies(&[("edge", 0, &["edge"], &["*"])]);
    let gateway = Gateway { tags: tags("edge"), builtin: false };
    let proxy = Dataplane { gateway: Some(gateway), ..Dataplane::default() };
    assert_eq!(name(outbound(&policies, &proxy, "backend")), "edge");
}

#[test]
fn inbound_policies_are_chosen_by_the_destination_alone() {
    let policies = policies(&[
        ("any", 0, &["web version=1 env=prod"], &["*"]),
        ("service", 0, &["*"], &["backend"]),
        ("version", 9, &["*"], &["backend version=2"]),
    ]);
    assert_eq!(name(inbound(&policies, &tags("search"))), "any");
    assert_eq!(name(inbound(&policies, &tags("backend version=1"))), "service");
    assert_eq!(name(inbound(&policies, &tags("backend version=2"))), "version");
}

#[test]
fn all_inbound_policies_come_with_the_most_specific_source_first() {
    let policies = policies(&[
        ("a-any", 0, &["*"], &["backend"]),
        ("b-exact", 0, &["web"], &["*"]),
        ("c-any", 0, &["*"], &["backend"]),
        ("d-two", 0, &["web version=*"], &["backend"]),
        ("e-other", 0, &["web"], &["search"]),
    ]);
    let all = inbound_all(&policies, &tags("backend"));
    let names: Vec<_> = all.into_iter().map(|named| &*named.name).collect();
    assert_eq!(names, ["d-two", "b-exact", "a-any", "c-any"]);
}

#[test]
fn a_policy_on_proxies_without_selectors_is_the_last_resort() {
    let policy = |name: &str, selectors: &[&str]| Named {
        name: Arc::from(name),
        created: Timestamp::UNIX_EPOCH,
        policy: Arc::new(Selected { selectors: selectors.iter().map(|text| tags(text)).collect(), conf: () }),
    };
    let policies = vec![policy("everywhere", &[]), policy("web", &["web"]), policy("wild", &["*"])];
    assert_eq!(name(dataplane(&policies, &proxy(&["web"]))), "web");
    assert_eq!(name(dataplane(&policies, &proxy(&["backend"]))), "wild");
    assert_eq!(name(dataplane(&policies, &proxy(&["version=1"]))), "everywhere");
}
