//! Tags and selectors.

use super::reader::Cursor;
use crate::tags::{PROTOCOL, Protocol, SERVICE, Tags};

/// What is asked of a set of tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Values may hold slashes or be `*`.
    pub(super) selector: bool,
    /// There must be at least one tag.
    pub(super) filled: bool,
    /// What is asked of the service tag.
    pub(super) service: ServiceRule,
    /// A tag that is let through and left out.
    pub(super) ignored: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceRule {
    Free,
    Required,
    /// It must be the only tag.
    Alone,
}

impl Rules {
    /// Tags that describe something.
    pub(super) const VALUES: Self = Self { selector: false, filled: false, service: ServiceRule::Free, ignored: None };
    /// Tags that select, at least one.
    pub(super) const SELECTOR: Self = Self { selector: true, filled: true, service: ServiceRule::Free, ignored: None };
    /// Tags that select, the service among them.
    pub(super) const SERVICE_AND_MORE: Self = Self { service: ServiceRule::Required, ..Self::SELECTOR };
    /// A service and nothing else.
    pub(super) const SERVICE_ALONE: Self = Self { filled: false, service: ServiceRule::Alone, ..Self::SELECTOR };
}

/// A list of `{match: tags}`, at least one.
pub(super) fn selectors(list: &Cursor<'_, '_>, rules: Rules) -> Vec<Tags> {
    selectors_with(list, rules, |_, _| ())
}

/// Like [`selectors`], with a further check of each set of tags.
pub(super) fn selectors_with(list: &Cursor<'_, '_>, rules: Rules, check: fn(&Cursor<'_, '_>, &Tags)) -> Vec<Tags> {
    if list.raw().is_none_or(|value| value.as_array().is_some_and(Vec::is_empty)) {
        list.problem("must have at least one element");
    }
    optional_selectors_with(list, rules, check)
}

/// A list of `{match: tags}`, which may be empty.
pub(super) fn optional_selectors(list: &Cursor<'_, '_>, rules: Rules) -> Vec<Tags> {
    optional_selectors_with(list, rules, |_, _| ())
}

fn optional_selectors_with(list: &Cursor<'_, '_>, rules: Rules, check: fn(&Cursor<'_, '_>, &Tags)) -> Vec<Tags> {
    list.list(|item| {
        item.object(|selector| {
            let field = selector.field("match");
            let tags = tags(&field, rules);
            check(&field, &tags);
            tags
        })
    })
}

/// A set of tags in canonical spelling.
pub(super) fn tags(map: &Cursor<'_, '_>, rules: Rules) -> Tags {
    let mut written = raw_tags(map);
    if let Some(ignored) = rules.ignored {
        written.remove(ignored);
    }
    let tags = canonical(written.clone());
    if rules.filled && tags.is_empty() && map.raw().is_none_or(serde_json::Value::is_object) {
        map.problem("must have at least one tag");
    }
    if rules.service == ServiceRule::Alone && !(tags.len() == 1 && tags.contains_key(SERVICE)) {
        map.problem(format!("must consist of exactly one tag {SERVICE:?}"));
    }
    for (key, value) in &written {
        check_tag(map, key, value, rules);
    }
    match rules.service {
        ServiceRule::Required | ServiceRule::Alone if !tags.contains_key(SERVICE) => {
            map.problem(format!("mandatory tag {SERVICE:?} is missing"));
        }
        _ => {}
    }
    tags
}

fn check_tag(map: &Cursor<'_, '_>, key: &str, value: &str, rules: Rules) {
    if key.is_empty() {
        map.problem("tag name must be non-empty");
    }
    if !is_name(key) {
        map.problem_at_key(
            key,
            "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores",
        );
    }
    if rules.service == ServiceRule::Alone && key != SERVICE && key != "service" {
        map.problem_at_key(key, format!("tag {key:?} is not allowed"));
    }
    if value.is_empty() {
        map.problem_at_key(key, "tag value must be non-empty");
    }
    if rules.selector && value != "*" && !is_name(value) {
        map.problem_at_key(
            key,
            "tag value must consist of alphanumeric characters, dots, dashes, slashes and underscores or be \"*\"",
        );
    }
    if !rules.selector && (value.contains('/') || !is_name(value)) {
        map.problem_at_key(key, "tag value must consist of alphanumeric characters, dots, dashes and underscores");
    }
}

/// Whether a tag may be called so.
pub(super) fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:/".contains(&byte))
}

/// A map of strings as written, sorted; `null` is an empty string.
pub(super) fn raw_tags(map: &Cursor<'_, '_>) -> Tags {
    map.entries(|key, value| {
        let value = if value.is_present() { value.string()? } else { "" };
        Some((key.to_owned(), value.to_owned()))
    })
    .into_iter()
    .collect()
}

/// Spells the older `service` and `protocol` as today, unless today's spelling is there as well.
pub(super) fn canonical(mut tags: Tags) -> Tags {
    for (old, new) in [("service", SERVICE), ("protocol", PROTOCOL)] {
        if !tags.contains_key(new)
            && let Some(value) = tags.remove(old)
        {
            tags.insert(new.to_owned(), value);
        }
    }
    tags
}

/// Whether a protocol tag's value names a protocol.
pub(super) fn is_protocol(word: &str) -> bool {
    Protocol::parse(word) != Protocol::Tcp || ["tcp", "mysql"].contains(&word.to_ascii_lowercase().as_str())
}

/// The end of a message about a protocol that is none.
pub(super) const PROTOCOLS: &str = "Allowed values: grpc, http, http2, kafka, tcp";
