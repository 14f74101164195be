//! Counts apart from the records.

use std::time::Duration;

use tokio::task::JoinSet;

use super::lab::Lab;
use crate::Increment;

/// Adds to a counter that ends in a minute.
pub(super) async fn add(lab: &Lab, key: &str, by: u64) -> u64 {
    adds(lab, &[(key, by)]).await[0]
}

async fn adds(lab: &Lab, adds: &[(&str, u64)]) -> Vec<u64> {
    let expires = lab.after(60);
    let increments = adds.iter().map(|(key, by)| Increment { key: (*key).into(), by: *by, expires }).collect();
    lab.store().add(increments).await.expect("the store counts")
}

pub async fn counter_begins_at_zero_and_counts(lab: Lab) {
    assert_eq!(add(&lab, "a", 0).await, 0);
    assert_eq!(add(&lab, "a", 1).await, 1);
    assert_eq!(add(&lab, "a", 41).await, 42);
    assert_eq!(add(&lab, "a", 0).await, 42);
    assert_eq!(add(&lab, "b", 1).await, 1);
    assert!(lab.store().add(Vec::new()).await.expect("it is nothing").is_empty());
}

pub async fn counts_come_in_the_order_of_increments(lab: Lab) {
    add(&lab, "b", 5).await;
    let counts = adds(&lab, &[("a", 1), ("b", 2), ("a", 0), ("a", 3), ("c", 0), ("b", 1)]).await;
    assert_eq!(counts, [1, 7, 1, 4, 0, 8]);
}

pub async fn counter_ends_and_begins_again(lab: Lab) {
    add(&lab, "a", 7).await;
    lab.clock.advance(Duration::from_secs(59));
    assert_eq!(add(&lab, "a", 1).await, 8, "the first end counts");
    lab.clock.advance(Duration::from_secs(1));
    assert_eq!(add(&lab, "a", 2).await, 2);
    lab.clock.advance(Duration::from_secs(59));
    assert_eq!(add(&lab, "a", 0).await, 2, "it has a new end");
    lab.clock.advance(Duration::from_secs(1));
    assert_eq!(add(&lab, "a", 0).await, 0);
}

pub async fn keys_of_counters_may_be_weird(lab: Lab) {
    let long = "x".repeat(Increment::MAX_KEY);
    let keys = ["", "a", "A", "a ", "a\0", "a\0b", "ä😀", "'; --", &long];
    for (key, n) in keys.iter().zip(1..) {
        assert_eq!(add(&lab, key, n).await, n, "{key:?}");
    }
}

pub async fn counter_does_not_overflow(lab: Lab) {
    let most = i64::MAX.cast_unsigned();
    add(&lab, "a", most - 1).await;
    assert!(add(&lab, "a", 10).await >= most);
    assert!(add(&lab, "a", most).await >= most);
}

pub async fn no_increment_is_lost(lab: Lab) {
    const TASKS: u64 = 16;
    const EACH: u64 = 20;
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = lab.store().clone();
        let expires = lab.after(60);
        tasks.spawn(async move {
            let mut last = 0;
            for _ in 0..EACH {
                let increments = ["a", "b"].map(|key| Increment { key: key.into(), by: 1, expires });
                let counts = store.add(increments.into()).await.expect("the store counts");
                assert!(counts[0] > last, "a count was seen twice");
                last = counts[0];
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(adds(&lab, &[("a", 0), ("b", 0)]).await, [TASKS * EACH, TASKS * EACH]);
}
