//! Paths: as they are matched, and as they go upstream.

use std::borrow::Cow;

/// Octets that stay encoded when a path is normalised, and that a path for the upstream may have as they are.
const RESERVED: [bool; 256] = among(b"!*'();:@&=+$,/?%#[]");

/// Octets that a path for the upstream may have as they are.
const PLAIN: [bool; 256] =
    among(b"!*'();:@&=+$,/?%#[]-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

const fn among(octets: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < octets.len() {
        table[octets[at] as usize] = true;
        at += 1;
    }
    table
}

/// A path (without query) as it is matched: what need not be encoded is decoded, `.` and `..` are resolved, slashes
/// merged. Nothing is copied when nothing changes.
pub fn normalize(path: &[u8]) -> Cow<'_, [u8]> {
    if is_normal(path) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(normalize_odd(path))
}

#[cold]
fn normalize_odd(path: &[u8]) -> Vec<u8> {
    let decoded = decode(path);
    let mut out: Vec<u8> = Vec::with_capacity(decoded.len());
    for (at, segment) in decoded.split(|byte| *byte == b'/').enumerate() {
        match segment {
            b"" if at == 0 => {}
            b"" => {
                if !out.ends_with(b"/") {
                    out.push(b'/');
                }
            }
            b"." => {
                if !out.ends_with(b"/") {
                    out.push(b'/');
                }
            }
            b".." => {
                if out.ends_with(b"/") {
                    out.pop();
                }
                let parent = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(parent);
                out.push(b'/');
            }
            segment => {
                if at > 0 && !out.ends_with(b"/") {
                    out.push(b'/');
                }
                out.extend_from_slice(segment);
            }
        }
    }
    out
}

/// Whether `..` leads above the root: no such path exists.
pub fn leaves_root(path: &[u8]) -> bool {
    !(path.starts_with(b"/") && is_normal(path)) && climbs_out(path)
}

#[cold]
fn climbs_out(path: &[u8]) -> bool {
    let mut depth = 0_i64;
    for segment in decode(path).split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
        match segment {
            b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Whether [`normalize`] leaves a path as it is: nothing is encoded, no segment is empty or begins with a dot.
#[inline(never)]
fn is_normal(path: &[u8]) -> bool {
    // Without leaving early, so that many bytes are looked at with one instruction.
    let odd = |before, byte| (byte == b'%') | ((before == b'/') & ((byte == b'/') | (byte == b'.')));
    let Some((first, rest)) = path.split_first() else { return true };
    !path.iter().zip(rest).fold(*first == b'%', |is_odd, (before, byte)| is_odd | odd(*before, *byte))
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let hex = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16));
        match (path[at], hex(path.get(at + 1)), hex(path.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                let byte = (high * 16 + low) as u8;
                if RESERVED[usize::from(byte)] {
                    out.push(b'%');
                    out.extend(path[at + 1..at + 3].iter().map(u8::to_ascii_uppercase));
                } else {
                    out.push(byte);
                }
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Appends a normalised path as it goes upstream: everything that is neither unreserved nor reserved is encoded.
pub fn escape_into(path: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(path.len());
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        let byte = rest[at];
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// How the service's path and the request's are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// With exactly one slash in between.
    V0,
    /// Without regard to segments. Only the flavor `traditional` has it.
    V1,
}

/// The path for the upstream, escaped, into `out`. `matched` is how much of the normalised `request` the route
/// matched, if that is to be stripped.
pub fn upstream_path(base: &[u8], request: &[u8], matched: Option<usize>, handling: Handling, out: &mut Vec<u8>) {
    out.clear();
    let base = if base.is_empty() { b"/" } else { base };
    let strip = matched.is_some();
    let rest = match matched {
        Some(length) => tidy(&request[length.min(request.len())..]),
        None => request,
    };
    if handling == Handling::V1 {
        return v1(base, request, rest, strip, out);
    }
    let (with_slash, base_open) = match base.strip_suffix(b"/") {
        Some(open) => (true, open),
        None => (false, base),
    };
    let ends_in_slash = request.len() > 1 && request.ends_with(b"/");
    let (first, between, second): (&[u8], &[u8], &[u8]) = match (with_slash, strip) {
        (true, true) if rest.is_empty() && (base == b"/" || request.ends_with(b"/")) => (base, b"", b""),
        (true, true) if rest.is_empty() => (base_open, b"", b""),
        (true, true) if rest.starts_with(b"/") => (base_open, b"", rest),
        (true, true) => (base, b"", rest),
        (true, false) => (base, b"", request.get(1..).unwrap_or_default()),
        (false, true) if rest.is_empty() && ends_in_slash => (base, b"/", b""),
        (false, true) if rest.is_empty() => (base, b"", b""),
        (false, true) if rest.starts_with(b"/") => (base, b"", rest),
        (false, true) => (base, b"/", rest),
        (false, false) if request == b"/" => (base, b"", b""),
        (false, false) => (base, b"", request),
    };
    out.extend_from_slice(first);
    out.extend_from_slice(between);
    escape_into(second, out);
}

fn v1(base: &[u8], request: &[u8], rest: &[u8], strip: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(base);
    if !strip {
        return escape_into(request.strip_prefix(b"/").unwrap_or(request), out);
    }
    let rest = if base.ends_with(b"/") { rest.strip_prefix(b"/").unwrap_or(rest) } else { rest };
    escape_into(rest, out);
}

/// What is left of a path must not begin with dots that would be resolved once more.
fn tidy(rest: &[u8]) -> &[u8] {
    match rest {
        b"." | b".." => b"",
        _ => rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"../")).unwrap_or(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> String {
        String::from_utf8(normalize(path.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn paths_are_normalised() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("//a///b/", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/%2e%2E/x/%7Eb", "/x/~b"),
            ("/a%2fb%3f", "/a%2Fb%3F"),
            ("/a%20b", "/a b"),
            ("/%zz", "/%zz"),
            ("/.well-known", "/.well-known"),
            ("/..a/b", "/..a/b"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
            assert_eq!(normal(&normal(path)), normal(path), "{path}");
        }
        assert!(matches!(normalize(b"/plain/path"), Cow::Borrowed(_)));
    }

    #[test]
    fn leaving_the_root_is_noticed() {
        assert!(leaves_root(b"/..") && leaves_root(b"/a/../../b") && leaves_root(b"/%2e%2e/b"));
        assert!(!leaves_root(b"/a/..") && !leaves_root(b"/..a") && !leaves_root(b"/a/b.c"));
    }

    #[test]
    fn service_and_request_paths_are_joined() {
        let joined = |base: &str, request: &str, strip: bool, handling| {
            let mut out = Vec::new();
            let request = request.as_bytes();
            upstream_path(base.as_bytes(), request, strip.then_some("/r".len()), handling, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (base, request, strip, expected) in [
            ("/s", "/r", true, "/s"),
            ("/s", "/r/", true, "/s/"),
            ("/s", "/r/x", true, "/s/x"),
            ("/s", "/rx", true, "/s/x"),
            ("/s/", "/r", true, "/s"),
            ("/s/", "/r/", true, "/s/"),
            ("/s/", "/rx", true, "/s/x"),
            ("/s", "/r/x", false, "/s/r/x"),
            ("/s/", "/r/x", false, "/s/r/x"),
            ("/", "/r", true, "/"),
            ("/", "/r/x y", true, "/x%20y"),
            ("/s", "/", false, "/s"),
        ] {
            assert_eq!(joined(base, request, strip, Handling::V0), expected, "{base} {request} {strip}");
        }
        assert_eq!(joined("/srv", "/req", true, Handling::V1), "/srveq");
        assert_eq!(joined("/s/", "/r/x", true, Handling::V1), "/s/x");
        assert_eq!(joined("/service", "/route", false, Handling::V1), "/serviceroute");
    }
}
