//! From the names of a record's fields to their places.

/// The names of a record's fields by place. Looking one up costs less than hashing it would: documents are checked by
/// looking up dozens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    all: Vec<&'static str>,
    /// The place of a name, from 1, near where [`hint`] says; 0 ends the search. There is always room.
    places: Box<[u16]>,
}

/// Lengths and ends of names tell most of them apart.
fn hint(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |at: usize| bytes.get(at).map_or(0, |byte| usize::from(*byte));
    at(0).wrapping_mul(31) ^ at(bytes.len().wrapping_sub(2)).wrapping_mul(7) ^ bytes.len().wrapping_mul(131)
}

impl Names {
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        let most = self.places.len().checked_sub(1)?;
        let mut slot = hint(name) & most;
        loop {
            let place = usize::from(self.places[slot]).checked_sub(1)?;
            let known = self.all[place];
            // Most are looked up by the same literal.
            if std::ptr::eq(known, name) || known == name {
                return Some(place);
            }
            slot = (slot + 1) & most;
        }
    }

    /// Adds a name that is not there.
    pub(crate) fn push(&mut self, name: &'static str) {
        self.all.push(name);
        if self.all.len() * 4 <= self.places.len() {
            let place = self.all.len() - 1;
            self.put(place);
            return;
        }
        self.places = vec![0; (self.all.len() * 8).next_power_of_two()].into();
        (0..self.all.len()).for_each(|place| self.put(place));
    }

    fn put(&mut self, place: usize) {
        let most = self.places.len() - 1;
        let mut slot = hint(self.all[place]) & most;
        while self.places[slot] != 0 {
            slot = (slot + 1) & most;
        }
        self.places[slot] = u16::try_from(place + 1).expect("a schema has no thousands of fields");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_place_and_others_have_none() {
        let names: Vec<&'static str> =
            (0..300).map(|number| &*String::leak(format!("f{}{number}", "x".repeat(number % 5)))).collect();
        let mut index = Names::default();
        assert_eq!(index.get("f0"), None);
        for name in &names {
            index.push(name);
        }
        for (place, name) in names.iter().enumerate() {
            assert_eq!(index.get(name), Some(place));
        }
        for name in ["", "f", "x", "f300", "fx0"] {
            assert_eq!(index.get(name), None);
        }
    }
}
