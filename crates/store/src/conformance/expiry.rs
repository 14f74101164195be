//! Records that vanish by themselves.

use std::time::Duration;

use super::lab::{Lab, draft, key, next_changes, told};
use crate::{Op, Query};

const MINUTE: Duration = Duration::from_secs(60);

pub async fn expired_record_is_gone(lab: Lab) {
    lab.put(draft("short").until(lab.after(60))).await;
    lab.put(draft("long").until(lab.after(120))).await;
    lab.put(draft("ever")).await;
    lab.clock.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(lab.names(Query::all("thing")).await, ["ever", "long", "short"]);
    lab.clock.advance(Duration::from_millis(1));
    assert!(!lab.exists(&key("short")).await);
    let page = lab.list(Query::all("thing")).await;
    assert_eq!((page.total, page.records.len()), (2, 2));
    lab.clock.advance(MINUTE);
    assert_eq!(lab.names(Query::all("thing")).await, ["ever"]);
}

pub async fn expired_record_frees_its_keys(lab: Lab) {
    lab.put(draft("a").unique("u", "1").until(lab.after(60))).await;
    lab.clock.advance(MINUTE);
    lab.commit([Op::Create(draft("b").unique("u", "1"))]).await;
    lab.commit([Op::Create(draft("a"))]).await;
    assert_eq!(lab.get(&key("a")).await.expect("it was created").version, 1);
}

pub async fn expiry_is_published(lab: Lab) {
    let mut early = lab.watch_changes().await;
    let record = lab.put(draft("a").until(lab.after(60))).await;
    let mut late = lab.watch_changes().await;
    assert_eq!(told(&*next_changes(&mut early).await), ["put a@1"]);
    lab.clock.advance(MINUTE);
    for watch in [&mut early, &mut late] {
        let committed = next_changes(watch).await;
        assert_eq!(told(&committed), ["delete a"]);
        assert_eq!(committed.revision, record.revision + 1);
    }
}

pub async fn expiry_is_a_transaction(lab: Lab) {
    let before = lab.put(draft("a").until(lab.after(60))).await.revision;
    lab.clock.advance(MINUTE);
    let committed = lab.commit([Op::Create(draft("b"))]).await;
    assert_eq!(told(&committed), ["put b@1"]);
    assert_eq!(committed.revision, before + 2);
}

pub async fn expiry_takes_children(lab: Lab) {
    lab.put(draft("p").until(lab.after(60))).await;
    lab.put(draft("a").below("p")).await;
    lab.put(draft("b").below("a").until(lab.after(60))).await;
    let mut watch = lab.watch_changes().await;
    lab.clock.advance(MINUTE);
    assert_eq!(told(&*next_changes(&mut watch).await), ["delete b", "delete a", "delete p"]);
    assert!(!lab.exists(&key("a")).await);
}

pub async fn expiry_ignores_references(lab: Lab) {
    lab.put(draft("r").until(lab.after(60))).await;
    lab.put(draft("a").referring("r")).await;
    lab.clock.advance(MINUTE);
    lab.commit([]).await;
    assert!(!lab.exists(&key("r")).await);
    assert!(lab.exists(&key("a")).await);
    lab.delete(&key("a")).await;
}

pub async fn expiry_can_be_put_off(lab: Lab) {
    let mut watch = lab.watch_changes().await;
    lab.put(draft("a").until(lab.after(60))).await;
    lab.put(draft("b").until(lab.after(60))).await;
    lab.put(draft("a").until(lab.after(180))).await;
    lab.put(draft("b")).await;
    lab.clock.advance(2 * MINUTE);
    assert_eq!(lab.names(Query::all("thing")).await, ["a", "b"]);
    lab.clock.advance(MINUTE);
    assert_eq!(lab.names(Query::all("thing")).await, ["b"]);
    for expected in ["put a@1", "put b@1", "put a@2", "put b@2", "delete a"] {
        assert_eq!(told(&*next_changes(&mut watch).await), [expected]);
    }
}
