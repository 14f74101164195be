//! All or nothing.

use super::lab::{Lab, draft, key, next_changes, told};
use crate::{Op, Query, StoreError, TooLarge};

pub async fn steps_share_one_revision(lab: Lab) {
    let before = lab.revision().await;
    let committed = lab.commit([Op::Create(draft("a")), Op::Create(draft("b"))]).await;
    assert_eq!(committed.revision, before + 1);
    for name in ["a", "b"] {
        assert_eq!(lab.get(&key(name)).await.expect("it was created").revision, committed.revision);
    }
}

pub async fn changes_are_in_order(lab: Lab) {
    lab.put(draft("old")).await;
    let committed = lab
        .commit([
            Op::Create(draft("b")),
            Op::Create(draft("a")),
            Op::Put(draft("b"), None),
            Op::Put(draft("b").body("2"), None),
            Op::Delete(key("old"), None),
        ])
        .await;
    assert_eq!(told(&committed), ["put b@1", "put a@1", "put b@2", "delete old"]);
}

pub async fn steps_see_earlier_steps(lab: Lab) {
    lab.commit([Op::Create(draft("a").body("1")), Op::Put(draft("a").body("2"), Some(1))]).await;
    let error = lab.refused([Op::Create(draft("b")), Op::Create(draft("b"))]).await;
    assert!(matches!(error, StoreError::Exists(_)));
    let error = lab.refused([Op::Delete(key("a"), Some(2)), Op::Delete(key("a"), None)]).await;
    assert!(matches!(error, StoreError::NotFound(_)));
}

pub async fn empty_transaction_changes_nothing(lab: Lab) {
    let before = lab.put(draft("a")).await.revision;
    let committed = lab.commit([]).await;
    assert_eq!((committed.revision, committed.changes.len()), (before, 0));
}

pub async fn failed_step_undoes_all(lab: Lab) {
    let before = lab.put(draft("a").body("1")).await;
    let mut watch = lab.watch_changes().await;
    let error = lab
        .refused([
            Op::Put(draft("a").body("2"), None),
            Op::Put(draft("a").body("3"), None),
            Op::Create(draft("b")),
            Op::Delete(key("a"), None),
            Op::Delete(key("absent"), None),
        ])
        .await;
    assert!(matches!(error, StoreError::NotFound(_)));
    assert_eq!(lab.get(&key("a")).await, Some(before.clone()));
    assert_eq!(lab.names(Query::all("thing")).await, ["a"]);
    let next = lab.commit([Op::Create(draft("c"))]).await;
    assert_eq!(next.revision, before.revision + 1);
    assert_eq!(next_changes(&mut watch).await, next);
}

pub async fn failed_transaction_frees_what_it_took(lab: Lab) {
    lab.put(draft("p")).await;
    let failing =
        [Op::Create(draft("a").unique("u", "1").below("p").referring("p")), Op::Create(draft("b").unique("u", "1"))];
    assert!(matches!(lab.refused(failing).await, StoreError::NotUnique { .. }));
    lab.put(draft("c").unique("u", "1")).await;
    assert_eq!(told(&*lab.delete(&key("p")).await), ["delete p"]);
}

pub async fn failed_transaction_restores_what_it_deleted(lab: Lab) {
    lab.put(draft("p")).await;
    lab.put(draft("a").unique("u", "1").below("p").until(lab.after(100))).await;
    lab.refused([Op::Delete(key("p"), None), Op::Create(draft("x").below("p"))]).await;
    let error = lab.refused([Op::Create(draft("b").unique("u", "1"))]).await;
    assert!(matches!(error, StoreError::NotUnique { owner, .. } if owner == key("a")));
    assert_eq!(told(&*lab.delete(&key("p")).await), ["delete a", "delete p"]);
}

pub async fn created_and_deleted_leaves_nothing(lab: Lab) {
    let committed = lab.commit([Op::Create(draft("a").unique("u", "1")), Op::Delete(key("a"), None)]).await;
    assert_eq!(told(&committed), ["put a@1", "delete a"]);
    assert!(!lab.exists(&key("a")).await);
    lab.put(draft("b").unique("u", "1")).await;
}

pub async fn too_many_steps_are_refused(lab: Lab) {
    let error = lab.refused((0..=1_000_000).map(|_| Op::Delete(key("a"), None))).await;
    assert!(matches!(error, StoreError::TooLarge(TooLarge::Transaction { steps: 1_000_001, .. })));
}
