//! Values for the `{{ name }}` placeholders of a resource file. Mustache's variables, unescaped because the
//! result is YAML; not its sections.

use std::collections::BTreeMap;

use base::Problems;

/// `text` with every placeholder replaced; `{{! comments }}` vanish. Every placeholder without a value is a problem.
pub(crate) fn render(text: &str, variables: &BTreeMap<String, String>) -> Result<String, Problems> {
    let mut problems = Problems::default();
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        rendered.push_str(&rest[..start]);
        let line = || 1 + text[..text.len() - rest.len() + start].matches('\n').count();
        let (close, inner) = match rest[start + 2..].strip_prefix('{') {
            Some(inner) => ("}}}", inner),
            None => ("}}", &rest[start + 2..]),
        };
        let Some(end) = inner.find(close) else {
            problems.add(format!("line {}", line()), format!("{{{{ is never closed with {close}"));
            return Err(problems);
        };
        let tag = inner[..end].trim();
        let name = tag.strip_prefix('&').unwrap_or(tag).trim_start();
        if let Some(value) = variables.get(name) {
            rendered.push_str(value);
        } else if tag.starts_with(['#', '^', '/', '>', '=']) {
            problems.add(format!("line {}", line()), format!("{{{{{tag}}}}} is not supported, only variables are"));
        } else if !tag.starts_with('!') {
            problems.add_with_hint(
                format!("line {}", line()),
                format!("variable {name:?} has no value"),
                format!("--dataplane-var {name}=..."),
            );
        }
        rest = &inner[end + close.len()..];
    }
    rendered.push_str(rest);
    problems.into_result(rendered)
}

#[cfg(test)]
mod tests;
