//! Checks of routes in code.

use gateway_router::expression::Expression;
use serde_json::Value;

use crate::schema::value::{is_nonempty, quoted};
use crate::schema::{Document, EntityError};
use crate::types::check_escapes;

/// What any route may match by, but for expressions.
const MATCHERS: [&str; 7] = ["snis", "sources", "destinations", "methods", "hosts", "paths", "headers"];

/// Routes that include https may match by `snis` as well as by what http has.
pub(super) fn check_https(route: &dyn Document) -> Result<(), EntityError> {
    secure(route, "https", &["methods", "hosts", "headers", "paths", "snis"])
}

/// As [`check_https`], where there are expressions.
pub(super) fn check_https_or_expression(route: &dyn Document) -> Result<(), EntityError> {
    secure(route, "https", &["methods", "hosts", "headers", "paths", "snis", "expression"])
}

/// Routes that include grpcs may match by `snis` as well as by what grpc has.
pub(super) fn check_grpcs(route: &dyn Document) -> Result<(), EntityError> {
    secure(route, "grpcs", &["hosts", "headers", "paths", "snis"])
}

/// As [`check_grpcs`], where there are expressions.
pub(super) fn check_grpcs_or_expression(route: &dyn Document) -> Result<(), EntityError> {
    secure(route, "grpcs", &["hosts", "headers", "paths", "snis", "expression"])
}

fn secure(route: &dyn Document, protocol: &str, names: &[&str]) -> Result<(), EntityError> {
    let protocols = route.get("protocols").and_then(Value::as_array);
    let concerned = protocols.is_some_and(|set| set.iter().any(|each| each == protocol));
    if !concerned || names.iter().any(|name| is_nonempty(route.get(name))) {
        return Ok(());
    }
    let names = quoted(names.iter().copied());
    Err(EntityError::message(format!("must set one of {names} when 'protocols' is '{protocol}'")))
}

/// A route matches by an expression or by fields, not by both.
pub(super) fn check_matchers(route: &dyn Document) -> Result<(), EntityError> {
    let fail = |text: &str| Err(EntityError::message(format!("Router Expression failed validation: {text}")));
    let set = |name: &str| route.get(name).is_some_and(|value| !value.is_null());
    let nonzero = |name: &str| set(name) && route.get(name).and_then(Value::as_f64) != Some(0.0);
    let expression = set("expression");
    let matchers = MATCHERS.iter().any(|name| is_nonempty(route.get(name)));
    if expression && matchers {
        return fail(
            "cannot set 'expression' with 'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or \
             'destinations' simultaneously",
        );
    }
    if expression && nonzero("regex_priority") {
        return fail("cannot set 'regex_priority' with 'expression' simultaneously");
    }
    if matchers && nonzero("priority") {
        return fail(
            "cannot set 'priority' with 'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations' \
             simultaneously",
        );
    }
    let text = route.get("expression").and_then(Value::as_str);
    match text.map(Expression::parse) {
        Some(Err(error)) => fail(&format!("{error} (at byte {})", error.at)),
        _ => Ok(()),
    }
}

/// A path to match: in its normal form, or after `~` a regular expression that compiles.
pub(super) fn check_path(path: &Value) -> Result<(), String> {
    let path = path.as_str().unwrap_or_default();
    if let Some(pattern) = path.strip_prefix('~') {
        return match gateway_router::check_pattern(pattern) {
            Ok(()) => Ok(()),
            Err(err) => {
                let reason = reason(pattern, &err);
                Err(format!("invalid regex: '{pattern}' (PCRE returned: pcre2_compile() failed: {reason})"))
            }
        };
    }
    if is_plain(path) {
        return Ok(());
    }
    check_escapes(path)?;
    let normal = normalize(path);
    if normal == path.as_bytes() {
        return Ok(());
    }
    Err(format!("non-normalized path, consider use '{}' instead", String::from_utf8_lossy(&normal)))
}

/// Why a regular expression does not compile, in the words people know from PCRE where there are such.
fn reason(pattern: &str, err: &str) -> String {
    let said = err.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let (words, at) = match said {
        "unclosed group" => ("missing closing parenthesis", None),
        "unclosed character class" => ("missing terminating ] for character class", None),
        "incomplete escape sequence, reached end of pattern prematurely" => ("\\ at end of pattern", None),
        "unopened group" => ("unmatched closing parenthesis", Some(())),
        "repetition operator missing expression" => ("quantifier does not follow a repeatable item", Some(())),
        other => (other, None),
    };
    // The line before points at the place, which is shown indented.
    const INDENT: usize = 4;
    let column = err.lines().rev().nth(1).and_then(|line| line.find('^')?.checked_sub(INDENT));
    let rest = at.and(column).and_then(|column| pattern.char_indices().nth(column)).map(|(start, _)| &pattern[start..]);
    match rest {
        Some(rest) => format!("{words} in \"{pattern}\" at \"{rest}\""),
        None => format!("{words} in \"{pattern}\""),
    }
}

/// Whether nothing in the path could be written otherwise: no dots after slashes, no escapes.
fn is_plain(path: &str) -> bool {
    !path.bytes().zip(path.bytes().skip(1)).any(|pair| pair == (b'/', b'.') || pair == (b'/', b'/'))
        && !path.contains('%')
}

/// Resolves dot segments, merges slashes, decodes what need not be escaped.
fn normalize(path: &str) -> Vec<u8> {
    const RESERVED: &[u8] = b"!#$%&'()*+,/:;=?@[]";
    let mut decoded = Vec::with_capacity(path.len());
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok().map(|byte| (digits, byte))) {
            Some((digits, byte)) if RESERVED.contains(&byte) => {
                decoded.push(b'%');
                decoded.extend(digits.to_ascii_uppercase().bytes());
                at += 3;
            }
            Some((_, byte)) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut directory = false;
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut normal = Vec::with_capacity(decoded.len());
    for segment in &segments {
        normal.push(b'/');
        normal.extend(*segment);
    }
    if directory || segments.is_empty() {
        normal.push(b'/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(path: &str) -> Result<(), String> {
        check_path(&Value::from(path))
    }

    #[test]
    fn fixed_paths_are_in_normal_form() {
        for path in ["/", "/a", "/a/", "/a.b/c", "/foo(bar)", "/a b", "/a%2Fb", "/ä"] {
            assert_eq!(checked(path), Ok(()), "{path}");
        }
        assert_eq!(checked("/a/../b"), Err("non-normalized path, consider use '/b' instead".to_owned()));
        assert_eq!(checked("/a/."), Err("non-normalized path, consider use '/a/' instead".to_owned()));
        assert_eq!(checked("/a%20b"), Err("non-normalized path, consider use '/a b' instead".to_owned()));
        assert_eq!(checked("/a%2fb"), Err("non-normalized path, consider use '/a%2Fb' instead".to_owned()));
        assert_eq!(checked("/a%zz"), Err("invalid url-encoded value: '%zz'".to_owned()));
    }

    #[test]
    fn patterns_compile() {
        assert_eq!(checked("~/a(?<x>\\d+)"), Ok(()));
        let err = checked("~/[a").expect_err("not a pattern");
        assert!(err.starts_with("invalid regex: '/[a' (PCRE returned: "), "{err}");
        for (path, told) in [
            ("~/a(", r#"missing closing parenthesis in "/a(""#),
            ("~/[a", r#"missing terminating ] for character class in "/[a""#),
            ("~/a)b", r#"unmatched closing parenthesis in "/a)b" at ")b""#),
            ("~/é(*)", r#"quantifier does not follow a repeatable item in "/é(*)" at "*)""#),
        ] {
            let pattern = &path[1..];
            let expected = format!("invalid regex: '{pattern}' (PCRE returned: pcre2_compile() failed: {told})");
            assert_eq!(check_path(&path.into()), Err(expected));
        }
    }
}
