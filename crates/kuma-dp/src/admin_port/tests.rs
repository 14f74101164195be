use proptest::prelude::*;

use super::*;

#[test]
fn ports_ranges_and_nothing_are_understood() {
    assert_eq!(parse("9901"), Ok(AdminPort::FirstOf(9901..=9901)));
    assert_eq!(parse("10000-20000"), Ok(AdminPort::FirstOf(10000..=20000)));
    assert_eq!(parse(" 30001 - 65535 "), Ok(AdminPort::FirstOf(30001..=65535)));
    assert_eq!(parse("30001-"), Ok(AdminPort::FirstOf(30001..=65535)));
    assert_eq!(parse(""), Ok(AdminPort::Off));
    assert_eq!(parse("0"), Ok(AdminPort::Off));
}

#[test]
fn nonsense_is_refused() {
    for text in ["x", "-", "-5", "70000", "1-70000", "1-2-3", "0-10", "9901 9902"] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(parse("20-10"), Err("the range 20-10 is empty".into()));
}

#[test]
fn a_taken_or_reserved_port_is_passed_over() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    assert!(reserve(port..=port).is_none());
    drop(taken);
    let first = reserve(port..=port).expect("the port is free again");
    assert_eq!(first.port, port);
    assert!(reserve(port..=port).is_none(), "reserved, although nobody listens yet");
    drop(first);
    assert!(reserve(port..=port).is_some());
}

proptest! {
    #[test]
    fn parsing_never_panics_and_never_yields_an_empty_range(text in "[0-9-]{0,12}|\\PC{0,12}") {
        if let Ok(AdminPort::FirstOf(range)) = parse(&text) {
            prop_assert!(!range.is_empty() && *range.start() > 0);
        }
    }

    #[test]
    fn every_range_is_understood(low in 1..=u16::MAX, more in 0..=u16::MAX) {
        let high = low.saturating_add(more);
        prop_assert_eq!(parse(&format!("{low}-{high}")), Ok(AdminPort::FirstOf(low..=high)));
    }
}
