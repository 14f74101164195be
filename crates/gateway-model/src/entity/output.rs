//! Schemas as documents: what introspection shows.

use serde_json::{Map, Value, json};

use super::EntitySchema;
use crate::schema::{Check, EntityCheck, Field, Kind, Match, OnDelete, Schema};

impl EntitySchema {
    /// Its schema as a document.
    pub fn to_json(&self) -> Value {
        schema(&self.schema)
    }
}

/// A schema as a document: `fields`, in order, and `entity_checks`.
pub fn schema(schema: &Schema) -> Value {
    json!({"fields": fields(&schema.0.fields), "entity_checks": checks(&schema.0.checks)})
}

fn fields(fields: &[Field]) -> Value {
    fields.iter().map(|each| Value::Object(Map::from_iter([(each.name().to_owned(), field(each))]))).collect()
}

/// A field as a document.
pub fn field(field: &Field) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    match &field.kind {
        Kind::String => put("type", json!("string")),
        Kind::Integer => put("type", json!("integer")),
        Kind::Number => put("type", json!("number")),
        Kind::Boolean => put("type", json!("boolean")),
        Kind::Json => put("type", json!("json")),
        Kind::Array(element) => {
            put("type", json!("array"));
            put("elements", self::field(element));
        }
        Kind::Set(element) => {
            put("type", json!("set"));
            put("elements", self::field(element));
        }
        Kind::Map(keys, values) => {
            put("type", json!("map"));
            put("keys", self::field(keys));
            put("values", self::field(values));
        }
        Kind::Record(schema) => {
            put("type", json!("record"));
            put("fields", fields(&schema.0.fields));
            if !schema.0.shorthands.is_empty() {
                put("shorthand_fields", fields(&schema.0.shorthands));
            }
            if !schema.0.checks.is_empty() {
                put("entity_checks", checks(&schema.0.checks));
            }
        }
        Kind::Abstract => {
            put("type", json!("record"));
            put("abstract", json!(true));
        }
        Kind::Foreign { reference, on_delete } => {
            put("type", json!("foreign"));
            put("reference", json!(reference));
            match on_delete {
                OnDelete::Restrict => {}
                OnDelete::Cascade => put("on_delete", json!("cascade")),
                OnDelete::SetNull => put("on_delete", json!("null")),
            }
        }
    }
    if let Some(required) = field.required {
        put("required", json!(required));
    }
    if let Some(default) = &field.default {
        put("default", default.clone());
    }
    for check in &field.checks {
        if let Some((name, value)) = check_json(check) {
            put(name, value);
        }
    }
    let flags = &field.flags;
    let marks = [
        ("auto", flags.auto),
        ("unique", flags.unique),
        ("unique_across_ws", flags.unique_across_ws),
        ("referenceable", flags.referenceable),
        ("encrypted", flags.encrypted),
        ("immutable", flags.immutable),
        ("legacy", flags.legacy),
    ];
    for (name, _) in marks.into_iter().filter(|(_, set)| *set) {
        put(name, json!(true));
    }
    if let Some(err) = field.err {
        put("err", json!(err));
    }
    if let Some(description) = field.description {
        put("description", json!(description));
    }
    if let Some(deprecation) = &field.deprecation {
        let mut json = json!({"message": deprecation.message, "removal_in_version": "4.0"});
        if !deprecation.replaced_with.is_empty() {
            json["replaced_with"] = json!([{"path": deprecation.replaced_with}]);
        }
        if let Some(default) = &deprecation.old_default {
            json["old_default"] = default.clone();
        }
        put("deprecation", json);
    }
    Value::Object(out)
}

/// A check as an entry; checks in code have none.
fn check_json(check: &Check) -> Option<(&'static str, Value)> {
    Some(match check {
        Check::Eq(value) => ("eq", value.clone()),
        Check::Ne(value) => ("ne", value.clone()),
        Check::OneOf(options) => ("one_of", json!(options)),
        Check::NotOneOf(options) => ("not_one_of", json!(options)),
        Check::Gt(limit) => ("gt", json!(limit)),
        Check::Timestamp => ("timestamp", json!(true)),
        Check::Uuid => ("uuid", json!(true)),
        Check::IsRegex => ("is_regex", json!(true)),
        Check::Between(low, high) => ("between", json!([low, high])),
        Check::LenEq(len) => ("len_eq", json!(len)),
        Check::LenMin(len) => ("len_min", json!(len)),
        Check::LenMax(len) => ("len_max", json!(len)),
        Check::StartsWith(prefix) => ("starts_with", json!(prefix)),
        Check::NotMatch(pattern) => ("not_match", json!(pattern.as_str())),
        Check::Match(pattern) => ("match", json!(pattern.as_str())),
        Check::MatchNone(patterns) => {
            let list = patterns.iter().map(|(pattern, err)| json!({"pattern": pattern.as_str(), "err": err}));
            ("match_none", list.collect())
        }
        Check::MatchAll(patterns) => {
            let list = patterns.iter().map(|(pattern, err)| json!({"pattern": pattern.as_str(), "err": err}));
            ("match_all", list.collect())
        }
        Check::MatchAny(patterns, err) => {
            let mut json = json!({"patterns": patterns.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>()});
            if let Some(err) = err {
                json["err"] = json!(err);
            }
            ("match_any", json)
        }
        Check::Contains(value) => ("contains", value.clone()),
        Check::ExclusiveSubsets(subsets) => ("mutually_exclusive_subsets", json!(subsets)),
        Check::Custom(_) => return None,
    })
}

fn checks(checks: &[EntityCheck]) -> Value {
    let each = checks.iter().map(|check| {
        let (name, value) = entity_check(check);
        Value::Object(Map::from_iter([(name.to_owned(), value)]))
    });
    each.collect()
}

fn entity_check(check: &EntityCheck) -> (&'static str, Value) {
    match check {
        EntityCheck::AtLeastOneOf(names) => ("at_least_one_of", json!(names)),
        EntityCheck::OnlyOneOf(names) => ("only_one_of", json!(names)),
        EntityCheck::Distinct(names) => ("distinct", json!(names)),
        EntityCheck::MutuallyRequired(names) => ("mutually_required", json!(names)),
        EntityCheck::MutuallyExclusive(names) => ("mutually_exclusive", json!(names)),
        EntityCheck::MutuallyExclusiveSets(first, second) => {
            ("mutually_exclusive_sets", json!({"set1": first, "set2": second}))
        }
        EntityCheck::Conditional { if_field, if_match, then_field, then_match, then_err } => {
            let mut json = json!({
                "if_field": if_field, "if_match": match_json(if_match),
                "then_field": then_field, "then_match": match_json(then_match),
            });
            if let Some(err) = then_err {
                json["then_err"] = json!(err);
            }
            ("conditional", json)
        }
        EntityCheck::ConditionalAtLeastOneOf { if_field, if_match, then_at_least_one_of, then_err } => {
            let mut json = json!({
                "if_field": if_field, "if_match": match_json(if_match),
                "then_at_least_one_of": then_at_least_one_of,
            });
            if let Some(err) = then_err {
                json["then_err"] = json!(err);
            }
            ("conditional_at_least_one_of", json)
        }
        EntityCheck::Custom { sources, with_missing, with_invalid, .. } => {
            let mut json = json!({"field_sources": sources});
            if *with_missing {
                json["run_with_missing_fields"] = json!(true);
            }
            if *with_invalid {
                json["run_with_invalid_fields"] = json!(true);
            }
            ("custom_entity_check", json)
        }
    }
}

fn match_json(wanted: &Match) -> Value {
    let mut out: Map<String, Value> =
        wanted.checks.iter().filter_map(check_json).map(|(name, value)| (name.to_owned(), value)).collect();
    if wanted.required {
        out.insert("required".to_owned(), json!(true));
    }
    if let Some(elements) = &wanted.elements {
        let mut inner = match_json(elements);
        inner["type"] = json!("string");
        out.insert("elements".to_owned(), inner);
    }
    Value::Object(out)
}
