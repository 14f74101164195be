//! Types for the texts of a form.

use serde_json::{Map, Number, Value};

use super::{FormValue, Node};
use crate::entity::EntitySchema;
use crate::error::Fields;
use crate::schema::view::View;
use crate::schema::{Field, Kind};

/// A form as a document of a kind.
pub(super) fn document(root: Node, entity: &EntitySchema, current: Option<&Fields>) -> Fields {
    let view = match entity.variant_key() {
        Some(key) => {
            let given = root.named.get(key).map(|node| plain(node.clone()));
            let kind = given.or_else(|| current.and_then(|current| current.get(key).cloned())).unwrap_or_default();
            entity.view(&Map::from_iter([(key.to_owned(), kind)]))
        }
        None => entity.view(&Map::new()),
    };
    let fields = root.named.into_iter().map(|(name, node)| {
        let field = lookup(view, &name).or_else(|| entity.extra_field(&name));
        let value = match field {
            Some(field) => typed(node, field),
            None if name == "ttl" && entity.has_ttl() => number(plain(node)),
            None => plain(node),
        };
        (name, value)
    });
    fields.collect()
}

/// A form as a document of no kind: all values are texts.
pub(super) fn plain_fields(root: Node) -> Fields {
    root.named.into_iter().map(|(name, node)| (name, plain(node))).collect()
}

fn lookup<'a>(view: View<'a>, name: &str) -> Option<&'a Field> {
    // A field's own type says more than that of a shorthand of the same name.
    view.field(name).or_else(|| view.shorthands().iter().find(|field| field.name() == name))
}

/// A node as it is.
fn plain(node: Node) -> Value {
    let Node { mut values, named, indexed } = node;
    if !named.is_empty() {
        return Value::Object(named.into_iter().map(|(name, node)| (name, plain(node))).collect());
    }
    if indexed.is_empty() && values.len() == 1 {
        return text(values.swap_remove(0));
    }
    indexed.into_values().map(plain).chain(values.into_iter().map(text)).collect()
}

/// A text; an empty one is null.
fn text(value: FormValue) -> Value {
    match value {
        FormValue::Text(text) if text.is_empty() => Value::Null,
        FormValue::Text(text) => Value::String(text),
        FormValue::Json(value) => value,
    }
}

/// A node as a value of a field.
fn typed(node: Node, field: &Field) -> Value {
    match field.kind() {
        Kind::Array(element) | Kind::Set(element) => list(node, element),
        Kind::Map(_, values) if !node.named.is_empty() => {
            Value::Object(node.named.into_iter().map(|(name, node)| (name, typed(node, values))).collect())
        }
        Kind::Record(schema) if !node.named.is_empty() => {
            let view = View::of(&schema.0);
            let fields = node.named.into_iter().map(|(name, node)| {
                let value = match lookup(view, &name) {
                    Some(field) => typed(node, field),
                    None => plain(node),
                };
                (name, value)
            });
            Value::Object(fields.collect())
        }
        Kind::Integer | Kind::Number => number(plain(node)),
        Kind::Boolean => match plain(node) {
            Value::String(text) if text == "true" => Value::Bool(true),
            Value::String(text) if text == "false" => Value::Bool(false),
            other => other,
        },
        _ => plain(node),
    }
}

/// A node as a list: what has an index first, a single value too.
fn list(node: Node, element: &Field) -> Value {
    let Node { mut values, named, indexed } = node;
    if !named.is_empty() {
        // A record in place of the list; its check will say so, unless it stands for the only element.
        let only = Node { values: Vec::new(), named, indexed: Default::default() };
        return match element.kind() {
            Kind::Record(_) => Value::Array(vec![typed(only, element)]),
            _ => plain(only),
        };
    }
    if indexed.is_empty() && values.len() == 1 {
        match values.swap_remove(0) {
            FormValue::Text(text) if text.is_empty() => return Value::Null,
            FormValue::Json(list @ Value::Array(_)) => return list,
            other => values.push(other),
        }
    }
    let single = |each| typed(Node { values: vec![each], ..Node::default() }, element);
    indexed.into_values().map(|node| typed(node, element)).chain(values.into_iter().map(single)).collect()
}

/// A text that is a number as that.
fn number(value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    let digits = text.trim();
    if let Ok(whole) = digits.parse::<i64>() {
        return Value::from(whole);
    }
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match digits.parse::<f64>().ok().filter(|_| decimal).and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => value,
    }
}
