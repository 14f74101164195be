//! Single writes: versions, revisions, what is kept.

use std::time::Duration;

use super::lab::{Lab, draft, key};
use crate::{Draft, Key, Op, StoreError, TooLarge};

pub async fn create_then_get(lab: Lab) {
    let committed = lab.commit([Op::Create(draft("a").body("{\"x\":1}"))]).await;
    let record = lab.get(&key("a")).await.expect("it was created");
    assert_eq!(record.draft, draft("a").body("{\"x\":1}"));
    assert_eq!((record.version, record.revision), (1, committed.revision));
    assert_eq!(record.created, record.modified);
    assert!(!lab.exists(&key("b")).await);
}

pub async fn create_of_taken_key_is_refused(lab: Lab) {
    lab.commit([Op::Create(draft("a").body("1"))]).await;
    let error = lab.refused([Op::Create(draft("a").body("2"))]).await;
    assert!(matches!(error, StoreError::Exists(taken) if taken == key("a")));
}

pub async fn put_creates(lab: Lab) {
    assert_eq!(lab.put(draft("a")).await.version, 1);
}

pub async fn put_replaces_and_counts_versions(lab: Lab) {
    let first = lab.put(draft("a").body("1").label("l", "1")).await;
    lab.clock.advance(Duration::from_secs(5));
    let second = lab.put(draft("a").body("2")).await;
    assert_eq!(second.draft, draft("a").body("2"));
    assert_eq!(second.version, 2);
    assert_eq!(second.created, first.created);
    assert_eq!(second.modified, lab.after(0));
    assert!(second.revision > first.revision);
}

pub async fn put_of_expected_version_replaces(lab: Lab) {
    let record = lab.put(draft("a").body("1")).await;
    lab.commit([Op::Put(draft("a").body("2"), Some(record.version))]).await;
    assert_eq!(lab.get(&key("a")).await.expect("it is there").version, 2);
}

pub async fn put_of_other_version_conflicts(lab: Lab) {
    lab.put(draft("a").body("1")).await;
    lab.put(draft("a").body("2")).await;
    for other in [0, 1, 3] {
        let error = lab.refused([Op::Put(draft("a").body("3"), Some(other))]).await;
        assert!(matches!(error, StoreError::Conflict(changed) if changed == key("a")));
    }
}

pub async fn put_of_expected_version_conflicts_when_absent(lab: Lab) {
    let error = lab.refused([Op::Put(draft("a"), Some(1))]).await;
    assert!(matches!(error, StoreError::Conflict(_)));
}

pub async fn put_of_identical_draft_changes_nothing(lab: Lab) {
    let full = || draft("a").label("l", "v").unique("u", "v");
    let before = lab.put(full()).await;
    lab.clock.advance(Duration::from_secs(5));
    let committed = lab.commit([Op::Put(full(), None)]).await;
    assert_eq!(committed.changes, []);
    assert_eq!(committed.revision, before.revision);
    assert_eq!(lab.get(&key("a")).await, Some(before));
}

pub async fn put_of_identical_draft_checks_version(lab: Lab) {
    lab.put(draft("a")).await;
    let error = lab.refused([Op::Put(draft("a"), Some(7))]).await;
    assert!(matches!(error, StoreError::Conflict(_)));
}

pub async fn delete_removes(lab: Lab) {
    lab.put(draft("a")).await;
    lab.put(draft("b")).await;
    lab.delete(&key("a")).await;
    assert!(!lab.exists(&key("a")).await);
    assert!(lab.exists(&key("b")).await);
}

pub async fn delete_of_absent_is_refused(lab: Lab) {
    for version in [None, Some(1)] {
        let error = lab.refused([Op::Delete(key("a"), version)]).await;
        assert!(matches!(error, StoreError::NotFound(absent) if absent == key("a")));
    }
}

pub async fn delete_of_other_version_conflicts(lab: Lab) {
    lab.put(draft("a").body("1")).await;
    lab.put(draft("a").body("2")).await;
    let error = lab.refused([Op::Delete(key("a"), Some(1))]).await;
    assert!(matches!(error, StoreError::Conflict(_)));
    lab.commit([Op::Delete(key("a"), Some(2))]).await;
    assert!(!lab.exists(&key("a")).await);
}

pub async fn recreated_record_starts_at_version_one(lab: Lab) {
    lab.put(draft("a").body("1")).await;
    lab.put(draft("a").body("2")).await;
    lab.delete(&key("a")).await;
    lab.clock.advance(Duration::from_secs(1));
    let record = lab.put(draft("a").body("2")).await;
    assert_eq!((record.version, record.created), (1, lab.after(0)));
}

pub async fn revision_grows_by_one(lab: Lab) {
    let start = lab.revision().await;
    let create = lab.commit([Op::Create(draft("a").body("1"))]).await;
    let update = lab.commit([Op::Put(draft("a").body("2"), None)]).await;
    lab.refused([Op::Create(draft("a"))]).await;
    let delete = lab.delete(&key("a")).await;
    assert_eq!([create.revision, update.revision, delete.revision], [start + 1, start + 2, start + 3]);
    assert_eq!(lab.revision().await, start + 3);
}

pub async fn keys_differ_by_each_part(lab: Lab) {
    let keys = [
        Key::new("a", "b", "c"),
        Key::new("a", "b", "d"),
        Key::new("a", "", "c"),
        Key::new("b", "b", "c"),
        Key::new("a", "bc", ""),
    ];
    for (number, key) in keys.iter().enumerate() {
        lab.commit([Op::Create(Draft::new(key.clone(), number.to_string()))]).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let record = lab.get(key).await.expect("it was created");
        assert_eq!(*record.draft.body, number.to_string());
    }
}

pub async fn body_is_kept_to_the_byte(lab: Lab) {
    for body in
        ["{ \"b\" : 1.0e0,\n\t\"a\":1, \"a\":2 }", "\"\u{0}\\u0000\u{7f}😀\"", "", "null", "'; DROP TABLE record; --"]
    {
        let record = lab.put(draft("a").body(body)).await;
        assert_eq!(&*record.draft.body, body);
    }
}

pub async fn large_body_is_kept(lab: Lab) {
    let body = format!("\"{}\"", "0123456789abcdef".repeat(65_536));
    let record = lab.put(draft("a").body(&body)).await;
    assert!(*record.draft.body == *body, "a body of 1 MiB came back different");
}

pub async fn oversized_record_is_refused(lab: Lab) {
    let body = "x".repeat(20 * 1024 * 1024);
    let error = lab.refused([Op::Create(draft("a").body(&body))]).await;
    let StoreError::TooLarge(TooLarge::Record { key: large, size, limit }) = error else {
        panic!("not told that it is too large: {error:?}")
    };
    assert_eq!(large, key("a"));
    assert!(size >= body.len() && limit < size, "{size} bytes, limit {limit}");
}

pub async fn weird_names_are_kept(lab: Lab) {
    let names =
        ["", " ", "a'b\"c`d", "%_\\", "äöü", "e\u{301}", "日本語", "😀", "a\u{0}b", "a/b", "a\nb", "A", "a", "[*]?"];
    for name in names {
        lab.commit([Op::Create(draft(name).body(name).label(name, name).unique(name, name))]).await;
    }
    for name in names {
        let record = lab.get(&key(name)).await.expect("it was created");
        assert_eq!(record.draft, draft(name).body(name).label(name, name).unique(name, name));
    }
    let long = "n".repeat(4096);
    assert_eq!(*lab.put(draft(&long)).await.draft.key.name, *long);
}

pub async fn every_field_is_kept(lab: Lab) {
    lab.put(draft("a")).await;
    lab.put(draft("b")).await;
    let full = || {
        draft("full")
            .body("[1]")
            .label("x", "1")
            .label("y", "")
            .unique("u", "1")
            .unique("v", "2")
            .below("a")
            .referring("a")
            .referring("b")
            .until(lab.after(1000))
    };
    assert_eq!(lab.put(full()).await.draft, full());
}
