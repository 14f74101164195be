//! The format of `kong.conf`: `key = value` lines, `#` begins a comment unless it is escaped.

use base::Problems;

/// Largest file, in bytes.
pub(super) const MAX_FILE: usize = 1024 * 1024;

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
                settings.push((at + 1, key.trim().to_owned(), unquote(value.trim()).to_owned()));
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

fn unquote(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_but_for_escaped_ones() {
        let mut problems = Problems::default();
        let settings = parse("# c\n a = b # c\n\npg_password = x\\#y\nq = 'z'\nnonsense\n", &mut problems);
        let pairs: Vec<_> = settings.iter().map(|(_, key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "b"), ("pg_password", "x#y"), ("q", "z")]);
        assert_eq!(problems.0[0].path, "line 6");
    }
}
