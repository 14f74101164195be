//! Checks entities one by one, then against each other.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::num::NonZeroU64;

use serde_json::{Value, json};

use super::entity::Scratch;
use super::error::{Failure, Tree};
use super::flatten::{Item, Items, LISTED};
use super::given::Given;
use super::kinds::{Kind, Kinds};
use super::unique::{self, Claims};
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
}

/// Entities by what they are referred to by: for each kind that something refers to, by name and by id.
struct Directory<'i> {
    items: &'i Items,
    kinds: Vec<OnceCell<(Index<'i>, Index<'i>)>>,
}

/// Checks all entities, but for what is `known` to be right. `tree` has what was found wrong with the lists they came
/// from.
pub(super) fn check(
    kinds: &Kinds<'_>,
    (items, mut given): (Items, Vec<Given>),
    head: &Head,
    mut tree: Tree,
    known: &Known,
    source: &mut dyn Source,
) -> Result<Vec<Entity>, Failure> {
    let directory = Directory::new(kinds.len(), &items);
    let mut references = References::default();
    for (index, given) in given.iter_mut().enumerate() {
        references.resolve(kinds, &directory, index, given);
    }
    drop(directory);
    let mut source = Noticing { source, now: None, random: false };
    let mut checked = Vec::with_capacity(items.all.len());
    let mut claims = Claims::new(items.all.len());
    let mut scratch = Scratch::default();
    // What children of the same parent refer to it by.
    let mut reference = (None, Value::Null);
    for (index, (item, given)) in items.all.iter().zip(given).enumerate() {
        source.pause();
        let kind = kinds.get(item.kind);
        let parent = item.parent.map(|(parent, field)| (field, items.all[parent].id.as_str()));
        let origin = (kind.has_uuid && !kind.is_open(head)).then(|| known.origin(&head.format, &given, parent));
        claims.id(item.kind, &item.id);
        let values = claims.of(item.kind, kind, &given);
        if let Some(same) = origin.and_then(|origin| known.find(kind.name, &item.id, origin)) {
            claims.take(item.kind, item.name.as_deref(), &values);
            checked.push(Form::Final(same));
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
        let (name, made) = (unique::name(kind, &document), claims.of(item.kind, kind, &document));
        claims.take(item.kind, name, &made);
        // What was given says who it is in another load, before it is completed.
        let as_given = name == item.name.as_deref() && made == values;
        let form = Form::new(kind, head, document, &mut scratch);
        checked.push(form.made_of(origin.filter(|_| as_given && !source.random)));
    }
    references.report_if_others_failed(kinds, &items, &mut tree);
    if !tree.is_empty() {
        return Err(Failure { tree, ids: Vec::new() });
    }
    if claims.twice {
        let documents: Vec<Fields> = checked.iter().map(Form::document).collect();
        unique::report(kinds, &items, &documents, &mut tree);
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
    fn new(kinds: usize, items: &'i Items) -> Self {
        Self { items, kinds: (0..kinds).map(|_| OnceCell::new()).collect() }
    }

    fn find(&self, kind: usize, key: &str) -> Option<usize> {
        let (names, ids) = self.kinds[kind].get_or_init(|| {
            let (mut names, mut ids) = (Index::default(), Index::default());
            for (index, item) in self.items.all.iter().enumerate().filter(|(_, item)| item.kind == kind) {
                if let Some(name) = &item.name {
                    names.entry(name.as_str()).or_insert(index);
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

/// An entity that is right by itself.
enum Form {
    /// As it is stored.
    Final(Entity),
    /// Perhaps not as it is stored.
    Open(Fields),
}

impl Form {
    fn new(kind: &Kind<'_>, head: &Head, mut document: Filled<'_>, scratch: &mut Scratch) -> Self {
        if kind.name == "routes" && head.format != "3.0" {
            migrate::route(&mut document);
        }
        if kind.is_open(head) {
            Self::Open(document.into_map())
        } else {
            Self::Final(Entity::new(kind, &document, scratch))
        }
    }

    /// Notes what the entity was made of, if it would be the same when it is made of that again.
    fn made_of(mut self, origin: Option<NonZeroU64>) -> Self {
        if let Self::Final(entity) = &mut self {
            // What lives for some time lives anew each time.
            entity.origin = origin.filter(|_| entity.ttl().is_none() && entity.has_generated_times());
        }
        self
    }

    fn document(&self) -> Fields {
        match self {
            Self::Final(entity) => entity.document(),
            Self::Open(document) => document.clone(),
        }
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
    fn resolve(&mut self, kinds: &Kinds<'_>, directory: &Directory<'_>, index: usize, given: &mut Given) {
        let items = directory.items;
        let kind = kinds.get(items.all[index].kind);
        let parent = items.all[index].parent;
        for foreign in &kind.foreign {
            let (name, reference) = (foreign.name, foreign.reference);
            let reference_given = given.get(name).filter(|value| !value.is_null()).cloned();
            if let Some(value) = reference_given {
                let found = kinds.find(reference).and_then(|kind| match &value {
                    Value::String(key) => directory.find(kind, key),
                    Value::Object(map) => map.get("id").and_then(Value::as_str).and_then(|id| directory.find(kind, id)),
                    _ => None,
                });
                match (parent, value.is_string()) {
                    (Some(_), _) => self.inside.push((index, name)),
                    (None, true) => {}
                    (None, false) => self.long = true,
                }
                let id = match (found, &value) {
                    (Some(found), Value::String(_)) => Some(items.all[found].id.clone()),
                    (None, Value::String(_)) => Some(NOBODY.to_owned()),
                    _ => None,
                };
                if found.is_none() {
                    self.dangling.push(Dangling { item: index, field: name, reference, value });
                }
                if let Some(id) = id {
                    given.insert(name.into(), json!({ "id": id }));
                }
            } else if let Some((around, _)) = parent.filter(|(_, field)| *field == name) {
                if foreign.required {
                    let id = json!({ "id": items.all[around].id });
                    given.insert(name.into(), id);
                } else {
                    // Where it stands says whose it is; what may refer to whom is not asked.
                    given.remove(name);
                }
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
        for Dangling { item, field, reference, value } in &self.dangling {
            let item = &items.all[*item];
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let text = format!("invalid reference '{field}: {value}' (no such entry in '{reference}')");
            let place = item.name.as_deref().unwrap_or(&item.id);
            tree.field(kinds.get(item.kind).name).field(place).push_text(&text);
        }
    }
}

/// Brings documents into their stored form, kind by kind.
fn finish(
    kinds: &Kinds<'_>,
    items: &Items,
    checked: Vec<Form>,
    source: &mut dyn Source,
) -> Result<Vec<Entity>, Failure> {
    let finished = items.all.iter().zip(checked).enumerate().map(|(index, (item, form))| {
        let kind = kinds.get(item.kind);
        match form {
            Form::Final(entity) => Ok(entity),
            Form::Open(document) => match kind.entity.insert(document.clone(), source) {
                Ok(stored) => {
                    let shown = (stored != document).then_some(document);
                    Ok(Entity::of_document(kind.entity, &stored, shown))
                }
                Err(error) => {
                    let mut tree = Tree::default();
                    items
                        .place(kinds, Some((index, "")), &mut tree)
                        .add(Value::Object(error.fields().unwrap_or_default()));
                    Err(Failure { tree, ids: Vec::new() })
                }
            },
        }
    });
    let mut all = finished.collect::<Result<Vec<Entity>, Failure>>()?;
    let places = by_kind(kinds, items, &mut all);
    show_listed(kinds, items, &places, &mut all);
    Ok(all)
}

/// Brings the entities of a kind together, in the order they have, and says where each kind begins.
fn by_kind(kinds: &Kinds<'_>, items: &Items, entities: &mut [Entity]) -> Vec<usize> {
    let mut places = vec![0; kinds.len() + 1];
    items.all.iter().for_each(|item| places[item.kind + 1] += 1);
    (1..places.len()).for_each(|kind| places[kind] += places[kind - 1]);
    if items.all.is_sorted_by_key(|item| item.kind) {
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
