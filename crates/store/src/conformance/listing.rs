//! Lists: order, filters, pages.

use super::lab::{Lab, draft, key};
use crate::{Draft, Key, Op, Query};

pub async fn list_is_sorted(lab: Lab) {
    for (scope, name) in
        [("b", "a"), ("a", "c"), ("", "z"), ("a", "B"), ("a", "a10"), ("a", "a9"), ("b", "ä"), ("b", "z")]
    {
        lab.put(Draft::new(Key::new("thing", scope, name), "{}")).await;
    }
    let page = lab.list(Query::all("thing")).await;
    let found: Vec<_> = page.records.iter().map(|r| (&*r.draft.key.scope, &*r.draft.key.name)).collect();
    let sorted = [("", "z"), ("a", "B"), ("a", "a10"), ("a", "a9"), ("a", "c"), ("b", "a"), ("b", "z"), ("b", "ä")];
    assert_eq!(found, sorted);
}

pub async fn list_is_of_one_collection(lab: Lab) {
    for collection in ["thin", "thing", "things", "z"] {
        lab.put(Draft::new(Key::new(collection, "", collection), "{}")).await;
    }
    assert_eq!(lab.names(Query::all("thing")).await, ["thing"]);
}

pub async fn list_of_one_scope(lab: Lab) {
    for scope in ["", "a", "ab", "b"] {
        lab.put(Draft::new(Key::new("thing", scope, format!("in {scope}")), "{}")).await;
    }
    assert_eq!(lab.names(Query::scoped("thing", "a")).await, ["in a"]);
    assert_eq!(lab.names(Query::scoped("thing", "")).await, ["in "]);
    assert_eq!(lab.names(Query::scoped("thing", "c")).await, [""; 0]);
}

fn containing(part: &str) -> Query {
    Query { name_contains: Some(part.to_owned()), ..Query::all("thing") }
}

pub async fn name_filter_contains(lab: Lab) {
    for name in ["backend-1", "backend-2", "web", "BACKEND"] {
        lab.put(draft(name)).await;
    }
    assert_eq!(lab.names(containing("backend")).await, ["backend-1", "backend-2"]);
    assert_eq!(lab.names(containing("-2")).await, ["backend-2"]);
    assert_eq!(lab.names(containing("")).await.len(), 4);
    assert_eq!(lab.names(containing("scope")).await, [""; 0], "the filter is about names");
}

pub async fn name_filter_is_literal(lab: Lab) {
    let names = ["100%", "a'b", "a*b", "a_b", "a\"b", "a\\b", "axb", "ä"];
    for name in names {
        lab.put(draft(name)).await;
    }
    for (part, name) in
        [("%", "100%"), ("_", "a_b"), ("\\", "a\\b"), ("'", "a'b"), ("\"", "a\"b"), ("*", "a*b"), ("ä", "ä")]
    {
        assert_eq!(lab.names(containing(part)).await, [name], "filter {part}");
    }
}

fn labelled<const N: usize>(labels: [(&str, &str); N]) -> Query {
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
    Query { labels: labels.into(), ..Query::all("thing") }
}

pub async fn labels_filter_needs_all(lab: Lab) {
    lab.put(draft("a").label("env", "prod").label("team", "x")).await;
    lab.put(draft("b").label("env", "prod")).await;
    lab.put(draft("c").label("env", "").label("team", "x")).await;
    lab.put(draft("d")).await;
    assert_eq!(lab.names(labelled([("env", "prod")])).await, ["a", "b"]);
    assert_eq!(lab.names(labelled([("env", "prod"), ("team", "x")])).await, ["a"]);
    assert_eq!(lab.names(labelled([("env", "")])).await, ["c"]);
    lab.put(draft("b").label("env", "test")).await;
    assert_eq!(lab.names(labelled([("env", "prod")])).await, ["a"]);
}

pub async fn labels_filter_needs_one_of_any(lab: Lab) {
    lab.put(draft("a").label("red", "").label("big", "")).await;
    lab.put(draft("b").label("blue", "")).await;
    lab.put(draft("c").label("big", "")).await;
    let any = ["red", "blue"].map(|label| (label.to_owned(), String::new()));
    assert_eq!(lab.names(Query { any_labels: any.clone().into(), ..Query::all("thing") }).await, ["a", "b"]);
    assert_eq!(lab.names(Query { any_labels: any.into(), ..labelled([("big", "")]) }).await, ["a"]);
}

pub async fn cursor_goes_on_behind_a_key(lab: Lab) {
    for (scope, name) in [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")] {
        lab.put(Draft::new(Key::new("thing", scope, name), "{}").label("name", name)).await;
    }
    let after = |scope: &str, name: &str| Query { after: Some((scope.into(), name.into())), ..Query::all("thing") };
    assert_eq!(lab.names(after("a", "1")).await, ["2", "1", "2"]);
    assert_eq!(lab.names(after("a", "11")).await, ["2", "1", "2"], "the key need not exist");
    assert_eq!(lab.names(Query { limit: 1, ..after("a", "2") }).await, ["1"]);
    assert_eq!(lab.names(Query { scope: Some("b".into()), ..after("a", "2") }).await, ["1", "2"]);
    assert_eq!(lab.names(after("b", "2")).await, [""; 0]);
    lab.put(Draft::new(Key::new("thinh", "", ""), "{}")).await;
    assert_eq!(lab.names(after("c", "")).await, [""; 0]);
}

pub async fn uncounted_list_is_the_same_but_for_the_total(lab: Lab) {
    fill(&lab).await;
    let counted = Query { limit: 3, offset: 2, ..labelled([("odd", "yes")]) };
    let uncounted = Query { uncounted: true, ..counted.clone() };
    let page = lab.list(uncounted).await;
    assert_eq!((page.total, page.records), (0, lab.list(counted).await.records));
}

fn naming(name: &str) -> Query {
    Query { naming: Some(key(name)), ..Query::all("thing") }
}

pub async fn list_of_what_names_a_record(lab: Lab) {
    for name in ["p", "q"] {
        lab.put(draft(name)).await;
    }
    lab.put(draft("a").below("p").below("q")).await;
    lab.put(draft("b").referring("p")).await;
    lab.put(draft("c").below("q")).await;
    lab.put(draft("d").below("p").referring("p")).await;
    let elsewhere = Draft { references: vec![key("p")], ..Draft::new(Key::new("other", "scope", "b"), "{}") };
    lab.put(elsewhere).await;
    assert_eq!(lab.names(naming("p")).await, ["a", "b", "d"]);
    let cursor = Some((key("a").scope, key("a").name));
    assert_eq!(lab.names(Query { after: cursor, limit: 1, ..naming("p") }).await, ["b"]);
    assert_eq!(lab.names(naming("q")).await, ["a", "c"]);
    lab.put(draft("a").below("q")).await;
    lab.delete(&key("b")).await;
    assert_eq!(lab.names(naming("p")).await, ["d"]);
    assert_eq!(lab.names(naming("nothing")).await, [""; 0]);
}

async fn fill(lab: &Lab) {
    let drafts = (0..25).map(|n| draft(&format!("n{n:02}")).label("odd", if n % 2 == 0 { "no" } else { "yes" }));
    lab.commit(drafts.map(Op::Create)).await;
}

pub async fn paging_covers_everything_once(lab: Lab) {
    fill(&lab).await;
    let mut names = Vec::new();
    for offset in (0..).step_by(10) {
        let page = lab.list(Query { offset, limit: 10, ..Query::all("thing") }).await;
        assert_eq!(page.total, 25);
        assert!(page.records.len() <= 10);
        if page.records.is_empty() {
            break;
        }
        names.extend(page.records.iter().map(|record| record.draft.key.name.to_string()));
    }
    let all: Vec<_> = (0..25).map(|n| format!("n{n:02}")).collect();
    assert_eq!(names, all);
}

pub async fn total_counts_matches(lab: Lab) {
    fill(&lab).await;
    let page = lab.list(Query { offset: 3, limit: 2, ..labelled([("odd", "yes")]) }).await;
    assert_eq!(page.total, 12);
    let names: Vec<_> = page.records.iter().map(|record| &*record.draft.key.name).collect();
    assert_eq!(names, ["n07", "n09"]);
}

pub async fn offset_beyond_end_is_empty(lab: Lab) {
    fill(&lab).await;
    for offset in [25, 26, usize::MAX] {
        let page = lab.list(Query { offset, limit: 10, ..Query::all("thing") }).await;
        assert_eq!((page.total, page.records.len()), (25, 0));
    }
}

pub async fn limit_zero_is_all(lab: Lab) {
    fill(&lab).await;
    assert_eq!(lab.list(Query { offset: 5, limit: 0, ..Query::all("thing") }).await.records.len(), 20);
    assert_eq!(lab.list(Query { limit: usize::MAX, ..Query::all("thing") }).await.records.len(), 25);
}

pub async fn unknown_collection_is_empty(lab: Lab) {
    lab.put(draft("a")).await;
    let page = lab.list(Query::all("nothing")).await;
    assert_eq!((page.total, page.records.len()), (0, 0));
    assert!(!lab.exists(&Key { collection: "nothing".into(), ..key("a") }).await);
}
