//! Roles of one instance.

use futures_util::FutureExt;

use super::lab::{Lab, soon};

pub async fn only_instance_has_every_role(lab: Lab) {
    let mut first = soon(lab.store().lead("a")).await.expect("nobody else is there");
    let _second = soon(lab.store().lead("b")).await.expect("nobody else is there");
    assert!(first.lost().now_or_never().is_none(), "it is not lost without reason");
}

pub async fn role_that_was_given_up_can_be_had_again(lab: Lab) {
    for _ in 0..3 {
        drop(soon(lab.store().lead("a")).await.expect("nobody else is there"));
    }
}

pub async fn abandoned_candidate_does_not_get_it(lab: Lab) {
    let role = soon(lab.store().lead("a")).await.expect("nobody else is there");
    drop(lab.store().lead("a").now_or_never());
    drop(role);
    drop(soon(lab.store().lead("a")).await.expect("nobody else is there"));
}
