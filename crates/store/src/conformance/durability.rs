//! What outlives the store's handle, and with it the process.

use std::time::Duration;

use super::lab::{Lab, draft, key, told};
use crate::{Op, Query, StoreError};

pub async fn content_is_kept(mut lab: Lab) {
    let weird = "a'b\"c%_\\ä😀\u{0}";
    lab.put(draft("a").body("{ \"x\": 1.0 }").label(weird, weird).unique("u", weird)).await;
    lab.put(draft(weird).below("a").referring("a").until(lab.after(1000))).await;
    lab.put(draft("large").body(&"x".repeat(1 << 20))).await;
    let before = lab.everything().await;
    assert_eq!(before.len(), 3);
    lab.reopen().await;
    assert_eq!(lab.everything().await, before);
}

pub async fn revision_goes_on(mut lab: Lab) {
    let mut last = lab.revision().await;
    for n in 0..3 {
        let committed = lab.commit([Op::Create(draft(&n.to_string()))]).await;
        assert!(committed.revision > last);
        last = lab.delete(&key(&n.to_string())).await.revision;
        lab.reopen().await;
        assert_eq!(lab.revision().await, last);
    }
}

pub async fn versions_go_on(mut lab: Lab) {
    let first = lab.put(draft("a").body("1")).await;
    lab.reopen().await;
    lab.clock.advance(Duration::from_secs(1));
    let error = lab.refused([Op::Put(draft("a").body("2"), Some(2))]).await;
    assert!(matches!(error, StoreError::Conflict(_)));
    let second = lab.put(draft("a").body("2")).await;
    assert_eq!((second.version, second.created), (2, first.created));
}

pub async fn relations_are_kept(mut lab: Lab) {
    lab.put(draft("p")).await;
    lab.put(draft("a").below("p").unique("u", "1")).await;
    lab.put(draft("r")).await;
    lab.put(draft("b").referring("r")).await;
    lab.reopen().await;
    assert!(matches!(lab.refused([Op::Create(draft("c").unique("u", "1"))]).await, StoreError::NotUnique { .. }));
    assert!(matches!(lab.refused([Op::Delete(key("r"), None)]).await, StoreError::InUse { .. }));
    assert_eq!(told(&*lab.delete(&key("p")).await), ["delete a", "delete p"]);
}

pub async fn record_expires_while_closed(mut lab: Lab) {
    lab.put(draft("a").until(lab.after(60))).await;
    lab.put(draft("b").until(lab.after(120))).await;
    lab.reopen().await;
    lab.clock.advance(Duration::from_secs(60));
    lab.reopen().await;
    assert_eq!(lab.names(Query::all("thing")).await, ["b"]);
    lab.commit([Op::Create(draft("a"))]).await;
}

pub async fn deleted_stays_deleted(mut lab: Lab) {
    lab.put(draft("p")).await;
    lab.put(draft("a").below("p")).await;
    lab.put(draft("b")).await;
    lab.delete(&key("p")).await;
    lab.reopen().await;
    assert_eq!(lab.names(Query::all("thing")).await, ["b"]);
}
