//! All content of collections at once.

use super::lab::{Lab, draft, key, told};
use crate::{Amendment, Content, Draft, Key, Op, Query, StoreError};

fn content(drafts: impl IntoIterator<Item = Draft>) -> Op {
    Op::Replace(Content { collections: vec!["thing".into()], drafts: drafts.into_iter().collect() })
}

pub async fn replace_is_a_difference(lab: Lab) {
    for name in ["gone", "same", "other"] {
        lab.put(draft(name)).await;
    }
    let committed = lab.commit([content([draft("other").body("new"), draft("same"), draft("more")])]).await;
    let mut told = told(&committed);
    told.sort();
    assert_eq!(told, ["delete gone", "put more@1", "put other@2"]);
    assert_eq!(lab.names(Query::all("thing")).await, ["more", "other", "same"]);
}

pub async fn replace_by_the_same_changes_nothing(lab: Lab) {
    lab.put(draft("p")).await;
    lab.put(draft("a").below("p").unique("u", "1")).await;
    let before = lab.revision().await;
    let committed = lab.commit([content([draft("a").below("p").unique("u", "1"), draft("p")])]).await;
    assert!(committed.changes.is_empty());
    assert_eq!(lab.revision().await, before);
}

pub async fn replace_leaves_other_collections(lab: Lab) {
    let other = Key::new("other", "scope", "a");
    lab.put(Draft::new(other.clone(), "{}")).await;
    lab.put(draft("a")).await;
    lab.commit([content([])]).await;
    assert!(lab.exists(&other).await);
    assert!(!lab.exists(&key("a")).await);
}

pub async fn replaced_records_may_name_each_other_in_any_order(lab: Lab) {
    lab.commit([content([draft("a").below("p").referring("r"), draft("r"), draft("p")])]).await;
    let error = lab.refused([content([draft("a").below("p"), draft("r")])]).await;
    assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("p")));
    let error = lab.refused([content([draft("a").below("p").referring("r"), draft("r")])]).await;
    assert!(
        matches!(error, StoreError::MissingReference(missing) if missing == key("p")),
        "also of what stays the same"
    );
    let error = lab.refused([content([draft("b").referring("x")])]).await;
    assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("x")));
}

pub async fn replace_cascades_to_other_collections(lab: Lab) {
    lab.put(draft("p")).await;
    let child = Key::new("other", "", "child");
    lab.put(Draft { parents: vec![key("p")], ..Draft::new(child.clone(), "{}") }).await;
    let referring = Key::new("other", "", "referring");
    lab.put(draft("r")).await;
    lab.put(Draft { references: vec![key("r")], ..Draft::new(referring.clone(), "{}") }).await;
    lab.commit([content([draft("r")])]).await;
    assert!(!lab.exists(&child).await);
    let StoreError::InUse { key: used, by } = lab.refused([content([])]).await else { panic!("it is in use") };
    assert_eq!((used, by), (key("r"), referring));
}

pub async fn replaced_records_may_swap_unique_keys(lab: Lab) {
    lab.put(draft("a").unique("u", "1")).await;
    lab.put(draft("b").unique("u", "2")).await;
    lab.put(draft("c").unique("u", "3")).await;
    lab.commit([content([draft("a").unique("u", "2"), draft("b").unique("u", "1"), draft("d").unique("u", "3")])])
        .await;
    assert_eq!(lab.find("u", "1").await.as_deref(), Some("b"));
    let error = lab.refused([content([draft("a").unique("u", "9"), draft("e").unique("u", "9")])]).await;
    assert!(matches!(error, StoreError::NotUnique { field, value, .. } if (&*field, &*value) == ("u", "9")));
}

pub async fn replace_by_two_of_one_key_is_refused(lab: Lab) {
    let error = lab.refused([content([draft("a"), draft("a").body("other")])]).await;
    assert!(matches!(error, StoreError::Exists(twice) if twice == key("a")));
}

fn amendment(since: u64, drafts: impl IntoIterator<Item = Draft>, gone: &[&str]) -> Op {
    let gone = gone.iter().map(|name| key(name)).collect();
    Op::Amend(Amendment { since, drafts: drafts.into_iter().collect(), gone })
}

pub async fn an_amendment_comes_to_the_same_as_all_content(lab: Lab) {
    lab.commit([content([draft("a").unique("u", "1"), draft("b").unique("u", "2"), draft("gone"), draft("same")])])
        .await;
    let since = lab.revision().await;
    // Names in any order, and swapped keys.
    let drafts = [draft("b").unique("u", "1"), draft("a").unique("u", "2").below("p"), draft("p")];
    let committed = lab.commit([amendment(since, drafts, &["gone"])]).await;
    let mut told = told(&committed);
    told.sort();
    assert_eq!(told, ["delete gone", "put a@2", "put b@2", "put p@1"]);
    assert_eq!(lab.names(Query::all("thing")).await, ["a", "b", "p", "same"]);
    let nothing = lab.commit([amendment(committed.revision, [draft("same")], &[])]).await;
    assert_eq!((nothing.revision, nothing.changes.len()), (committed.revision, 0));
}

pub async fn an_amendment_of_what_has_changed_is_refused(lab: Lab) {
    lab.put(draft("a")).await;
    let since = lab.revision().await;
    lab.put(draft("b")).await;
    let error = lab.refused([amendment(since, [draft("a").body("new")], &[])]).await;
    assert!(matches!(error, StoreError::Conflict(first) if first == key("a")));
    let error = lab.refused([amendment(since, [], &["b"])]).await;
    assert!(matches!(error, StoreError::Conflict(first) if first == key("b")));
    assert!(matches!(lab.refused([amendment(since, [], &[])]).await, StoreError::Conflict(_)));
}

pub async fn an_amendment_leaves_nothing_without_what_it_names(lab: Lab) {
    lab.commit([content([draft("p"), draft("r"), draft("child").below("p"), draft("user").referring("r")])]).await;
    let since = lab.revision().await;
    let error = lab.refused([amendment(since, [], &["p"])]).await;
    assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("p")));
    assert!(matches!(lab.refused([amendment(since, [], &["r"])]).await, StoreError::InUse { .. }));
    let error = lab.refused([amendment(since, [draft("new").below("x")], &[])]).await;
    assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("x")));
    assert!(matches!(lab.refused([amendment(since, [], &["x"])]).await, StoreError::NotFound(_)));
    assert!(matches!(lab.refused([amendment(since, [draft("r")], &["r"])]).await, StoreError::NotFound(_)));
    let error = lab.refused([amendment(since, [draft("n"), draft("n").body("other")], &[])]).await;
    assert!(matches!(error, StoreError::Exists(twice) if twice == key("n")));
    let committed = lab.commit([amendment(since, [], &["p", "child"])]).await;
    assert_eq!(told(&committed), ["delete child", "delete p"]);
}
