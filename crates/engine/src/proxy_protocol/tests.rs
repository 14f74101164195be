use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn addresses(source: &str, destination: &str) -> Option<Addresses> {
    Some(Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

/// What is read of a header, with three bytes of the connection behind it.
fn read(header: &[u8]) -> Result<Option<Addresses>, BadProxyHeader> {
    let input = [header, b"GET"].concat();
    let parsed = parse(&input)?.expect("the header is complete");
    assert_eq!(parsed.consumed, header.len(), "{}", header.escape_ascii());
    for cut in 0..header.len() {
        assert_eq!(parse(&header[..cut]), Ok(None), "{}", header[..cut].escape_ascii());
    }
    Ok(parsed.addresses)
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE.as_slice(), &[command, family], &length, block].concat()
}

#[test]
fn lines_are_read() {
    let read = |line: &str| read(line.as_bytes());
    assert_eq!(
        read("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
        Ok(addresses("192.0.2.1:56324", "198.51.100.2:443"))
    );
    assert_eq!(read("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), Ok(addresses("[2001:db8::1]:0", "[::1]:65535")));
    assert_eq!(read("PROXY UNKNOWN\r\n"), Ok(None));
    assert_eq!(read("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Ok(None));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 16));
    assert_eq!(read(&longest), Ok(None));
}

#[test]
fn other_lines_are_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2 1 2\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY unknown\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rx\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(BadProxyHeader::Line), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 15));
    assert_eq!(parse(long.as_bytes()), Err(BadProxyHeader::TooLong));
    assert_eq!(parse(&long.as_bytes()[..MAX_V1 - 1]), Ok(None));
}

#[test]
fn something_else_is_refused_at_once() {
    for other in ["GET / HTTP/1.1\r\n", "PROXYTCP4", "proxy TCP4", "\r\n\r\nx", "\x16\x03\x01"] {
        assert_eq!(parse(other.as_bytes()), Err(BadProxyHeader::Missing), "{other:?}");
    }
    assert_eq!(parse(b""), Ok(None));
}

#[test]
fn binary_headers_are_read() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb];
    let expected = addresses("192.0.2.1:56324", "198.51.100.2:443");
    assert_eq!(read(&v2(0x21, 0x11, &v4)), Ok(expected));
    assert_eq!(read(&v2(0x21, 0x12, &v4)), Ok(expected));
    // A field behind the addresses: the name the client asked for.
    assert_eq!(read(&v2(0x21, 0x11, &[&v4[..], b"\x02\x00\x06a.test"].concat())), Ok(expected));
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
    assert_eq!(read(&v2(0x21, 0x21, &v6)), Ok(addresses("[::1]:3", "[::2]:4")));
    // Unix sockets, no family, and the proxy's own connections.
    assert_eq!(read(&v2(0x21, 0x31, &[0; 216])), Ok(None));
    assert_eq!(read(&v2(0x21, 0x00, b"")), Ok(None));
    assert_eq!(read(&v2(0x20, 0x00, b"")), Ok(None));
    assert_eq!(read(&v2(0x20, 0x11, &v4)), Ok(None));
    assert_eq!(read(&v2(0x21, 0x00, &[0; MAX_V2 - 16])), Ok(None));
}

#[test]
fn other_binary_headers_are_refused() {
    assert_eq!(parse(&v2(0x11, 0x11, &[0; 12])), Err(BadProxyHeader::Version));
    assert_eq!(parse(&v2(0x31, 0x11, &[0; 12])), Err(BadProxyHeader::Version));
    assert_eq!(parse(&v2(0x22, 0x11, &[0; 12])), Err(BadProxyHeader::Kind));
    assert_eq!(parse(&v2(0x21, 0x41, &[0; 12])), Err(BadProxyHeader::Kind));
    assert_eq!(parse(&v2(0x21, 0x13, &[0; 12])), Err(BadProxyHeader::Kind));
    assert_eq!(parse(&v2(0x21, 0x11, &[0; 11])), Err(BadProxyHeader::TooShort));
    assert_eq!(parse(&v2(0x21, 0x21, &[0; 35])), Err(BadProxyHeader::TooShort));
    assert_eq!(parse(&v2(0x21, 0x11, &[0; MAX_V2 - 15])[..16]), Err(BadProxyHeader::TooLong));
    assert_eq!(parse(&v2(0x31, 0x11, b"")[..13]), Err(BadProxyHeader::Version));
}

proptest! {
    #[test]
    fn lines_of_any_addresses_are_read(source: Ipv6Addr, destination: Ipv6Addr, ports: (u16, u16)) {
        let line = format!("PROXY TCP6 {source} {destination} {} {}\r\n", ports.0, ports.1);
        let (source, destination) = (SocketAddr::from((source, ports.0)), SocketAddr::from((destination, ports.1)));
        prop_assert_eq!(read(line.as_bytes()), Ok(Some(Addresses { source, destination })));
    }

    #[test]
    fn what_follows_does_not_change_what_was_decided(
        version_two: bool,
        bytes in vec(any::<u8>(), 0..60),
        more in vec(any::<u8>(), 0..20),
    ) {
        let start: &[u8] = if version_two { SIGNATURE } else { b"PROXY TCP4 1.1.1.1 " };
        let input = [start, &bytes].concat();
        let decided = parse(&input);
        if decided != Ok(None) {
            prop_assert_eq!(parse(&[input, more].concat()), decided);
        }
    }
}
