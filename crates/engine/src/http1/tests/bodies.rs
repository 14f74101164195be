use super::*;

fn trailers(input: &str, limits: &Limits) -> Result<Vec<(String, String)>, BadBody> {
    let mut decoder = BodyDecoder::new(Framing::Chunked, limits);
    let mut input = input.as_bytes();
    while !decoder.decode(input).map(|step| {
        input = &input[step.consumed..];
        step.end
    })? {
        assert!(!input.is_empty(), "the input is a whole body");
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok(decoder.trailers().map_or(Vec::new(), |fields| fields.iter().map(|(n, v)| (text(n), text(v))).collect()))
}

#[test]
fn data_is_handed_on_where_it_stands() {
    let input = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest";
    let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
    let first = decoder.decode(input).unwrap();
    assert_eq!(first, Step { consumed: 6, data: 3..6, end: false });
    let second = decoder.decode(&input[6..]).unwrap();
    assert_eq!(second, Step { consumed: 7, data: 5..7, end: false });
    let third = decoder.decode(&input[13..]).unwrap();
    assert_eq!(third, Step { consumed: 7, data: 0..0, end: true });
    assert!(decoder.is_done() && decoder.trailers().is_none());
    assert_eq!(decoder.decode(b"rest").unwrap(), Step { consumed: 0, data: 0..0, end: true });
}

#[test]
fn where_a_body_is_cut_does_not_matter() {
    let inputs: [&[u8]; 6] = [
        b"3\r\nabc\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\nA: 1\r\nB: 2\r\n\r\nrest",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcX\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA : 1\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA: 1\r\nB: 2\n\r\n",
        b"3\r\nabc\r\n0\r\nA: 1\r\n",
    ];
    for input in inputs {
        let whole = decode_in_parts(Framing::Chunked, &[input]);
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode_in_parts(Framing::Chunked, &bytes), whole, "{}", input.escape_ascii());
        for cut in 0..input.len() {
            let (start, end) = input.split_at(cut);
            assert_eq!(decode_in_parts(Framing::Chunked, &[start, end]), whole, "{}", input.escape_ascii());
        }
    }
}

#[test]
fn bodies_end_where_their_framing_says() {
    assert_eq!(decode_in_parts(Framing::None, &[b"ab"]), Ok((vec![], b"ab".to_vec(), true)));
    assert_eq!(decode_in_parts(Framing::Length(0), &[b"ab"]), Ok((vec![], b"ab".to_vec(), true)));
    assert_eq!(decode_in_parts(Framing::Length(3), &[b"a", b"bcd"]), Ok((b"abc".to_vec(), b"d".to_vec(), true)));
    assert_eq!(decode_in_parts(Framing::Length(3), &[b"ab"]), Ok((b"ab".to_vec(), vec![], false)));
    assert_eq!(decode_in_parts(Framing::UntilClose, &[b"a", b"b"]), Ok((b"ab".to_vec(), vec![], true)));
    let mut decoder = BodyDecoder::new(Framing::Length(u64::MAX), &Limits::default());
    decoder.decode(b"a").unwrap();
    assert_eq!(decoder.remaining(), Some(u64::MAX - 1));
    assert_eq!(decoder.close(), Err(BadBody::Truncated));
}

#[test]
fn trailers_are_fields_that_may_stand_there() {
    let limits = Limits::default();
    let found = trailers("0\r\ngrpc-status: 0\r\nContent-Length: 7\r\nhost: a\r\nA: 1\r\nA: 2\r\n\r\n", &limits);
    let expected = [("grpc-status", "0"), ("A", "1"), ("A", "2")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn what_is_no_data_has_limits() {
    let limits = Limits {
        max_chunk_line: 10,
        max_chunk_extensions: 8,
        max_trailer_bytes: 20,
        max_headers: 2,
        ..Limits::default()
    };
    let read = |input: &str| trailers(input, &limits).map(drop);
    assert_eq!(read("1;234567\r\na\r\n0\r\n\r\n"), Ok(()));
    assert_eq!(read("1;2345678\r\na\r\n0\r\n\r\n"), Err(BadBody::ChunkLineTooLong));
    assert_eq!(read("00000000001\r\n"), Err(BadBody::ChunkLineTooLong));
    assert_eq!(read("1;2345\r\na\r\n1;2345\r\na\r\n0\r\n\r\n"), Ok(()));
    assert_eq!(read("1;2345\r\na\r\n1;23456\r\na\r\n0\r\n\r\n"), Err(BadBody::ChunkLineTooLong));
    assert_eq!(read("0\r\nA: 1234567890123\r\n\r\n"), Ok(()));
    assert_eq!(read("0\r\nA: 12345678901234\r\n\r\n"), Err(BadBody::TrailersTooLarge));
    assert_eq!(read("0\r\nA: 123456789012345678901234567890"), Err(BadBody::TrailersTooLarge));
    assert_eq!(read("0\r\nA:1\r\nB:2\r\nC:3\r\n\r\n"), Err(BadBody::TrailersTooLarge));
}

#[test]
fn chunks_are_written_as_they_are_read() {
    let mut fields = crate::headers::Headers::new();
    fields.append("grpc-status", "0");
    let mut out = Vec::new();
    for data in [b"x".as_slice(), &[b'y'; 0x1f0]] {
        write_chunk_head(data.len(), &mut out);
        out.extend_from_slice(data);
        write_chunk_end(&mut out);
    }
    write_last_chunk(Some(&fields), &mut out);
    assert!(out.starts_with(b"1\r\nx\r\n1f0\r\nyyy") && out.ends_with(b"y\r\n0\r\ngrpc-status: 0\r\n\r\n"));
    let (body, rest, complete) = decode_in_parts(Framing::Chunked, &[&out]).unwrap();
    assert_eq!((body.len(), rest.len(), complete), (0x1f1, 0, true));
    out.clear();
    write_last_chunk(None, &mut out);
    assert_eq!(out, b"0\r\n\r\n");
}
