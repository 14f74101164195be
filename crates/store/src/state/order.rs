//! Sorting by key.

use std::collections::BTreeMap;

use crate::record::Key;

/// Up to here comparing whole keys is as fast.
const FEW: usize = 32;

/// Sorts by key. Comparing keys follows pointers into all of memory, but the first bytes of their names tell most of
/// them apart, and those are looked up once.
pub(super) fn in_order<T>(entries: impl IntoIterator<Item = (Key, T)>) -> Vec<(Key, T)> {
    let mut entries: Vec<(Key, T)> = entries.into_iter().collect();
    if entries.len() <= FEW {
        entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        return entries;
    }
    let mut groups: BTreeMap<(&str, &str), Vec<(u64, usize)>> = BTreeMap::new();
    for (place, (key, _)) in entries.iter().enumerate() {
        groups.entry((&key.collection, &key.scope)).or_default().push((beginning(&key.name), place));
    }
    let name = |place: usize| &entries[place].0.name;
    for group in groups.values_mut() {
        group.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| name(left.1).cmp(name(right.1))));
    }
    let places: Vec<usize> = groups.into_values().flatten().map(|(_, place)| place).collect();
    let mut entries: Vec<Option<(Key, T)>> = entries.into_iter().map(Some).collect();
    places.into_iter().map(|place| entries[place].take().expect("each place is listed once")).collect()
}

/// As many bytes as a number has, of which the first counts most. What is shorter comes first, as it does in texts.
fn beginning(name: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = name.len().min(bytes.len());
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = Vec<Key>> {
        let key = ("[ab]{1,2}", "[ab]{0,1}", "[a\u{0}\u{e9}]{0,10}").prop_map(|(c, s, n)| Key::new(c, s, n));
        prop::collection::vec(key, 0..200)
    }

    proptest! {
        #[test]
        fn order_is_that_of_keys(keys in keys()) {
            let sorted: Vec<Key> = in_order(keys.iter().map(|key| (key.clone(), ()))).into_iter().map(|(key, ())| key).collect();
            let mut expected = keys;
            expected.sort();
            prop_assert_eq!(sorted, expected);
        }
    }
}
