//! What no two entities of a kind may share: their name, their id, the values of unique fields.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use serde_json::Value;

use super::error::Tree;
use super::flatten::Items;
use super::kinds::{Kind, Kinds};
use crate::error::Fields;
use crate::schema::{Document, Source};

type Seen<'a> = HashSet<&'a str, foldhash::fast::RandomState>;

/// What entities claim, as hashes: that nothing is claimed twice, as it mostly is, is told by them alone.
#[derive(Debug, Default)]
pub(super) struct Claims {
    all: Vec<u64>,
    hasher: RandomState,
}

impl Claims {
    /// Makes place for so many more entities, each of which has an id, and most of which have a name.
    pub(super) fn reserve(&mut self, entities: usize) {
        self.all.reserve(2 * entities);
    }

    /// The hash of a name.
    pub(super) fn name(&self, kind: usize, name: &str) -> u64 {
        self.hasher.hash_one((kind, name))
    }

    /// The hashes of the values of other unique fields.
    pub(super) fn of(&self, kind: usize, fields: &Kind<'_>, document: &dyn Document) -> Vec<u64> {
        let mut claims = Vec::new();
        values(fields, document, &mut |field, value| {
            claims.push(self.hasher.hash_one((kind, field, value)));
        });
        claims
    }

    /// Claims a name and other values.
    pub(super) fn take(&mut self, name: Option<u64>, values: &[u64]) {
        self.all.extend(name);
        self.all.extend_from_slice(values);
    }

    /// Claims what has this hash.
    pub(super) fn insert(&mut self, claim: u64) {
        self.all.push(claim);
    }

    /// Whether something may be claimed twice. All of it is compared at once: what is looked up here and there between
    /// other work is waited for each time.
    pub(super) fn any_twice(&self, source: &mut dyn Source) -> bool {
        let mut taken: HashSet<u64, foldhash::fast::RandomState> = HashSet::default();
        taken.reserve(self.all.len());
        self.all.chunks(64).any(|claims| {
            source.pause();
            claims.iter().any(|claim| !taken.insert(*claim))
        })
    }
}

/// The value that names a document among all of its kind.
pub(super) fn name<'d>(kind: &Kind<'_>, document: &'d dyn Document) -> Option<&'d str> {
    let (field, _) = kind.endpoint.filter(|(_, unique)| *unique)?;
    document.get(field)?.as_str()
}

/// Calls `visit` with the values of the unique fields besides the name.
fn values(kind: &Kind<'_>, document: &dyn Document, visit: &mut dyn FnMut(&'static str, &str)) {
    let endpoint = kind.endpoint.map(|(field, _)| field);
    for field in kind.unique.iter().filter(|field| endpoint != Some(**field)) {
        match document.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => visit(field, text),
            Some(Value::Object(key)) => visit(field, key.get("id").and_then(Value::as_str).unwrap_or_default()),
            Some(other) => visit(field, &other.to_string()),
        }
    }
}

/// Says what the documents of the items claim twice.
pub(super) fn report(kinds: &Kinds<'_>, items: &Items, documents: &[Fields], tree: &mut Tree) {
    let mut names: Vec<Seen<'_>> = vec![Seen::default(); kinds.len()];
    let mut ids = names.clone();
    for (item, document) in items.all.iter().zip(documents) {
        let kind = kinds.get(item.kind);
        if let Some((name, (field, _))) = name(kind, document).zip(kind.endpoint)
            && !names[item.kind].insert(name)
        {
            tree.field(kind.name).item(item.at).set_text(&taken(kind.name, field, name));
            continue;
        }
        if !ids[item.kind].insert(&item.id) {
            let list = match item.parent {
                Some((parent, _)) => {
                    let parent = &items.all[parent];
                    tree.field(kinds.get(parent.kind).name).item(parent.at).field(kind.name)
                }
                None => tree.field(kind.name),
            };
            list.item(item.at).set_text(&taken(kind.name, "primary key", &item.id));
        }
    }
    if tree.is_empty() {
        report_fields(kinds, items, documents, tree);
    }
}

fn report_fields(kinds: &Kinds<'_>, items: &Items, documents: &[Fields], tree: &mut Tree) {
    let mut seen: HashSet<(usize, &'static str, String), foldhash::fast::RandomState> = HashSet::default();
    for (item, document) in items.all.iter().zip(documents) {
        let kind = kinds.get(item.kind);
        values(kind, document, &mut |field, value| {
            if !seen.insert((item.kind, field, value.to_owned())) {
                let place = name(kind, document).unwrap_or(&item.id);
                tree.field(kind.name).field(place).set_text(&taken(kind.name, field, value));
            }
        });
    }
}

fn taken(kind: &str, field: &str, value: &str) -> String {
    format!("uniqueness violation: '{kind}' entity with {field} set to '{value}' already declared")
}
