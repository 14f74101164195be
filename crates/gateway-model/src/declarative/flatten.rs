//! Takes children out of their parents.

use serde_json::{Map, Value};

use super::config::{Config, Node};
use super::error::Tree;
use super::given::{Given, Names};
use super::kinds::Kinds;
use super::unique::{self, Claims};
use super::{FORMATS, Head, ids, known};
use crate::entity::ForeignField;
use crate::schema::Source;

const EXPECTED_ARRAY: &str = "expected an array";

/// A kind whose documents show those of another one that stood inside. Those get no ids from their names.
pub(super) const LISTED: (&str, &str) = ("certificates", "snis");

/// An entity, apart from what was given for it and what stood inside.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: usize,
    /// The entity it stood in and the field that refers to it.
    pub(super) parent: Option<(usize, &'static str)>,
    /// Its position in its list.
    pub(super) at: usize,
    pub(super) id: String,
    /// A hash of its kind and id.
    pub(super) key: u64,
    /// The hash of what names it, if that is unique.
    pub(super) name: Option<u64>,
    /// Whether the id follows from its name.
    pub(super) derived: bool,
}

/// The entities of a configuration, parents before children.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) all: Vec<Item>,
    /// How many there are of each kind, up to the last that there are any of.
    pub(super) counts: Vec<usize>,
    /// Whether some come after those of a later kind.
    pub(super) mixed: bool,
    /// Those that may refer to others by name.
    pub(super) referring: Vec<usize>,
    /// Their ids.
    pub(super) claims: Claims,
    /// What was given for each, without what stood inside.
    given: Vec<Given>,
    names: Names,
    seen: std::collections::HashMap<String, usize, foldhash::fast::RandomState>,
}

/// Takes a configuration apart, into entities and what was given for each. Errors about lists and what is no entity go
/// to `tree`.
pub(super) fn flatten(
    kinds: &Kinds<'_>,
    mut config: Config,
    head: &mut Head,
    tree: &mut Tree,
    source: &mut dyn Source,
) -> (Items, Vec<Given>) {
    read_head(&mut config, head, tree);
    let mut items = Items::default();
    for kind in 0..kinds.len() {
        if let Some(list) = config.0.swap_remove(kinds.get(kind).name) {
            items.add_list(kinds, kind, list, None, (&mut *tree, &mut *source));
        }
    }
    for name in config.0.keys() {
        tree.field(name).set_text("unknown field");
    }
    let given = std::mem::take(&mut items.given);
    (items, given)
}

fn read_head(config: &mut Config, head: &mut Head, tree: &mut Tree) {
    match config.0.swap_remove("_format_version").map(Node::into_value) {
        None | Some(Value::Null) => tree.field("_format_version").set_text("required field missing"),
        Some(Value::String(format)) if FORMATS.contains(&format.as_str()) => head.format = format,
        Some(Value::String(_)) => {
            tree.field("_format_version").set_text(&format!("expected one of: {}", FORMATS.join(", ")));
        }
        Some(_) => tree.field("_format_version").set_text("expected a string"),
    }
    match config.0.swap_remove("_transform").map(Node::into_value) {
        None | Some(Value::Null) => {}
        Some(Value::Bool(transform)) => head.transform = transform,
        Some(_) => tree.field("_transform").set_text("expected a boolean"),
    }
    take_remarks(|name| config.take(name), tree);
}

/// Takes out what is only for readers.
fn take_remarks(mut take: impl FnMut(&str) -> Option<Value>, tree: &mut Tree) {
    if take("_comment").is_some_and(|value| !value.is_null() && !value.is_string()) {
        tree.field("_comment").set_text("expected a string");
    }
    if take("_ignore").is_some_and(|value| !value.is_null() && !is_list(&value)) {
        tree.field("_ignore").set_text(EXPECTED_ARRAY);
    }
}

fn is_list(value: &Value) -> bool {
    value.is_array() || value.as_object().is_some_and(Map::is_empty)
}

impl Items {
    fn add_list(
        &mut self,
        kinds: &Kinds<'_>,
        kind: usize,
        list: Node,
        parent: Option<(usize, &'static str)>,
        (tree, source): (&mut Tree, &mut dyn Source),
    ) {
        match list {
            Node::List(list) => {
                self.add_items(kinds, kind, list.into_iter(), parent, (tree, source));
            }
            Node::Value(Value::Array(list)) => {
                self.add_items(kinds, kind, list.into_iter().map(Node::Value), parent, (tree, source));
            }
            Node::Value(Value::Null) => {}
            Node::Value(other) if is_list(&other) => {}
            Node::Value(_) | Node::Record(_) => {
                self.place(kinds, parent, tree).field(kinds.get(kind).name).set_text(EXPECTED_ARRAY)
            }
        }
    }

    fn add_items(
        &mut self,
        kinds: &Kinds<'_>,
        kind: usize,
        list: impl ExactSizeIterator<Item = Node>,
        parent: Option<(usize, &'static str)>,
        (tree, source): (&mut Tree, &mut dyn Source),
    ) {
        self.all.reserve(list.len());
        self.given.reserve(list.len());
        self.claims.reserve(list.len());
        for (at, node) in list.enumerate() {
            let given = match node {
                Node::Record(given) => given,
                Node::Value(Value::Object(map)) => Given::from_map(map, &mut self.names),
                Node::Value(Value::Array(list)) if list.is_empty() => Given::default(),
                Node::Value(_) | Node::List(_) => {
                    let list = self.place(kinds, parent, tree).field(kinds.get(kind).name);
                    list.item(at).set_text("expected a record");
                    continue;
                }
            };
            self.add(kinds, (kind, at), given, parent, (&mut *tree, &mut *source));
        }
    }

    fn add(
        &mut self,
        kinds: &Kinds<'_>,
        (kind, at): (usize, usize),
        mut given: Given,
        parent: Option<(usize, &'static str)>,
        (tree, source): (&mut Tree, &mut dyn Source),
    ) {
        source.pause();
        let index = self.all.len();
        let schema = kinds.get(kind);
        // Most entities have no children: do not look for every possible one.
        let mut lists = Vec::new();
        if given.names().any(|name| kinds.find(name).is_some()) {
            for (child, field) in &schema.children {
                if let Some(list) = given.remove(kinds.get(*child).name) {
                    lists.push((*child, *field, list));
                }
            }
            given.flatten();
        }
        let remarks = given.get("_comment").is_some() || given.get("_ignore").is_some();
        let (id, derived) = self.identify(kinds, kind, &mut given, parent);
        let name = unique::name(schema, &given).map(|name| self.claims.name(kind, name));
        let key = known::key(schema.name, &id);
        self.claims.insert(key);
        let inside = |field: &ForeignField| field.required && parent.is_some_and(|(_, name)| name == field.name);
        if schema.foreign.iter().any(|field| inside(field) || given.get(field.name).is_some()) {
            self.referring.push(index);
        }
        self.mixed |= self.all.last().is_some_and(|last| last.kind > kind);
        self.counts.resize(self.counts.len().max(kind + 1), 0);
        self.counts[kind] += 1;
        self.all.push(Item { kind, parent, at, id, key, name, derived });
        let mut errors = Tree::default();
        if remarks {
            take_remarks(|name| given.remove(name).map(Node::into_value), &mut errors);
        }
        self.given.push(given);
        if !errors.is_empty() {
            *self.place(kinds, Some((index, "")), tree) = errors;
        }
        lists.sort_by_key(|(child, ..)| *child);
        for (child, field, list) in lists {
            self.add_list(kinds, child, list, Some((index, field)), (&mut *tree, &mut *source));
        }
    }

    /// Gives an entity an id when it has none, and says whether the id follows from its name.
    fn identify(
        &mut self,
        kinds: &Kinds<'_>,
        kind: usize,
        given: &mut Given,
        parent: Option<(usize, &'static str)>,
    ) -> (String, bool) {
        let schema = kinds.get(kind);
        if !schema.has_uuid {
            let key = schema.entity.key_fields().first().and_then(|field| given.get(field));
            return (key.and_then(Value::as_str).unwrap_or_default().to_owned(), false);
        }
        if let Some(id) = given.get("id") {
            return (id.as_str().unwrap_or_default().to_owned(), false);
        }
        let around = parent.map(|(index, field)| (field, self.all[index].id.as_str()));
        let listed = parent.is_some_and(|(index, _)| (kinds.get(self.all[index].kind).name, schema.name) == LISTED);
        let derived = if listed { None } else { ids::derived(schema, given, around) };
        let found = derived.is_some();
        let id = derived.unwrap_or_else(|| {
            let around = around.map(|(_, id)| id);
            let plain = ids::of_content(schema, given, around, 0);
            let turn = self.seen.entry(plain.clone()).or_insert(0);
            *turn += 1;
            if *turn == 1 { plain } else { ids::of_content(schema, given, around, *turn) }
        });
        given.make_id(id.clone());
        (id, found)
    }

    /// Where errors of an entity, or of all, belong.
    pub(super) fn place<'t>(
        &self,
        kinds: &Kinds<'_>,
        of: Option<(usize, &'static str)>,
        tree: &'t mut Tree,
    ) -> &'t mut Tree {
        let Some((index, _)) = of else { return tree };
        self.way(kinds, index).into_iter().fold(tree, |tree, (name, at)| tree.field(name).item(at))
    }

    /// The lists and positions that lead to an entity.
    pub(super) fn way(&self, kinds: &Kinds<'_>, index: usize) -> Vec<(&'static str, usize)> {
        let mut way = Vec::new();
        let mut next = Some(index);
        while let Some(index) = next {
            let item = &self.all[index];
            way.push((kinds.get(item.kind).name, item.at));
            next = item.parent.map(|(parent, _)| parent);
        }
        way.reverse();
        way
    }
}
