use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn keys() -> impl Strategy<Value = Key> {
    ("\\PC{0,4}", "[\0-z]{0,4}", any::<String>())
        .prop_map(|(collection, scope, name)| Key::new(collection, scope, name))
}

fn times() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_nanosecond()..Timestamp::MAX.as_nanosecond())
        .prop_map(|nanosecond| Timestamp::from_nanosecond(nanosecond).unwrap())
}

fn changes() -> impl Strategy<Value = Change> {
    let relations = (vec(keys(), 0..3), vec(keys(), 0..3), option::of(times()));
    let texts = (btree_map(any::<String>(), any::<String>(), 0..3), vec(any::<(String, String)>(), 0..3));
    let put = (keys(), any::<String>(), any::<u64>(), texts, relations, times(), times()).prop_map(
        |(key, body, version, (labels, unique), (parents, references, expires), created, modified)| {
            let draft = Draft { key, body: body.into(), labels, unique, parents, references, expires };
            Change::Put(Arc::new(Record { draft, version, revision: 0, created, modified }))
        },
    );
    prop_oneof![3 => put, 1 => keys().prop_map(Change::Delete)]
}

fn commits() -> impl Strategy<Value = Vec<Committed>> {
    vec((any::<u64>(), vec(changes(), 0..5)), 0..4).prop_map(|commits| {
        commits.into_iter().map(|(revision, changes)| Committed { revision, changes }).map(numbered).collect()
    })
}

/// A record has the revision of its transaction.
fn numbered(mut commit: Committed) -> Committed {
    for change in &mut commit.changes {
        if let Change::Put(record) = change {
            Arc::make_mut(record).revision = commit.revision;
        }
    }
    commit
}

fn decoded(parts: &[Vec<u8>]) -> Result<Vec<Committed>, FrameError> {
    let mut commits = Vec::new();
    parts.iter().try_for_each(|part| decode(part, &mut commits))?;
    Ok(commits)
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(commits in commits(), limit in 0..300_usize) {
        prop_assert_eq!(decoded(&encode(&commits, limit)).unwrap(), commits);
    }

    #[test]
    fn what_is_cut_off_is_no_whole(commits in commits(), cut in any::<prop::sample::Index>()) {
        let mut parts = encode(&commits, usize::MAX);
        let length = parts[0].len();
        prop_assume!(length > 0);
        parts[0].truncate(cut.index(length));
        // It may end between two changes, but then one is missing.
        if let Ok(found) = decoded(&parts) {
            prop_assert_ne!(found, commits);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>) {
        drop(decoded(&[bytes]));
    }
}

#[test]
fn ids_tell_parts_of_keys_apart() {
    let keys = [Key::new("ab", "", "c"), Key::new("a", "b", "c"), Key::new("a", "", "bc"), Key::new("a", "", "b\0c")];
    for (n, key) in keys.iter().enumerate() {
        for other in &keys[..n] {
            assert_ne!(id(key), id(other), "{key} and {other}");
        }
    }
}
