use proptest::prelude::*;
use regex::bytes::Regex;

use super::super::Pattern;

/// What the compiled expression finds: the length of the match, and groups by number and name after the whole match.
fn compiled(text: &str, subject: &[u8]) -> Option<(usize, Vec<(String, String)>)> {
    let regex = Regex::new(text).expect("an expression");
    let found = regex.captures(subject)?;
    let whole = found.get(0).expect("the whole match").as_bytes();
    let mut groups = Vec::new();
    for (number, name) in regex.capture_names().enumerate().skip(1) {
        let Some(group) = found.get(number) else { continue };
        let group = String::from_utf8_lossy(group.as_bytes()).into_owned();
        if groups.is_empty() {
            groups.push(("0".to_owned(), String::from_utf8_lossy(whole).into_owned()));
        }
        groups.push((number.to_string(), group.clone()));
        groups.extend(name.map(|name| (name.to_owned(), group)));
    }
    Some((whole.len(), groups))
}

fn found(pattern: &Pattern, subject: &[u8]) -> Option<(usize, Vec<(String, String)>)> {
    let mut groups = vec![("left".into(), "over".into())];
    let length = pattern.find(subject, &mut groups)?;
    Some((length, groups.into_iter().map(|(name, group)| (name.into(), group.into())).collect()))
}

fn is_run(pattern: &Pattern) -> bool {
    pattern.program.is_some() && pattern.regex.get().is_none()
}

#[test]
fn what_routes_ask_for_is_never_compiled() {
    for (text, subjects) in [
        (r"^/rx/r1/\d+", &["/rx/r1/12", "/rx/r1/", "/rx/r1/1x", "/rx/r1/٣", "/rx/r1"][..]),
        (r"^/users/(?<id>[^/]+)/posts$", &["/users/7/posts", "/users//posts", "/users/7/posts/", "/users/ä/posts"]),
        (r"^(?:/(?<v>v\d{1,2})/(\w+)(?:/(.*))?$)", &["/v1/a", "/v12/a/b/c", "/v123/a", "/v1/ab/", "/v1/ü/x"]),
        ("^/(?:a|b|ab)/(c|cd)(d?)$", &["/ab/cd", "/a/c", "/b/cdd", "/ab/cddd"]),
        ("^(?i)/Abc/.*?/z", &["/aBC/x/y/Z/z", "/abc//z", "/abc/z"]),
        (r"^/.*/z\.(?:png|jpe?g)$", &["/a/b/z.png", "/a/z.jpg/z.jpeg", "/a/z.jpgx"]),
        ("/b", &["/a/b", "b", "/a/c"]),
        ("(?m)^b$", &["a\nb", "a\nb\nc", "ab"]),
        ("^(?:/ab)+/?$", &["/ab/ab/", "/ab", "/ab/a"]),
        ("^(?-u:[^a])b", &["xb", "ab", "äb"]),
        ("v[0-9]+", &["~v12", "v", "xv1y"]),
        ("(a){0}(b)", &["ab"]),
    ] {
        let pattern = Pattern::new(text).expect("an expression");
        for subject in subjects {
            assert_eq!(found(&pattern, subject.as_bytes()), compiled(text, subject.as_bytes()), "{text} {subject}");
            assert_eq!(pattern.is_match(subject.as_bytes()), compiled(text, subject.as_bytes()).is_some());
        }
        assert!(is_run(&pattern), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_as_in_the_compiled_expression() {
    for text in [r"^/[^/]+$", r"^/\w*", "^/.", "^/(?s-u:.)", "^/(?-u:\\xff)", r"^/\D"] {
        let pattern = Pattern::new(text).expect("an expression");
        for subject in [&b"/\xff"[..], b"/\xc3", b"/\xc3\xa4", b"/a\xed\xa0\x80", b"/\xf4\x90\x80\x80", b"/\xe2\x82"] {
            assert_eq!(found(&pattern, subject), compiled(text, subject), "{text} {subject:?}");
        }
    }
}

#[test]
fn what_takes_long_is_compiled_and_ends() {
    let text = "^(a|aa)+$";
    let pattern = Pattern::new(text).expect("an expression");
    assert!(is_run(&pattern));
    let subject = format!("{}b", "a".repeat(2000));
    assert_eq!(found(&pattern, subject.as_bytes()), None);
    assert!(!is_run(&pattern));
    assert_eq!(found(&pattern, b"aaa"), compiled(text, b"aaa"));
}

#[test]
fn what_it_cannot_do_is_compiled() {
    for text in [r"^/\bab", "^(a*)*b", "^(?:a?){3,}b", "^(?:abcdefgh|b){200}"] {
        let pattern = Pattern::new(text).expect("an expression");
        assert!(pattern.program.is_none(), "{text}");
        for subject in ["/ab", "b", "aab", "aaaab"] {
            assert_eq!(found(&pattern, subject.as_bytes()), compiled(text, subject.as_bytes()), "{text}");
        }
    }
}

fn expression() -> impl Strategy<Value = String> {
    const ATOMS: &[&str] = &[
        "a", "b", "/", "ab", "ä", ".", "[ab]", "[^a]", r"\w", r"\d", "(?i:a)", "(?-u:.)", "(?s:.)", "^", "$", "(?m:^)",
        "(?m:$)", "", "[ä-ö]",
    ];
    let atom = proptest::sample::select(ATOMS).prop_map(str::to_owned);
    atom.prop_recursive(4, 24, 4, |inner| {
        let repeat = proptest::sample::select(
            &["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{1,3}?", "{2,}", "{0,2}", "{0}"][..],
        );
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => (inner.clone(), repeat).prop_map(|(inner, repeat)| format!("(?:{inner}){repeat}")),
            1 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => inner.prop_map(|inner| format!("({inner})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn running_finds_what_the_compiled_expression_finds(
        text in expression(),
        anchored in any::<bool>(),
        subjects in proptest::collection::vec("[ab/ä1\n]{0,8}", 1..6),
        cut in any::<bool>(),
    ) {
        let text = if anchored { format!("^(?:{text})") } else { text };
        let pattern = Pattern::new(&text).expect("an expression");
        for subject in &subjects {
            let mut subject = subject.as_bytes();
            if cut && !subject.is_empty() {
                subject = &subject[..subject.len() - 1];
            }
            prop_assert_eq!(found(&pattern, subject), compiled(&text, subject), "{} {:?}", text, subject);
            prop_assert_eq!(pattern.is_match(subject), compiled(&text, subject).is_some());
        }
    }
}
