use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn response(fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new(200);
    for (name, value) in fields {
        head.headers.append(name, value);
    }
    head
}

fn written(head: &ResponseHead, length: Length) -> Vec<(String, String)> {
    let (response, size) = write_response(head, length, Changing::Indexed).unwrap();
    let fields = response.headers();
    assert_eq!(size, super::size(fields));
    fields.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn fields_come_in_small_letters_and_without_those_of_the_connection() {
    let head = response(&[
        ("Server", "a"),
        ("Connection", "close"),
        ("Keep-Alive", "1"),
        ("proxy-connection", "x"),
        ("TRANSFER-ENCODING", "chunked"),
        ("Upgrade", "h2c"),
        ("TE", "gzip"),
        ("te", "trailers"),
        ("X-\u{e9}", "not a name"),
        ("X-Control", "\u{1}"),
        ("Set-Cookie", "a"),
        ("set-cookie", "b"),
    ]);
    let expected = pairs(&[("server", "a"), ("te", "trailers"), ("set-cookie", "a"), ("set-cookie", "b")]);
    for _ in 0..3 {
        assert_eq!(written(&head, Length::AsListed), expected);
    }
}

#[test]
fn the_length_is_the_one_that_is_known() {
    let head = response(&[("content-length", "1"), ("A", "b")]);
    assert_eq!(written(&head, Length::AsListed), pairs(&[("content-length", "1"), ("a", "b")]));
    assert_eq!(written(&head, Length::Known(Some(20))), pairs(&[("a", "b"), ("content-length", "20")]));
    assert_eq!(written(&head, Length::Known(None)), pairs(&[("a", "b")]));
}

#[test]
fn a_field_has_the_value_it_came_with_whatever_came_before() {
    for value in ["a", "a", "a", "b", "a", "b", "b", "b", "", "a"] {
        assert_eq!(written(&response(&[("X-Value", value)]), Length::AsListed), pairs(&[("x-value", value)]));
    }
    let long = "x".repeat(5000);
    for name in ["X-Value", &long, "X-Value", &long, &long] {
        for value in [&long, &long, "a"] {
            let expected = pairs(&[(&name.to_ascii_lowercase(), value)]);
            assert_eq!(written(&response(&[(name, value)]), Length::AsListed), expected);
        }
    }
}

fn any_head() -> impl Strategy<Value = (Vec<(usize, usize)>, usize)> {
    (proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..6), 0..6_usize)
}

const NAMES: [&str; 9] = ["A", "a", "Host", "Content-Length", "TE", "Connection", "X-Request-ID", "B", "not a name"];
const VALUES: [&str; 5] = ["1", "22", "trailers", "", "\u{1}"];

proptest! {
    #[test]
    fn what_was_seen_before_makes_no_difference(heads in proptest::collection::vec(any_head(), 1..8)) {
        // Twice and again, as only what comes twice in a row is kept.
        for (listed, form) in heads.iter().flat_map(|head| [head; 3]).chain(&heads) {
            let mut headers = Headers::new();
            for (name, value) in listed {
                headers.append(NAMES[*name], VALUES[*value]);
            }
            let length = [Length::AsListed, Length::Known(None), Length::Known(Some(7))][form % 3];
            let changing = if form % 2 == 0 { Changing::Indexed } else { Changing::Literal };
            let form = Form { length, changing, host: *form < 3 };
            let ((fields, size), (expected, expected_size)) =
                (shapes::write(&headers, &form), fields::write(&headers, &form));
            let all = |fields: &HeaderMap| -> Vec<_> {
                fields.iter().map(|(name, value)| (name.clone(), value.clone(), value.is_sensitive())).collect()
            };
            prop_assert_eq!(all(&fields), all(&expected));
            prop_assert_eq!(size, expected_size);
        }
    }
}

#[test]
fn names_that_share_a_place_are_told_apart() {
    let names: Vec<String> = (0..2000).map(|number| format!("X-Name-{number}")).collect();
    for _ in 0..2 {
        for name in &names {
            let expected = pairs(&[(&name.to_ascii_lowercase(), name)]);
            assert_eq!(written(&response(&[(name, name)]), Length::AsListed), expected);
        }
    }
}

#[test]
fn what_changes_all_the_time_is_kept_out_of_the_clients_table_once_its_name_is_known() {
    let head = response(&[("Via", "kong"), ("X-Kong-Request-Id", "1"), ("x-kong-proxy-latency", "0")]);
    for _ in 0..3 {
        for (changing, expected) in [(Changing::Indexed, [false; 3]), (Changing::Literal, [false, true, true])] {
            let (response, _) = write_response(&head, Length::AsListed, changing).unwrap();
            let sensitive: Vec<bool> = response.headers().values().map(HeaderValue::is_sensitive).collect();
            assert_eq!(sensitive, expected);
        }
    }
}

#[test]
fn a_request_is_written_with_its_authority_apart() {
    let mut head = RequestHead { method: Method::Patch, target: b"/a?b=c".to_vec(), ..RequestHead::default() };
    head.headers.append("Host", "example.com:81");
    head.headers.append("Content-Length", "7");
    head.headers.append("Accept", "*/*");
    let request = write_request(&head, true, Some(3)).unwrap();
    assert_eq!(request.uri(), "https://example.com:81/a?b=c");
    assert_eq!(request.method(), http::Method::PATCH);
    let fields: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(fields, [("accept", b"*/*".as_slice()), ("content-length", b"3")]);

    head.target = b"a b".to_vec();
    assert!(write_request(&head, true, None).is_err());
    head.target = b"/".to_vec();
    head.headers.set("Host", "a b");
    assert!(write_request(&head, false, None).is_err());
    head.headers.remove("Host");
    assert!(write_request(&head, false, None).is_err());
}

#[test]
fn a_request_is_read_with_its_host_first_and_one_field_for_all_cookies() {
    let mut head = RequestHead::default();
    let builder = || http::Request::builder().header("cookie", "a=1").header("accept", "*/*").header("host", "ignored");
    let (parts, ()) = builder().uri("http://test/p?q").header("cookie", "b=2").body(()).unwrap().into_parts();
    assert!(read_request(&parts, &mut head));
    let fields: Vec<_> = head.headers.iter().collect();
    assert_eq!(fields, [(b"host".as_slice(), b"test".as_slice()), (b"accept", b"*/*"), (b"cookie", b"a=1; b=2")]);
    assert_eq!((head.target.as_slice(), head.version), (b"/p?q".as_slice(), Version::Http2));

    let (parts, ()) = builder().uri("/p").body(()).unwrap().into_parts();
    assert!(read_request(&parts, &mut head));
    assert_eq!(head.headers.get("host"), Some(b"ignored".as_slice()));
    assert_eq!(head.headers.get("cookie"), Some(b"a=1".as_slice()));

    let (parts, ()) = http::Request::builder().uri("/p").body(()).unwrap().into_parts();
    assert!(!read_request(&parts, &mut head));
    let (parts, ()) = http::Request::builder().uri("test:80").body(()).unwrap().into_parts();
    assert!(!read_request(&parts, &mut head));
}
