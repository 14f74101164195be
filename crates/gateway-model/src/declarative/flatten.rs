//! Takes children out of their parents.

use serde_json::{Map, Value};

use super::error::Tree;
use super::kinds::Kinds;
use super::{FORMATS, Head, ids};
use crate::error::Fields;
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
    /// What names it, if that is unique.
    pub(super) name: Option<String>,
    /// Whether the id follows from its name.
    pub(super) derived: bool,
}

/// The entities of a configuration, parents before children.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) all: Vec<Item>,
    /// What was given for each, without what stood inside.
    given: Vec<Fields>,
    seen: std::collections::HashMap<String, usize, foldhash::fast::RandomState>,
}

/// Takes a configuration apart, into entities and what was given for each. Errors about lists and what is no entity go
/// to `tree`.
pub(super) fn flatten(
    kinds: &Kinds<'_>,
    mut config: Map<String, Value>,
    head: &mut Head,
    tree: &mut Tree,
    source: &mut dyn Source,
) -> (Items, Vec<Fields>) {
    read_head(&mut config, head, tree);
    let mut items = Items::default();
    for kind in 0..kinds.len() {
        if let Some(list) = config.remove(kinds.get(kind).name) {
            items.add_list(kinds, kind, list, None, (&mut *tree, &mut *source));
        }
    }
    for name in config.keys() {
        tree.field(name).set_text("unknown field");
    }
    let given = std::mem::take(&mut items.given);
    (items, given)
}

fn read_head(config: &mut Map<String, Value>, head: &mut Head, tree: &mut Tree) {
    match config.remove("_format_version") {
        None | Some(Value::Null) => tree.field("_format_version").set_text("required field missing"),
        Some(Value::String(format)) if FORMATS.contains(&format.as_str()) => head.format = format,
        Some(Value::String(_)) => {
            tree.field("_format_version").set_text(&format!("expected one of: {}", FORMATS.join(", ")));
        }
        Some(_) => tree.field("_format_version").set_text("expected a string"),
    }
    match config.remove("_transform") {
        None | Some(Value::Null) => {}
        Some(Value::Bool(transform)) => head.transform = transform,
        Some(_) => tree.field("_transform").set_text("expected a boolean"),
    }
    take_remarks(config, tree);
}

/// Takes out what is only for readers.
fn take_remarks(map: &mut Map<String, Value>, tree: &mut Tree) {
    if map.shift_remove("_comment").is_some_and(|value| !value.is_null() && !value.is_string()) {
        tree.field("_comment").set_text("expected a string");
    }
    if map.shift_remove("_ignore").is_some_and(|value| !value.is_null() && !is_list(&value)) {
        tree.field("_ignore").set_text(EXPECTED_ARRAY);
    }
}

/// What is called so. Entities are given with few fields, which are sooner looked through than a name is hashed.
pub(super) fn get<'a>(given: &'a Fields, name: &str) -> Option<&'a Value> {
    if given.len() > 8 {
        return given.get(name);
    }
    given.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
}

fn is_list(value: &Value) -> bool {
    value.is_array() || value.as_object().is_some_and(Map::is_empty)
}

impl Items {
    fn add_list(
        &mut self,
        kinds: &Kinds<'_>,
        kind: usize,
        list: Value,
        parent: Option<(usize, &'static str)>,
        (tree, source): (&mut Tree, &mut dyn Source),
    ) {
        match list {
            Value::Array(list) => {
                self.all.reserve(list.len());
                self.given.reserve(list.len());
                for (at, value) in list.into_iter().enumerate() {
                    match value {
                        Value::Object(map) => self.add(kinds, (kind, at), map, parent, (&mut *tree, &mut *source)),
                        Value::Array(list) if list.is_empty() => {
                            self.add(kinds, (kind, at), Map::new(), parent, (&mut *tree, &mut *source));
                        }
                        _ => self
                            .place(kinds, parent, tree)
                            .field(kinds.get(kind).name)
                            .item(at)
                            .set_text("expected a record"),
                    }
                }
            }
            Value::Null => {}
            other if is_list(&other) => {}
            _ => self.place(kinds, parent, tree).field(kinds.get(kind).name).set_text(EXPECTED_ARRAY),
        }
    }

    fn add(
        &mut self,
        kinds: &Kinds<'_>,
        (kind, at): (usize, usize),
        mut given: Map<String, Value>,
        parent: Option<(usize, &'static str)>,
        (tree, source): (&mut Tree, &mut dyn Source),
    ) {
        source.pause();
        let index = self.all.len();
        let schema = kinds.get(kind);
        // Most entities have no children: do not look for every possible one.
        let mut lists = Vec::new();
        if given.keys().any(|name| kinds.find(name).is_some()) {
            for (child, field) in &schema.children {
                if let Some(list) = given.shift_remove(kinds.get(*child).name) {
                    lists.push((*child, *field, list));
                }
            }
        }
        let remarks = get(&given, "_comment").is_some() || get(&given, "_ignore").is_some();
        let (id, derived) = self.identify(kinds, kind, &mut given, parent);
        let endpoint = schema.endpoint.filter(|(_, unique)| *unique);
        let name = endpoint.and_then(|(field, _)| get(&given, field)?.as_str().map(str::to_owned));
        self.all.push(Item { kind, parent, at, id, name, derived });
        let mut errors = Tree::default();
        if remarks {
            take_remarks(&mut given, &mut errors);
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
        given: &mut Fields,
        parent: Option<(usize, &'static str)>,
    ) -> (String, bool) {
        let schema = kinds.get(kind);
        if !schema.has_uuid {
            let key = schema.entity.key_fields().first().and_then(|field| given.get(*field));
            return (key.and_then(Value::as_str).unwrap_or_default().to_owned(), false);
        }
        if let Some(id) = get(given, "id") {
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
        given.insert("id".to_owned(), Value::String(id.clone()));
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
