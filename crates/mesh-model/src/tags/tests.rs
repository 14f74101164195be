use super::*;

const ALL: [Protocol; 6] =
    [Protocol::Tcp, Protocol::Tls, Protocol::Kafka, Protocol::Http, Protocol::Http2, Protocol::Grpc];

#[test]
fn the_common_protocol_does_not_depend_on_the_order() {
    for a in ALL {
        assert_eq!(a.common(a), a);
        for b in ALL {
            assert_eq!(a.common(b), b.common(a), "{a:?} {b:?}");
            for c in ALL {
                assert_eq!(a.common(b).common(c), a.common(b.common(c)), "{a:?} {b:?} {c:?}");
            }
        }
    }
}

#[test]
fn http_protocols_meet_at_what_both_speak() {
    assert_eq!(Protocol::Http2.common(Protocol::Grpc), Protocol::Http2);
    assert_eq!(Protocol::Http.common(Protocol::Grpc), Protocol::Http);
    assert_eq!(Protocol::Http.common(Protocol::Tcp), Protocol::Tcp);
    assert_eq!(Protocol::Kafka.common(Protocol::Grpc), Protocol::Tcp);
}

#[test]
fn protocol_words_are_read_in_any_case_and_unknown_ones_are_tcp() {
    assert_eq!(Protocol::parse("HTTP2"), Protocol::Http2);
    assert_eq!(Protocol::parse("grpc"), Protocol::Grpc);
    assert_eq!(Protocol::parse("mysql"), Protocol::Tcp);
    assert_eq!(Protocol::parse(""), Protocol::Tcp);
}
