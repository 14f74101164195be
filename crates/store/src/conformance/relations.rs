//! Secondary keys, parents and references.

use super::lab::{Lab, draft, key, told};
use crate::{Draft, Key, Op, StoreError};

pub async fn unique_key_is_exclusive(lab: Lab) {
    lab.put(draft("a").unique("user", "bob")).await;
    for taking in [Op::Create(draft("b").unique("user", "bob")), Op::Put(draft("c").unique("user", "bob"), None)] {
        let StoreError::NotUnique { field, value, owner } = lab.refused([taking]).await else {
            panic!("not told that the key is taken")
        };
        assert_eq!((field.as_str(), value.as_str(), owner), ("user", "bob", key("a")));
    }
    lab.put(draft("b").unique("user", "Bob")).await;
    lab.put(draft("c").unique("user", "")).await;
}

pub async fn every_unique_key_is_checked(lab: Lab) {
    lab.put(draft("a").unique("user", "bob").unique("mail", "b@x")).await;
    let error = lab.refused([Op::Create(draft("b").unique("user", "eve").unique("mail", "b@x"))]).await;
    assert!(matches!(error, StoreError::NotUnique { field, .. } if field == "mail"));
    lab.put(draft("b").unique("user", "eve")).await;
}

pub async fn unique_key_is_per_collection_and_field(lab: Lab) {
    lab.put(draft("a").unique("user", "bob")).await;
    lab.put(draft("b").unique("mail", "bob")).await;
    lab.put(Draft::new(Key::new("other", "scope", "a"), "{}").unique("user", "bob")).await;
    let elsewhere = Draft::new(Key::new("thing", "elsewhere", "a"), "{}").unique("user", "bob");
    assert!(matches!(lab.refused([Op::Create(elsewhere)]).await, StoreError::NotUnique { .. }));
}

pub async fn unique_key_of_itself_is_free(lab: Lab) {
    lab.put(draft("a").body("1").unique("u", "1")).await;
    lab.put(draft("a").body("2").unique("u", "1").unique("u", "2")).await;
    lab.put(draft("a").body("3").unique("u", "2")).await;
}

pub async fn unique_key_is_free_after_delete(lab: Lab) {
    lab.put(draft("a").unique("u", "1")).await;
    lab.delete(&key("a")).await;
    lab.put(draft("b").unique("u", "1")).await;
}

pub async fn unique_key_is_free_after_update(lab: Lab) {
    lab.put(draft("a").unique("u", "1")).await;
    lab.put(draft("a").unique("u", "2")).await;
    lab.put(draft("b").unique("u", "1")).await;
    let error = lab.refused([Op::Create(draft("c").unique("u", "2"))]).await;
    assert!(matches!(error, StoreError::NotUnique { owner, .. } if owner == key("a")));
}

pub async fn unique_key_moves_within_transaction(lab: Lab) {
    lab.put(draft("a").unique("u", "1")).await;
    lab.commit([Op::Put(draft("a"), None), Op::Create(draft("b").unique("u", "1"))]).await;
    lab.commit([Op::Delete(key("b"), None), Op::Put(draft("a").unique("u", "1"), None)]).await;
    let error = lab.refused([Op::Create(draft("b").unique("u", "1"))]).await;
    assert!(matches!(error, StoreError::NotUnique { owner, .. } if owner == key("a")));
}

pub async fn record_is_found_by_its_unique_key(lab: Lab) {
    lab.put(draft("a").unique("user", "bob").unique("mail", "b@x")).await;
    lab.put(Draft::new(Key::new("other", "scope", "b"), "{}").unique("user", "eve")).await;
    assert_eq!(lab.find("user", "bob").await.as_deref(), Some("a"));
    assert_eq!(lab.find("mail", "b@x").await.as_deref(), Some("a"));
    assert_eq!(lab.find("user", "b@x").await, None);
    assert_eq!(lab.find("user", "eve").await, None);
    lab.put(draft("a").unique("user", "ann")).await;
    assert_eq!(lab.find("user", "bob").await, None);
    lab.delete(&key("a")).await;
    assert_eq!(lab.find("user", "ann").await, None);
}

pub async fn missing_parent_is_refused(lab: Lab) {
    let error = lab.refused([Op::Create(draft("a").below("p"))]).await;
    assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("p")));
    let error = lab.refused([Op::Create(draft("p").below("p"))]).await;
    assert!(matches!(error, StoreError::MissingReference(_)), "nothing is its own parent from birth");
}

pub async fn missing_reference_is_refused(lab: Lab) {
    lab.put(draft("r")).await;
    let error = lab.refused([Op::Create(draft("a").referring("r").referring("s"))]).await;
    assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("s")));
}

pub async fn named_records_may_come_earlier_in_transaction(lab: Lab) {
    lab.commit([Op::Create(draft("p")), Op::Create(draft("r")), Op::Create(draft("a").below("p").referring("r"))])
        .await;
    let error = lab.refused([Op::Create(draft("b").below("q")), Op::Create(draft("q"))]).await;
    assert!(matches!(error, StoreError::MissingReference(_)));
}

pub async fn delete_cascades_to_all_levels(lab: Lab) {
    lab.put(draft("root")).await;
    lab.put(draft("mid").below("root")).await;
    lab.put(draft("leaf").below("mid").unique("u", "1")).await;
    lab.put(Draft { parents: vec![key("mid")], ..Draft::new(Key::new("other", "", "leaf2"), "{}") }).await;
    lab.put(draft("stranger")).await;

    let committed = lab.delete(&key("root")).await;

    let mut told = told(&committed);
    assert_eq!(told.split_off(2), ["delete mid", "delete root"]);
    told.sort();
    assert_eq!(told, ["delete leaf", "delete leaf2"]);
    let left: Vec<_> = lab.everything().await.iter().map(|record| record.draft.key.clone()).collect();
    assert_eq!(left, [key("stranger")]);
    lab.put(draft("next").unique("u", "1")).await;
}

pub async fn any_parent_takes_its_child(lab: Lab) {
    for name in ["p", "q"] {
        lab.put(draft(name)).await;
    }
    for name in ["a", "b"] {
        lab.put(draft(name).below("p").below("q")).await;
    }
    assert!(matches!(
        lab.refused([Op::Create(draft("c").below("p").below("r"))]).await,
        StoreError::MissingReference(_)
    ));
    lab.put(draft("b").below("p")).await;
    assert_eq!(told(&*lab.delete(&key("q")).await), ["delete a", "delete q"]);
    assert_eq!(told(&*lab.delete(&key("p")).await), ["delete b", "delete p"]);
}

pub async fn cascade_spares_moved_child(lab: Lab) {
    for name in ["p", "q"] {
        lab.put(draft(name)).await;
    }
    for name in ["moved", "freed", "stays", "moved later"] {
        lab.put(draft(name).below("p")).await;
    }
    lab.put(draft("moved").below("q")).await;
    lab.put(draft("freed")).await;
    let committed = lab.commit([Op::Put(draft("moved later").below("q"), None), Op::Delete(key("p"), None)]).await;
    assert_eq!(told(&committed)[1..], ["delete stays", "delete p"]);
}

pub async fn cascade_follows_child_added_in_transaction(lab: Lab) {
    lab.put(draft("p")).await;
    lab.put(draft("a")).await;
    let committed = lab.commit([Op::Put(draft("a").below("p"), None), Op::Delete(key("p"), None)]).await;
    assert_eq!(told(&committed), ["put a@2", "delete a", "delete p"]);
}

pub async fn cascade_ends_in_a_circle(lab: Lab) {
    lab.put(draft("a")).await;
    lab.put(draft("b").below("a")).await;
    lab.put(draft("a").below("b")).await;
    assert_eq!(told(&*lab.delete(&key("a")).await), ["delete b", "delete a"]);
}

pub async fn referred_record_is_in_use(lab: Lab) {
    lab.put(draft("r")).await;
    lab.put(draft("a").referring("r")).await;
    let StoreError::InUse { key: used, by } = lab.refused([Op::Delete(key("r"), None)]).await else {
        panic!("not told that it is in use")
    };
    assert_eq!((used, by), (key("r"), key("a")));
    lab.put(draft("r").body("replaced")).await;
}

pub async fn reference_ends_with_update(lab: Lab) {
    lab.put(draft("r")).await;
    lab.put(draft("a").referring("r")).await;
    lab.put(draft("a")).await;
    lab.delete(&key("r")).await;
}

pub async fn reference_ends_with_delete(lab: Lab) {
    lab.put(draft("r")).await;
    lab.put(draft("a").referring("r")).await;
    lab.commit([Op::Delete(key("a"), None), Op::Delete(key("r"), None)]).await;
}

pub async fn cascade_stops_at_referred_descendant(lab: Lab) {
    lab.put(draft("root")).await;
    lab.put(draft("leaf").below("root")).await;
    lab.put(draft("a").referring("leaf")).await;
    let error = lab.refused([Op::Delete(key("root"), None)]).await;
    assert!(matches!(error, StoreError::InUse { key: used, by } if used == key("leaf") && by == key("a")));
}

pub async fn reference_within_cascade_does_not_stop_it(lab: Lab) {
    lab.put(draft("root")).await;
    lab.put(draft("a").below("root")).await;
    lab.put(draft("b").below("root").referring("a").referring("root")).await;
    assert_eq!(lab.delete(&key("root")).await.changes.len(), 3);
}

pub async fn deleted_record_cannot_be_named_later_in_transaction(lab: Lab) {
    lab.put(draft("p")).await;
    for naming in [draft("a").below("p"), draft("a").referring("p")] {
        let error = lab.refused([Op::Delete(key("p"), None), Op::Create(naming)]).await;
        assert!(matches!(error, StoreError::MissingReference(missing) if missing == key("p")));
    }
}
