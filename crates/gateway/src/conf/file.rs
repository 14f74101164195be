//! The format of `kong.conf`: `key = value` lines, `#` begins a comment unless it is escaped. Values that do not fit in
//! a line, which the environment may hold, are written as `json:` and a string of JSON.

use base::Problems;

/// Largest file, in bytes.
pub(super) const MAX_FILE: usize = 1024 * 1024;

const JSON: &str = "json:";

/// The settings of a file, in order, with the number of their line.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Vec<(usize, String, String)> {
    let mut settings = Vec::new();
    if text.len() > MAX_FILE {
        problems.add("", format!("the file has {} bytes, the limit is {MAX_FILE}", text.len()));
        return settings;
    }
    for (at, line) in text.lines().enumerate() {
        let line = without_comment(line);
        if line.trim().is_empty() {
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                settings.push((at + 1, key.trim().to_owned(), read(value.trim())));
            }
            _ => problems.add(format!("line {}", at + 1), format!("{:?} is not `key = value`", line.trim())),
        }
    }
    settings
}

fn without_comment(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'#') => out.extend(characters.next()),
            '#' => break,
            other => out.push(other),
        }
    }
    out
}

/// A value in a form that [`parse`] reads as it is.
pub(super) fn write(value: &str) -> String {
    let is_plain = !value.contains(['\n', '\r']) && value.trim() == value && read(value) == value;
    let text = if is_plain { value.to_owned() } else { format!("{JSON}{}", serde_json::Value::from(value)) };
    text.replace('#', "\\#")
}

fn read(value: &str) -> String {
    let json = value.strip_prefix(JSON).and_then(|text| serde_json::from_str(text).ok());
    json.unwrap_or_else(|| unquote(value).to_owned())
}

fn unquote(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_read_as_it_was_written() {
        for value in ["", "a", "a#b\\#c", "\"quoted\"", " a ", "a: 1\nb: \"#\"\r\n\n  c: \\", "json:\"x\"", "'"] {
            let mut problems = Problems::default();
            let settings = parse(&format!("key = {}\n", write(value)), &mut problems);
            assert!(problems.is_empty() && settings.len() == 1, "{value:?}: {problems}");
            assert_eq!(settings[0].2, value);
        }
    }

    #[test]
    fn comments_go_but_for_escaped_ones() {
        let mut problems = Problems::default();
        let settings = parse("# c\n a = b # c\n\npg_password = x\\#y\nq = 'z'\nnonsense\n", &mut problems);
        let pairs: Vec<_> = settings.iter().map(|(_, key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "b"), ("pg_password", "x#y"), ("q", "z")]);
        assert_eq!(problems.0[0].path, "line 6");
    }
}
