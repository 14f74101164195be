//! Checks entities one by one, then against each other.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;

use serde_json::{Value, json};

use super::error::{Failure, Tree};
use super::flatten::{Item, Items, LISTED, get};
use super::kinds::{Kind, Kinds};
use super::{Entity, Head, Known, migrate};
use crate::error::{DaoError, Fields};
use crate::schema::filled::Filled;
use crate::schema::{Document, Source};

type Index<'a> = HashMap<&'a str, usize, foldhash::fast::RandomState>;

type Seen<'a> = HashSet<&'a str, foldhash::fast::RandomState>;

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
    (items, mut given): (Items, Vec<Fields>),
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
    let mut checked = Vec::with_capacity(items.all.len());
    let mut text = Vec::new();
    // What children of the same parent refer to it by.
    let mut reference = (None, Value::Null);
    for (index, (item, given)) in items.all.iter().zip(given).enumerate() {
        source.pause();
        let kind = kinds.get(item.kind);
        let around = item.parent.map(|(parent, field)| (field, items.all[parent].id.as_str()));
        let origin = (kind.has_uuid && !kind.is_open(head)).then(|| known.origin(&head.format, &given, around));
        if let Some(same) = origin.and_then(|origin| known.find(kind.name, &item.id, origin)) {
            checked.push(Checked { name: item.name.clone(), unique: unique(kind, &given), form: Form::Final(same) });
            continue;
        }
        let declared_unique = unique(kind, &given);
        if let Some((parent, _)) = item.parent.filter(|(parent, _)| reference.0 != Some(*parent)) {
            reference = (Some(parent), json!({ "id": items.all[parent].id }));
        }
        let mut noticing = Noticing { source, random: false };
        match kind.entity.fill(given, &mut noticing) {
            Ok(mut document) => {
                if let Some((field, _)) = around {
                    document.set(field, &reference.1);
                }
                let origin = origin.filter(|_| !noticing.random);
                let mut new = Checked::new(kind, head, document, &mut text);
                new.remember(item, &declared_unique, origin);
                checked.push(new);
            }
            Err(DaoError::SchemaViolation(fields)) => {
                items.place(kinds, Some((index, "")), &mut tree).add(Value::Object(fields));
            }
            Err(other) => items.place(kinds, Some((index, "")), &mut tree).set_text(&other.message()),
        }
    }
    references.report_if_others_failed(kinds, &items, &mut tree);
    if !tree.is_empty() {
        return Err(Failure { tree, ids: Vec::new() });
    }
    check_uniqueness(kinds, &items, &checked, &mut tree);
    references.report(kinds, &items, &mut tree);
    if !tree.is_empty() {
        let derived = items.all.iter().enumerate().filter(|(_, item)| item.derived);
        let ids = derived.map(|(index, item)| (items.way(kinds, index), item.id.clone())).collect();
        return Err(Failure { tree, ids });
    }
    finish(kinds, &items, checked, source)
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

/// A source that notices when something was made at random, which is another thing each time.
struct Noticing<'s> {
    source: &'s mut dyn Source,
    random: bool,
}

impl Source for Noticing<'_> {
    fn now_ms(&mut self) -> u64 {
        self.source.now_ms()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.random = true;
        self.source.random(buffer);
    }

    fn pause(&mut self) {
        self.source.pause();
    }
}

/// The values of the unique fields besides the name.
fn unique(kind: &Kind<'_>, document: &dyn Document) -> Vec<(&'static str, String)> {
    let endpoint = kind.endpoint.map(|(field, _)| field);
    let mut unique = Vec::new();
    for field in kind.unique.iter().filter(|field| endpoint != Some(**field)) {
        let value = match document.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(key)) => key.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Some(other) => other.to_string(),
        };
        unique.push((*field, value));
    }
    unique
}

/// An entity that is right by itself.
struct Checked {
    /// The value that names it among all of its kind.
    name: Option<String>,
    /// The values of its other unique fields.
    unique: Vec<(&'static str, String)>,
    form: Form,
}

enum Form {
    /// As it is stored.
    Final(Entity),
    /// Perhaps not as it is stored.
    Open(Fields),
}

impl Checked {
    fn new(kind: &Kind<'_>, head: &Head, mut document: Filled<'_>, text: &mut Vec<u8>) -> Self {
        let name = kind.endpoint.filter(|(_, unique)| *unique).and_then(|(field, _)| document.get(field)?.as_str());
        let name = name.map(str::to_owned);
        let unique = unique(kind, &document);
        if kind.name == "routes" && head.format != "3.0" {
            migrate::route(&mut document);
        }
        let form = if kind.is_open(head) {
            Form::Open(document.into_map())
        } else {
            Form::Final(Entity::new(kind.entity, &document, text))
        };
        Self { name, unique, form }
    }

    /// Notes what the entity was made of, if it would be the same when it is made of that again. `unique` is what was
    /// given for its unique fields.
    fn remember(&mut self, item: &Item, unique: &[(&'static str, String)], origin: Option<NonZeroU64>) {
        let as_given = self.name == item.name && self.unique == unique;
        if let Form::Final(entity) = &mut self.form {
            // What lives for some time lives anew each time.
            let lasting = entity.facts().is_some_and(|facts| facts.ttl.is_none());
            entity.origin = origin.filter(|_| as_given && lasting && entity.has_generated_times());
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
    fn resolve(&mut self, kinds: &Kinds<'_>, directory: &Directory<'_>, index: usize, given: &mut Fields) {
        let items = directory.items;
        let kind = kinds.get(items.all[index].kind);
        let parent = items.all[index].parent;
        for foreign in &kind.foreign {
            let (name, reference) = (foreign.name, foreign.reference);
            let reference_given = get(given, name).filter(|value| !value.is_null()).cloned();
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
                    given.insert(name.to_owned(), json!({ "id": id }));
                }
            } else if let Some((around, _)) = parent.filter(|(_, field)| *field == name) {
                if foreign.required {
                    let id = json!({ "id": items.all[around].id });
                    given.insert(name.to_owned(), id);
                } else {
                    // Where it stands says whose it is; what may refer to whom is not asked.
                    if get(given, name).is_some() {
                        given.shift_remove(name);
                    }
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

/// No two entities may have the same name, id, or value of a unique field.
fn check_uniqueness(kinds: &Kinds<'_>, items: &Items, checked: &[Checked], tree: &mut Tree) {
    let mut names: Vec<Seen<'_>> = vec![Seen::default(); kinds.len()];
    let mut ids = names.clone();
    for (item, Checked { name, .. }) in items.all.iter().zip(checked) {
        let kind = kinds.get(item.kind);
        if let Some((name, (field, _))) = name.as_ref().zip(kind.endpoint)
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
        check_unique_fields(kinds, items, checked, tree);
    }
}

fn check_unique_fields(kinds: &Kinds<'_>, items: &Items, checked: &[Checked], tree: &mut Tree) {
    let mut values: HashMap<(usize, &'static str), Seen<'_>, foldhash::fast::RandomState> = HashMap::default();
    for (item, Checked { name, unique, .. }) in items.all.iter().zip(checked) {
        for (field, value) in unique {
            if !values.entry((item.kind, *field)).or_default().insert(value) {
                let kind = kinds.get(item.kind).name;
                let place = name.as_deref().unwrap_or(&item.id);
                tree.field(kind).field(place).set_text(&taken(kind, field, value));
            }
        }
    }
}

fn taken(kind: &str, field: &str, value: &str) -> String {
    format!("uniqueness violation: '{kind}' entity with {field} set to '{value}' already declared")
}

/// Shows in the answer about a certificate the server names that stood inside.
fn show_listed(kinds: &Kinds<'_>, items: &Items, by_kind: &mut [Vec<Entity>]) {
    let (Some(outer), Some(inner)) = (kinds.find(LISTED.0), kinds.find(LISTED.1)) else { return };
    let of_kind = |kind| items.all.iter().enumerate().filter(move |(_, item)| item.kind == kind);
    let places: HashMap<usize, usize> = of_kind(outer).enumerate().map(|(place, (index, _))| (index, place)).collect();
    for (at, (_, item)) in of_kind(inner).enumerate() {
        let Some(place) = item.parent.and_then(|(parent, _)| places.get(&parent)) else { continue };
        let inner = Value::Object(by_kind[inner][at].document());
        let entity = &mut by_kind[outer][*place];
        let document = entity.shown.take().unwrap_or_else(|| Box::new(entity.document()));
        match entity.shown.insert(document).entry(LISTED.1).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(list) => list.push(inner),
            other => *other = Value::Array(vec![inner]),
        }
    }
}

/// Brings documents into their stored form, kind by kind.
fn finish(
    kinds: &Kinds<'_>,
    items: &Items,
    checked: Vec<Checked>,
    source: &mut dyn Source,
) -> Result<Vec<Entity>, Failure> {
    let mut by_kind: Vec<Vec<Entity>> = (0..kinds.len()).map(|_| Vec::new()).collect();
    for (index, (item, Checked { form, .. })) in items.all.iter().zip(checked).enumerate() {
        let kind = kinds.get(item.kind);
        let entity = match form {
            Form::Final(entity) => entity,
            Form::Open(document) => match kind.entity.insert(document.clone(), source) {
                Ok(stored) => {
                    let shown = (stored != document).then_some(document);
                    Entity::of_document(kind.entity, &stored, shown)
                }
                Err(error) => {
                    let mut tree = Tree::default();
                    items
                        .place(kinds, Some((index, "")), &mut tree)
                        .add(Value::Object(error.fields().unwrap_or_default()));
                    return Err(Failure { tree, ids: Vec::new() });
                }
            },
        };
        by_kind[item.kind].push(entity);
    }
    show_listed(kinds, items, &mut by_kind);
    let mut all = Vec::with_capacity(items.all.len());
    by_kind.into_iter().for_each(|entities| all.extend(entities));
    Ok(all)
}
