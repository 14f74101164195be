//! Checks entities one by one, then against each other.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use serde_json::{Value, json};

use super::entity::Scratch;
use super::error::{Failure, Tree};
use super::flatten::{Item, Items, LISTED};
use super::given::Given;
use super::kinds::{Kind, Kinds};
use super::unique;
use super::{Entity, Head, Known, migrate};
use crate::error::{DaoError, Fields};
use crate::schema::Source;
use crate::schema::filled::Filled;

type Index<'a> = HashMap<&'a str, usize, foldhash::fast::RandomState>;

/// Stands for an entity that does not exist until all others are checked.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

const MUST_BE_NULL: &str = "value must be null";

/// A reference that leads nowhere.
struct Dangling {
    item: usize,
    field: &'static str,
    reference: &'static str,
    value: Value,
    /// What the entity that has it is called.
    called: String,
}

/// Entities by what they are referred to by: for each kind that something refers to, by name and by id.
struct Directory<'i> {
    items: &'i Items,
    given: &'i [Given],
    kinds: Vec<OnceCell<(Index<'i>, Index<'i>)>>,
}

/// Checks all entities, but for what is `known` to be right. `tree` has what was found wrong with the lists they came
/// from.
pub(super) fn check(
    kinds: &Kinds<'_>,
    (mut items, mut given): (Items, Vec<Given>),
    head: &Head,
    mut tree: Tree,
    known: &Known,
    source: &mut dyn Source,
) -> Result<Vec<Entity>, Failure> {
    let references = References::resolve(kinds, &items, &mut given);
    let mut claims = std::mem::take(&mut items.claims);
    let mut source = Noticing { source, now: None, random: false };
    let mut checked = Checked { entities: Vec::with_capacity(items.all.len()), open: BTreeMap::new() };
    let mut scratch = Scratch::default();
    // What children of the same parent refer to it by.
    let mut reference = (None, Value::Null);
    for (index, (item, given)) in items.all.iter().zip(given).enumerate() {
        source.pause();
        let kind = kinds.get(item.kind);
        let parent = item.parent.map(|(parent, field)| (field, items.all[parent].id.as_str()));
        let origin = (kind.has_uuid && !kind.is_open(head)).then(|| Known::origin(&head.format, &given, parent));
        let values = claims.of(item.kind, kind, &given);
        if let Some(same) = origin.and_then(|origin| known.find(kind.name, item.key, origin)) {
            claims.take(item.name, &values);
            checked.entities.push(same);
            continue;
        }
        if let Some((parent, _)) = item.parent.filter(|(parent, _)| reference.0 != Some(*parent)) {
            reference = (Some(parent), json!({ "id": items.all[parent].id }));
        }
        source.random = false;
        let mut document = match kind.entity.fill(given, &mut source) {
            Ok(document) => document,
            Err(DaoError::SchemaViolation(fields)) => {
                items.place(kinds, Some((index, "")), &mut tree).add(Value::Object(fields));
                continue;
            }
            Err(other) => {
                items.place(kinds, Some((index, "")), &mut tree).set_text(&other.message());
                continue;
            }
        };
        if let Some((field, _)) = parent {
            document.set(field, &reference.1);
        }
        let name = unique::name(kind, &document).map(|name| claims.name(item.kind, name));
        let made = claims.of(item.kind, kind, &document);
        claims.take(name, &made);
        // What was given says who it is in another load, before it is completed.
        let as_given = name == item.name && made.iter().eq(&values);
        checked.add((kind, head), document, origin.filter(|_| as_given && !source.random), &mut scratch);
    }
    references.report_if_others_failed(kinds, &items, &mut tree);
    if !tree.is_empty() {
        return Err(Failure { tree, ids: Vec::new() });
    }
    if claims.any_twice(&mut source) {
        unique::report(kinds, &items, &checked.documents(), &mut tree);
    }
    references.report(kinds, &items, &mut tree);
    if !tree.is_empty() {
        let derived = items.all.iter().enumerate().filter(|(_, item)| item.derived);
        let ids = derived.map(|(index, item)| (items.way(kinds, index), item.id.clone())).collect();
        return Err(Failure { tree, ids });
    }
    finish(kinds, &items, checked, &mut source)
}

impl<'i> Directory<'i> {
    fn new(kinds: usize, items: &'i Items, given: &'i [Given]) -> Self {
        Self { items, given, kinds: (0..kinds).map(|_| OnceCell::new()).collect() }
    }

    fn find(&self, kinds: &Kinds<'_>, kind: usize, key: &str) -> Option<usize> {
        let (names, ids) = self.kinds[kind].get_or_init(|| {
            let (mut names, mut ids) = (Index::default(), Index::default());
            for (index, item) in self.items.all.iter().enumerate().filter(|(_, item)| item.kind == kind) {
                if let Some(name) = unique::name(kinds.get(kind), &self.given[index]) {
                    names.entry(name).or_insert(index);
                }
                ids.entry(item.id.as_str()).or_insert(index);
            }
            (names, ids)
        });
        names.get(key).or_else(|| ids.get(key)).copied()
    }
}

/// A source with one time for all, that notices when something was made at random, which is another thing each time.
struct Noticing<'s> {
    source: &'s mut dyn Source,
    now: Option<u64>,
    random: bool,
}

impl Source for Noticing<'_> {
    fn now_ms(&mut self) -> u64 {
        *self.now.get_or_insert_with(|| self.source.now_ms())
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.random = true;
        self.source.random(buffer);
    }

    fn pause(&mut self) {
        self.source.pause();
    }
}

/// Entities that are right by themselves.
struct Checked {
    entities: Vec<Entity>,
    /// Documents that are perhaps not as they are stored, by the places of their entities, of which nothing else is there.
    open: BTreeMap<usize, Fields>,
}

impl Checked {
    /// Adds a document. `origin` tells what it was made of, if it would be the same when it is made of that again.
    fn add(
        &mut self,
        (kind, head): (&Kind<'_>, &Head),
        mut document: Filled<'_>,
        origin: Option<NonZeroU64>,
        scratch: &mut Scratch,
    ) {
        if kind.name == "routes" && head.format != "3.0" {
            migrate::route(&mut document);
        }
        if kind.is_open(head) {
            self.open.insert(self.entities.len(), document.into_map());
            self.entities.push(Entity::of_document(kind.entity, &Fields::new(), None));
            return;
        }
        let mut entity = Entity::new(kind, &document, scratch);
        // What lives for some time lives anew each time.
        entity.origin = origin.filter(|_| entity.ttl().is_none() && entity.has_generated_times());
        self.entities.push(entity);
    }

    fn documents(&self) -> Vec<Fields> {
        let document =
            |(at, entity): (usize, &Entity)| self.open.get(&at).cloned().unwrap_or_else(|| entity.document());
        self.entities.iter().enumerate().map(document).collect()
    }
}

/// What came of the references.
#[derive(Default)]
struct References {
    dangling: Vec<Dangling>,
    /// References from within a parent to somebody else.
    inside: Vec<(usize, &'static str)>,
    /// Whether one was given in the long form.
    long: bool,
}

impl References {
    /// Puts ids in place of names.
    fn resolve(kinds: &Kinds<'_>, items: &Items, given: &mut [Given]) -> Self {
        let mut references = Self::default();
        let mut ids = Vec::new();
        let directory = Directory::new(kinds.len(), items, given);
        for index in &items.referring {
            references.find(kinds, &directory, *index, &mut ids);
        }
        for (index, field, id) in ids {
            match id {
                Some(id) => given[index].insert(field.into(), json!({ "id": id })),
                // Where it stands says whose it is; what may refer to whom is not asked.
                None => drop(given[index].remove(field)),
            }
        }
        references
    }

    /// Finds what an entity refers to: fields and what stands in their places.
    fn find(
        &mut self,
        kinds: &Kinds<'_>,
        directory: &Directory<'_>,
        index: usize,
        ids: &mut Vec<(usize, &'static str, Option<String>)>,
    ) {
        let (items, given) = (directory.items, &directory.given[index]);
        let kind = kinds.get(items.all[index].kind);
        let parent = items.all[index].parent;
        for foreign in &kind.foreign {
            let (name, reference) = (foreign.name, foreign.reference);
            if let Some(value) = given.get(name).filter(|value| !value.is_null()) {
                let found = kinds.find(reference).and_then(|kind| match value {
                    Value::String(key) => directory.find(kinds, kind, key),
                    Value::Object(map) => {
                        map.get("id").and_then(Value::as_str).and_then(|id| directory.find(kinds, kind, id))
                    }
                    _ => None,
                });
                match (parent, value.is_string()) {
                    (Some(_), _) => self.inside.push((index, name)),
                    (None, true) => {}
                    (None, false) => self.long = true,
                }
                if value.is_string() {
                    let id = found.map_or_else(|| NOBODY.to_owned(), |found| items.all[found].id.clone());
                    ids.push((index, name, Some(id)));
                }
                if found.is_none() {
                    let called = unique::name(kind, given).unwrap_or(&items.all[index].id).to_owned();
                    self.dangling.push(Dangling { item: index, field: name, reference, value: value.clone(), called });
                }
            } else if let Some((around, _)) = parent.filter(|(_, field)| *field == name) {
                ids.push((index, name, foreign.required.then(|| items.all[around].id.clone())));
            }
        }
    }

    /// Names that lead nowhere are malformed keys when something else is wrong as well.
    fn report_if_others_failed(&self, kinds: &Kinds<'_>, items: &Items, tree: &mut Tree) {
        let by_name = |dangling: &&Dangling| dangling.value.is_string();
        let refused = !tree.is_empty()
            || ((self.long || !self.inside.is_empty()) && self.dangling.iter().any(|each| by_name(&each)));
        if !refused {
            return;
        }
        for Dangling { item, field, .. } in self.dangling.iter().filter(by_name) {
            let place = items.place(kinds, Some((*item, "")), tree).field(field);
            if place.is_empty() {
                place.field("id").set_text("missing primary key");
            }
        }
        for (item, field) in &self.inside {
            items.place(kinds, Some((*item, "")), tree).field(field).set_text(MUST_BE_NULL);
        }
    }

    fn report(&self, kinds: &Kinds<'_>, items: &Items, tree: &mut Tree) {
        for Dangling { item, field, reference, value, called } in &self.dangling {
            let item = &items.all[*item];
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let text = format!("invalid reference '{field}: {value}' (no such entry in '{reference}')");
            tree.field(kinds.get(item.kind).name).field(called).push_text(&text);
        }
    }
}

/// Brings documents into their stored form, and entities together kind by kind.
fn finish(kinds: &Kinds<'_>, items: &Items, checked: Checked, source: &mut dyn Source) -> Result<Vec<Entity>, Failure> {
    let Checked { mut entities, open } = checked;
    for (index, document) in open {
        let kind = kinds.get(items.all[index].kind);
        match kind.entity.insert(document.clone(), source) {
            Ok(stored) => {
                let shown = (stored != document).then_some(document);
                entities[index] = Entity::of_document(kind.entity, &stored, shown);
            }
            Err(error) => {
                let mut tree = Tree::default();
                let place = items.place(kinds, Some((index, "")), &mut tree);
                place.add(Value::Object(error.fields().unwrap_or_default()));
                return Err(Failure { tree, ids: Vec::new() });
            }
        }
    }
    let places = by_kind(kinds, items, &mut entities);
    show_listed(kinds, items, &places, &mut entities);
    Ok(entities)
}

/// Brings the entities of a kind together, in the order they have, and says where each kind begins, and where the last
/// ends.
fn by_kind(kinds: &Kinds<'_>, items: &Items, entities: &mut [Entity]) -> Vec<usize> {
    let mut places = vec![0];
    for kind in 0..kinds.len() {
        places.push(places[kind] + items.counts.get(kind).copied().unwrap_or_default());
    }
    if !items.mixed {
        return places;
    }
    let mut next = places.clone();
    let target = |item: &Item| {
        next[item.kind] += 1;
        next[item.kind] - 1
    };
    let mut targets: Vec<usize> = items.all.iter().map(target).collect();
    for at in 0..targets.len() {
        while targets[at] != at {
            let target = targets[at];
            entities.swap(at, target);
            targets.swap(at, target);
        }
    }
    places
}

/// Shows in the answer about a certificate the server names that stood inside. The entities of a kind begin where
/// `places` says.
fn show_listed(kinds: &Kinds<'_>, items: &Items, places: &[usize], entities: &mut [Entity]) {
    let (Some(outer), Some(inner)) = (kinds.find(LISTED.0), kinds.find(LISTED.1)) else { return };
    if places[inner] == places[inner + 1] {
        return;
    }
    let of_kind = |kind| items.all.iter().enumerate().filter(move |(_, item)| item.kind == kind).zip(places[kind]..);
    let outer: HashMap<usize, usize> = of_kind(outer).map(|((index, _), place)| (index, place)).collect();
    for ((_, item), at) in of_kind(inner) {
        let Some(place) = item.parent.and_then(|(parent, _)| outer.get(&parent)) else { continue };
        let inner = Value::Object(entities[at].document());
        let entity = &mut entities[*place];
        let document = entity.shown.take().unwrap_or_else(|| Box::new(entity.document()));
        match entity.shown.insert(document).entry(LISTED.1).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(list) => list.push(inner),
            other => *other = Value::Array(vec![inner]),
        }
    }
}
