//! `{{ variable }}` in files given to `apply`.

use std::collections::BTreeMap;

use thiserror::Error;

/// Why a template could not be filled in.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum TemplateError {
    #[error("no value for the template {}: add {}", plural("variable", .0), flags(.0))]
    Missing(Vec<String>),
    #[error("line {line}: \"{{{{\" is not closed by \"}}}}\" on the same line")]
    Unclosed { line: usize },
    #[error("line {line}: {found:?} is not a variable name; letters, digits, \"_\", \"-\" and \".\" make one")]
    NotAName { line: usize, found: String },
}

fn plural(word: &str, names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("{word}{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

fn flags(names: &[String]) -> String {
    names.iter().map(|name| format!("-v {name}=VALUE")).collect::<Vec<_>>().join(" ")
}

/// Replaces every `{{ name }}` (and `{{{ name }}}`) by its value, verbatim. All missing variables are reported.
pub(crate) fn render(text: &str, values: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    let mut rendered = String::with_capacity(text.len());
    let mut missing: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        rendered.push_str(&rest[..start]);
        let line = 1 + text[..text.len() - rest.len() + start].matches('\n').count();
        let tag = &rest[start..];
        let (open, close) = if tag.starts_with("{{{") { ("{{{", "}}}") } else { ("{{", "}}") };
        let inside = &tag[open.len()..];
        let end = inside.find(close).filter(|end| !inside[..*end].contains('\n'));
        let end = end.ok_or(TemplateError::Unclosed { line })?;
        let name = inside[..end].trim();
        if !is_name(name) {
            return Err(TemplateError::NotAName { line, found: name.chars().take(80).collect() });
        }
        match values.get(name) {
            Some(value) => rendered.push_str(value),
            None if missing.iter().any(|known| known == name) => {}
            None => missing.push(name.to_owned()),
        }
        rest = &inside[end + close.len()..];
    }
    rendered.push_str(rest);
    if missing.is_empty() { Ok(rendered) } else { Err(TemplateError::Missing(missing)) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_replaced_verbatim() {
        let values = values(&[("name", "<web & co>"), ("db.port", "{{ name }}")]);
        let rendered = render("a: {{ name }}\nb: {{{name}}} {{db.port}}}", &values).unwrap();
        assert_eq!(rendered, "a: <web & co>\nb: <web & co> {{ name }}}");
    }

    #[test]
    fn all_missing_variables_are_named_once() {
        let error = render("{{ a }} {{ b }} {{ a }}", &values(&[("c", "")])).unwrap_err();
        assert_eq!(error.to_string(), "no value for the template variables \"a\", \"b\": add -v a=VALUE -v b=VALUE");
    }

    #[test]
    fn malformed_tags_name_their_line() {
        let error = render("x\ny: {{ a\n}}", &values(&[("a", "1")])).unwrap_err();
        assert_eq!(error.to_string(), "line 2: \"{{\" is not closed by \"}}\" on the same line");
        let error = render("{{#each}}", &values(&[])).unwrap_err();
        assert!(error.to_string().starts_with("line 1: \"#each\" is not a variable name"), "{error}");
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}", braces in "[{} a\n\u{e9}]{0,40}") {
            let values = values(&[("a", "1")]);
            for input in [&text, &braces] {
                if !input.contains("{{") {
                    prop_assert_eq!(render(input, &values), Ok(input.clone()));
                } else if let Ok(rendered) = render(input, &values) {
                    prop_assert!(rendered.len() < input.len());
                }
            }
        }
    }
}
