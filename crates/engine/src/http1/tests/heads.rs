use super::*;
use crate::message::Version;

fn request(input: &[u8]) -> Result<(ParsedRequest, RequestHead), BadRequest> {
    request_within(input, &Limits::default())
}

fn request_within(input: &[u8], limits: &Limits) -> Result<(ParsedRequest, RequestHead), BadRequest> {
    let mut head = RequestHead::default();
    let parsed = parse_request(input, limits, &mut head)?.expect("the head is complete");
    Ok((parsed, head))
}

#[test]
fn a_request_is_read_and_written_the_same() {
    let text = b"POST /a%20b?c HTTP/1.1\r\nHost: x.test:80\r\nX-a: 1\r\nx-A: 2\r\nContent-Length: 3\r\n\r\nabc";
    let (parsed, head) = request(text).unwrap();
    assert_eq!(&text[parsed.consumed..], b"abc");
    assert!(parsed.keep_alive && !parsed.upgrade && !parsed.expect_continue);
    assert_eq!((&head.method, head.version, head.path()), (&Method::Post, Version::Http11, b"/a%20b".as_slice()));
    assert_eq!(head.headers.get_all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
    let mut out = Vec::new();
    write_request(&head, &mut out);
    end_head(&mut out);
    assert_eq!(out, text[..parsed.consumed]);
}

#[test]
fn fields_are_written_the_usual_way_however_they_were_spaced() {
    let (_, mut head) = request(b"GET / HTTP/1.1\r\nHost:a\r\nX:  1 \t\r\nEmpty:\r\nY: 2\r\nZ: 3\r\n\r\n").unwrap();
    head.headers.set("y", "changed");
    head.headers.append("Last", "one");
    let mut out = Vec::new();
    head.headers.write_to(&mut out);
    write_length(18_446_744_073_709_551_615, &mut out);
    write_field("A", "b", &mut out);
    assert_eq!(
        out.escape_ascii().to_string(),
        "Host: a\\r\\nX: 1\\r\\nEmpty: \\r\\nY: changed\\r\\nZ: 3\\r\\nLast: one\\r\\n\
         Content-Length: 18446744073709551615\\r\\nA: b\\r\\n"
    );
}

#[test]
fn the_authority_of_an_absolute_target_takes_the_place_of_host() {
    let (_, head) = request(b"GET HTTP://b.test:81?q HTTP/1.1\r\nA: 1\r\nHost: a\r\nB: 2\r\n\r\n").unwrap();
    assert_eq!(head.target, b"/?q");
    let names: Vec<_> = head.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"A".as_slice(), b"Host", b"B"]);
    assert_eq!(head.headers.get("host"), Some(b"b.test:81".as_slice()));
    let (_, head) = request(b"GET https://b/c HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((head.target.as_slice(), head.headers.get("host")), (b"/c".as_slice(), Some(b"b".as_slice())));
}

#[test]
fn what_a_client_wants_of_the_connection() {
    let flags = |fields: &str, version: &str| {
        let (parsed, _) = request(format!("GET / {version}\r\nHost: a\r\n{fields}\r\n").as_bytes()).unwrap();
        (parsed.keep_alive, parsed.upgrade, parsed.expect_continue)
    };
    assert_eq!(flags("", "HTTP/1.1"), (true, false, false));
    assert_eq!(flags("", "HTTP/1.0"), (false, false, false));
    assert_eq!(flags("Connection: Keep-Alive\r\n", "HTTP/1.0"), (true, false, false));
    assert_eq!(flags("Connection: keep-alive, CLOSE\r\n", "HTTP/1.1"), (false, false, false));
    assert_eq!(flags("Connection: x\r\nConnection: close\r\n", "HTTP/1.1"), (false, false, false));
    assert_eq!(flags("Connection: disclose\r\n", "HTTP/1.1"), (true, false, false));
    assert_eq!(flags("Connection: Upgrade\r\nUpgrade: websocket\r\n", "HTTP/1.1"), (true, true, false));
    assert_eq!(flags("Connection: Upgrade\r\nUpgrade: websocket\r\n", "HTTP/1.0"), (false, false, false));
    assert_eq!(flags("Upgrade: websocket\r\n", "HTTP/1.1"), (true, false, false));
    assert_eq!(flags("Connection: Upgrade\r\n", "HTTP/1.1"), (true, false, false));
    assert_eq!(flags("Expect: 100-Continue\r\n", "HTTP/1.1"), (true, false, true));
    assert_eq!(flags("Expect: 100-Continue\r\n", "HTTP/1.0"), (false, false, false));
}

#[test]
fn a_request_line_has_a_limit() {
    let limits = Limits { max_request_line: 20, ..Limits::default() };
    // 20 bytes with the line end.
    assert!(request_within(b"GET /12345 HTTP/1.1\n", &limits).is_err_and(|error| error == BadRequest::LineEnd));
    assert!(request_within(b"GET /1234 HTTP/1.1\r\nHost: a\r\n\r\n", &limits).is_ok());
    let refused = request_within(b"GET /12345 HTTP/1.1\r\nHost: a\r\n\r\n", &limits);
    assert_eq!(refused.unwrap_err().status(), 414);
    let mut head = RequestHead::default();
    assert_eq!(parse_request(&[b'A'; 19], &limits, &mut head), Ok(None));
    assert_eq!(parse_request(&[b'A'; 20], &limits, &mut head), Err(BadRequest::LineTooLong));
}

#[test]
fn a_head_has_limits() {
    let with = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let limits = Limits { max_head_bytes: 100, max_field_line: 40, max_headers: 40, ..Limits::default() };
    let line = |length: usize| format!("X: {}\r\n", "1".repeat(length - 5));
    assert!(request_within(&with(&line(40)), &limits).is_ok());
    assert_eq!(request_within(&with(&line(41)), &limits).unwrap_err().status(), 431);
    assert_eq!(request_within(&with(&(line(41) + "Y: 1\r\n")), &limits).unwrap_err().status(), 431);

    // 27 bytes without the fields.
    assert!(request_within(&with(&(line(40) + &line(33))), &limits).is_ok());
    assert_eq!(request_within(&with(&(line(40) + &line(34))), &limits).unwrap_err().status(), 431);
    let cut = &with(&(line(40) + &line(34)))[..100];
    assert_eq!(parse_request(cut, &limits, &mut RequestHead::default()), Err(BadRequest::HeadTooLarge));
    assert_eq!(parse_request(&cut[..99], &limits, &mut RequestHead::default()), Ok(None));

    let limits = Limits { max_head_bytes: 1000, ..limits };
    assert_eq!(request_within(&with(&"A:1\r\n".repeat(39)), &limits).unwrap().1.headers.len(), 40);
    assert_eq!(request_within(&with(&"A:1\r\n".repeat(40)), &limits).unwrap_err().status(), 431);
    let limits = Limits { max_headers: 2, ..limits };
    assert_eq!(request_within(&with(&"A:1\r\n".repeat(2)), &limits).unwrap_err().status(), 431);
}

#[test]
fn a_head_read_into_used_memory_needs_no_more() {
    let text = b"PUT /path?query HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n";
    let mut head = RequestHead::default();
    parse_request(text, &Limits::default(), &mut head).unwrap().unwrap();
    let memory = (head.target.capacity(), head.headers.capacity());
    for _ in 0..10 {
        parse_request(text, &Limits::default(), &mut head).unwrap().unwrap();
    }
    assert_eq!((head.target.capacity(), head.headers.capacity()), memory);
}

#[test]
fn a_response_is_read_and_written_the_same() {
    let texts: [&[u8]; 4] = [
        b"HTTP/1.1 404 Gone fishing\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX: \r\nset-cookie: b\r\n\r\n",
        b"HTTP/1.1 200 \r\n\r\n",
        b"HTTP/1.1 999 \r\n\r\n",
    ];
    for text in texts {
        let mut head = ResponseHead::new(0);
        parse_response(text, &Method::Get, &Limits::default(), &mut head).unwrap().unwrap();
        let mut out = Vec::new();
        write_response(&head, &mut out);
        end_head(&mut out);
        assert_eq!(out.escape_ascii().to_string(), text.escape_ascii().to_string());
    }
}

#[test]
fn a_response_head_of_our_own_has_the_usual_reason() {
    let mut out = Vec::new();
    write_response(&ResponseHead::new(503), &mut out);
    write_chunked(&mut out);
    end_head(&mut out);
    assert_eq!(out, b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn dates_are_those_of_the_calendar() {
    let mut cache = DateCache::default();
    // RFC 9110's example, leap days, ends of years, the first year of five digits' neighbour.
    for (second, text) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_704_067_199, "Sun, 31 Dec 2023 23:59:59 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(std::str::from_utf8(cache.at(second)).unwrap(), text);
    }
}
