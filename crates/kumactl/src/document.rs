//! Files of several YAML or JSON documents.

use anyhow::{Context as _, bail};
use serde_json::{Map, Number, Value};
use serde_norway::Value as Yaml;

/// One document of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document<'text> {
    /// Line of the file on which it starts, from 1.
    pub(crate) line: usize,
    /// The document itself, without separators.
    pub(crate) text: &'text str,
}

/// Cuts a file at its document separators: `---` or `...` at the beginning of a line, alone or followed by a space.
/// What follows `---` on its line belongs to the new document. Documents of blanks and comments only are left out.
pub(crate) fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_separator(line) {
            push(&mut documents, &text[start..offset], start_line);
            (start, start_line) = (offset + "---".len(), index + 1);
        }
        offset += line.len();
    }
    push(&mut documents, &text[start..], start_line);
    documents
}

fn is_separator(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn push<'text>(documents: &mut Vec<Document<'text>>, text: &'text str, line: usize) {
    let blank = |line: &str| matches!(line.trim_start().as_bytes().first(), None | Some(b'#'));
    if !text.lines().all(blank) {
        documents.push(Document { line, text });
    }
}

/// Reads one document.
pub(crate) fn parse(document: &Document<'_>) -> anyhow::Result<Value> {
    let yaml: Yaml = serde_norway::from_str(document.text).map_err(|error| {
        let line = error.location().map_or(document.line, |location| document.line + location.line().max(1) - 1);
        let message = error.to_string();
        // The parser's own position counts from the document, not from the file.
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        anyhow::anyhow!("line {line}: {message}")
    })?;
    to_json(yaml).context("not a resource")
}

fn to_json(yaml: Yaml) -> anyhow::Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => to_number(&number)?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(mapping) => {
            let mut object = Map::with_capacity(mapping.len());
            for (key, value) in mapping {
                let key = to_key(key)?;
                let value = to_json(value)?;
                if object.contains_key(&key) {
                    bail!("the key {key:?} is there twice");
                }
                object.insert(key, value);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => bail!("the tag {} has no meaning here", tagged.tag),
    })
}

fn to_number(number: &serde_norway::Number) -> anyhow::Result<Value> {
    let json = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(value), ..) => Some(Number::from(value)),
        (None, Some(value), _) => Some(Number::from(value)),
        (None, None, Some(value)) => Number::from_f64(value),
        (None, None, None) => None,
    };
    json.map(Value::Number).with_context(|| format!("the number {number} cannot be sent"))
}

/// Keys such as `8080:` and `true:` mean their text.
fn to_key(key: Yaml) -> anyhow::Result<String> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Bool(value) => Ok(value.to_string()),
        Yaml::Number(number) => Ok(number.to_string()),
        _ => bail!("a key must be text"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Value> {
        split(text).iter().map(|document| parse(document).unwrap()).collect()
    }

    #[test]
    fn documents_are_separated() {
        let text = "# licence\n---\na: 1\n--- # second\nb: |\n  ---\n  x\n...\n---\n\n--- {c: 2}\n";
        assert_eq!(values(text), [json!({"a": 1}), json!({"b": "---\nx\n"}), json!({"c": 2})]);
        let lines: Vec<_> = split(text).iter().map(|document| document.line).collect();
        assert_eq!(lines, [2, 4, 11]);
    }

    #[test]
    fn json_and_windows_line_ends_are_read() {
        assert_eq!(values("\u{feff}{\"a\": [1, -2, 0.5, null, true]}"), [json!({"a": [1, -2, 0.5, null, true]})]);
        assert_eq!(values("a: 1\r\n---\r\nb: 2\r\n"), [json!({"a": 1}), json!({"b": 2})]);
    }

    #[test]
    fn errors_count_lines_from_the_file() {
        let documents = split("a: 1\n---\nb: 2\nc: [\n");
        let error = parse(&documents[1]).unwrap_err().to_string();
        assert!(error.starts_with("line 5: "), "{error}");
    }

    #[test]
    fn scalar_keys_mean_their_text_and_doubles_are_refused() {
        assert_eq!(values("8080: a\ntrue: b"), [json!({"8080": "a", "true": "b"})]);
        let documents = split("1: a\n'1': b");
        assert_eq!(format!("{:#}", parse(&documents[0]).unwrap_err()), "not a resource: the key \"1\" is there twice");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,120}", shaped in "[-.\n\r \ta:{}\\[\\]#&*!'\"|>1\u{feff}\u{e9}]{0,60}") {
            for input in [&text, &shaped] {
                for document in split(input) {
                    prop_assert!(input.contains(document.text));
                    prop_assert!(document.line <= input.matches('\n').count() + 1);
                    parse(&document).ok();
                }
            }
        }
    }
}
