use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::headers::Headers;

/// Fields that decide nothing.
fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}".prop_filter("fields with a meaning have their own tests", |name| {
        let reserved = ["host", "connection", "content-length", "transfer-encoding", "upgrade", "expect"];
        !reserved.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
    });
    let byte = prop_oneof![8 => 0x21_u8..0x7f, 1 => 0x80_u8..=0xff, 1 => Just(b' '), 1 => Just(b'\t')];
    let value = vec(byte, 0..40).prop_map(|value| value.trim_ascii().to_vec());
    vec((name, value), 0..40)
}

/// Pieces that messages are made of, whole and broken.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        Just(b"5\r\nhello\r\n".to_vec()),
        Just(b";a=\"b\"".to_vec()),
        Just(b"A: 1\r\n".to_vec()),
        Just(b" ".to_vec()),
        "[0-9a-f]{1,3}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn cut<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|place| place.index(input.len() + 1)).collect();
    places.sort_unstable();
    let mut start = 0;
    let mut parts = Vec::new();
    for place in places.into_iter().chain([input.len()]) {
        parts.push(&input[start..place]);
        start = place;
    }
    parts
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        target in "/[!-\"$-~]{0,60}",
        fields in fields(),
        body in vec(vec(any::<u8>(), 1..50), 0..6),
    ) {
        let mut head = RequestHead { method: Method::Put, target: target.into_bytes(), ..RequestHead::default() };
        head.headers.append("Host", "a.test");
        for (name, value) in &fields {
            head.headers.append(name, value);
        }
        let mut out = Vec::new();
        write_request(&head, &mut out);
        write_chunked(&mut out);
        end_head(&mut out);
        for data in &body {
            write_chunk_head(data.len(), &mut out);
            out.extend_from_slice(data);
            write_chunk_end(&mut out);
        }
        write_last_chunk(None, &mut out);

        let mut read = RequestHead::default();
        let parsed = parse_request(&out, &Limits::default(), &mut read).unwrap().unwrap();
        prop_assert_eq!(parsed.framing, Framing::Chunked);
        prop_assert_eq!(&read.target, &head.target);
        read.headers.remove("transfer-encoding");
        prop_assert!(read.headers.iter().eq(head.headers.iter()));
        let read = decode_in_parts(Framing::Chunked, &[&out[parsed.consumed..]]);
        prop_assert_eq!(read, Ok((body.concat(), Vec::new(), true)));
    }

    #[test]
    fn changed_fields_are_written_as_they_are(fields in fields(), changes in vec((any::<prop::sample::Index>(), any::<bool>()), 0..6)) {
        let mut text = Vec::new();
        for (name, value) in &fields {
            write_field(name, value, &mut text);
        }
        let input = [b"HTTP/1.1 200 OK\r\n", text.as_slice(), b"\r\n"].concat();
        let mut head = ResponseHead::new(0);
        parse_response(&input, &Method::Get, &Limits::default(), &mut head).unwrap().unwrap();
        for (place, remove) in changes {
            let Some((name, _)) = fields.get(place.index(fields.len().max(1))) else { continue };
            if remove {
                head.headers.remove(name);
            } else {
                head.headers.set(name, "changed");
            }
        }
        let mut slowly = Vec::new();
        for (name, value) in head.headers.iter() {
            write_field(std::str::from_utf8(name).unwrap(), value, &mut slowly);
        }
        let mut out = Vec::new();
        head.headers.write_to(&mut out);
        prop_assert_eq!(out, slowly);
    }

    #[test]
    fn cuts_do_not_change_a_body(input in pieces(), cuts in vec(any::<prop::sample::Index>(), 0..5), length in 0_u64..60) {
        for framing in [Framing::Chunked, Framing::Length(length), Framing::UntilClose, Framing::None] {
            let whole = decode_in_parts(framing, &[&input]);
            prop_assert_eq!(decode_in_parts(framing, &cut(&input, &cuts)), whole);
        }
    }

    #[test]
    fn cuts_do_not_change_a_head(input in pieces(), cuts in vec(any::<prop::sample::Index>(), 1..5)) {
        let input = [b"POST / HTTP/1.1\r\nHost: a\r\n".as_slice(), &input].concat();
        let limits = Limits::default();
        let mut head = RequestHead::default();
        let whole = parse_request(&input, &limits, &mut head);
        for place in cuts {
            let part = parse_request(&input[..place.index(input.len() + 1)], &limits, &mut head);
            match part {
                Ok(None) => {}
                decided => prop_assert_eq!(decided, whole),
            }
        }
    }

    #[test]
    fn fields_behave_like_a_list(fields in fields(), name in "[aA]{1,2}", value in "[a-z]{0,5}") {
        let mut headers = Headers::new();
        let mut list: Vec<(String, Vec<u8>)> = Vec::new();
        for (field, value) in fields {
            headers.append(&field, &value);
            list.push((field, value));
        }
        headers.set(&name, &value);
        let first = list.iter().position(|(field, _)| field.eq_ignore_ascii_case(&name));
        match first {
            None => list.push((name, value.into_bytes())),
            Some(first) => {
                list[first].1 = value.into_bytes();
                let mut at = 0;
                list.retain(|(field, _)| {
                    at += 1;
                    at <= first + 1 || !field.eq_ignore_ascii_case(&name)
                });
            }
        }
        prop_assert!(headers.iter().eq(list.iter().map(|(field, value)| (field.as_bytes(), value.as_slice()))));
    }
}
