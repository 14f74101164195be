//! Errors as a list of entities with what is wrong with each.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Tree;
use crate::declarative::kinds::Kinds;
use crate::schema::ENTITY;

/// Takes out of the errors what belongs to entities; what is left is about the configuration as a whole.
pub(super) fn split(kinds: &Kinds<'_>, tree: Tree, mut raw: Map<String, Value>) -> (Tree, Vec<Value>) {
    let mut list = Vec::new();
    let mut rest = Tree::default();
    let Tree::Below { fields, .. } = tree else { return (tree, list) };
    for (name, errors) in fields.into_iter().rev() {
        let entities = raw.get_mut(&name).filter(|value| value.is_array() || value.is_object());
        match (kinds.find(&name), entities, errors) {
            (Some(kind), Some(Value::Array(entities)), Tree::Below { items, .. }) => {
                for (at, errors) in items.into_iter().rev() {
                    if let Some(Value::Object(entity)) = entities.get_mut(at) {
                        add_entity(kinds, kind, std::mem::take(entity), errors, &mut list);
                    }
                }
            }
            (_, Some(Value::Object(_)), Tree::Below { .. }) => {}
            (_, _, errors) => *rest.field(&name) = errors,
        }
    }
    (rest, list)
}

/// Adds what is wrong with an entity, and before it what is wrong with those inside of it.
fn add_entity(kinds: &Kinds<'_>, at: usize, mut entity: Map<String, Value>, errors: Tree, list: &mut Vec<Value>) {
    let mut errors = match errors {
        Tree::Text(text) => {
            let mut tree = Tree::default();
            tree.field(ENTITY).set_text(&text);
            tree
        }
        below => below,
    };
    if errors.is_empty() {
        return;
    }
    let kind = kinds.get(at);
    let key = reference_to(&entity);
    for foreign in &kind.foreign {
        let Some(Value::Object(there)) = entity.get_mut(foreign.name) else { continue };
        let there = std::mem::take(there);
        match reference_to(&there) {
            Some(key) => entity.insert(foreign.name.to_owned(), key),
            None => entity.shift_remove(foreign.name),
        };
        let below = take_field(&mut errors, foreign.name);
        if let (Some(below), Some(parent)) = (below, kinds.find(foreign.reference)) {
            add_entity(kinds, parent, there, below, list);
        }
    }
    for (child, field) in &kind.children {
        let name = kinds.get(*child).name;
        if !entity.get(name).is_some_and(|value| value.is_array() || value.is_object()) {
            continue;
        }
        let children = entity.shift_remove(name);
        let (Some(Tree::Below { items, .. }), Some(Value::Array(mut children))) =
            (take_field(&mut errors, name), children)
        else {
            continue;
        };
        for (at, below) in items {
            let Some(Value::Object(inner)) = children.get_mut(at) else { continue };
            let mut inner = std::mem::take(inner);
            if let Some(key) = &key
                && !inner.contains_key(*field)
            {
                inner.insert((*field).to_owned(), key.clone());
            }
            add_entity(kinds, *child, inner, below, list);
        }
    }
    if errors.is_empty() {
        return;
    }
    let mut messages = Vec::new();
    categorize(&errors, "", &mut messages);
    let mut entry = json!({"entity_type": singular(kind.name), "errors": messages});
    if let Some(name) = entity.get("name").filter(|name| name.as_str().is_some_and(|name| !name.is_empty())) {
        entry["entity_name"] = name.clone();
    }
    if key.is_some() {
        entry["entity_id"] = entity["id"].clone();
    }
    if let Some(Value::Array(tags)) =
        entity.get("tags").filter(|tags| tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string)))
    {
        entry["entity_tags"] = json!(tags);
    }
    entry["entity"] = Value::Object(entity);
    list.push(entry);
}

fn reference_to(entity: &Map<String, Value>) -> Option<Value> {
    let id = entity.get("id")?.as_str().filter(|id| id.len() == 36 && Uuid::try_parse(id).is_ok())?;
    Some(json!({ "id": id }))
}

fn take_field(errors: &mut Tree, name: &str) -> Option<Tree> {
    match errors {
        Tree::Below { fields, .. } => fields.remove(name),
        Tree::Text(_) => None,
    }
}

/// All messages with their dotted places.
fn categorize(errors: &Tree, place: &str, messages: &mut Vec<Value>) {
    let Tree::Below { items, fields } = errors else { return };
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    let mut add = |name: &str, errors: &Tree| match errors {
        _ if name == ENTITY => entity_messages(errors, messages),
        Tree::Text(text) => messages.push(json!({"type": "field", "field": below(name), "message": text})),
        tree => categorize(tree, &below(name), messages),
    };
    for (name, errors) in fields.iter().rev() {
        add(name, errors);
    }
    for (at, errors) in items.iter().rev() {
        add(&(at + 1).to_string(), errors);
    }
}

fn entity_messages(errors: &Tree, messages: &mut Vec<Value>) {
    match errors {
        Tree::Text(text) => messages.push(json!({"type": "entity", "message": text})),
        Tree::Below { items, fields } => {
            items.values().chain(fields.values()).for_each(|errors| entity_messages(errors, messages));
        }
    }
}

fn singular(kind: &str) -> String {
    match kind.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => kind.strip_suffix('s').unwrap_or(kind).to_owned(),
    }
}
