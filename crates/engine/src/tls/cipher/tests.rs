use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::cipher::{AeadKey, Iv};

use super::*;

#[test]
fn a_record_is_complete_when_all_of_it_is_there() {
    let length = |bytes: &[u8]| record_length(bytes).unwrap();
    let record = [23, 3, 3, 0, 3, 1, 2, 3, 9];
    for short in 0..8 {
        assert_eq!(length(&record[..short]), None, "{short}");
    }
    assert_eq!(length(&record[..8]), Some(8));
    assert_eq!(length(&record), Some(8));
    assert_eq!(length(&[23, 3, 1, 0x47, 0xff]), None);
}

#[test]
fn what_is_no_record_is_known_by_its_head() {
    let error = |bytes: &[u8]| record_length(bytes).unwrap_err();
    assert_eq!(error(b"GET / HTTP/1.1"), InvalidMessage::InvalidContentType.into());
    assert_eq!(error(&[23, 2, 0, 0, 1]), InvalidMessage::UnknownProtocolVersion.into());
    assert_eq!(error(&[23, 3, 3, 0x48, 0]), InvalidMessage::MessageTooLarge.into());
}

/// Both ends of a direction.
fn ends(suite: SupportedCipherSuite, next: u64) -> (Cipher, Cipher) {
    let make = || {
        let (key, iv) = (AeadKey::from([7; 32]), Iv::new([9; 12]));
        Cipher::new(suite, (next, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv })).unwrap()
    };
    (make(), make())
}

fn sealed(cipher: &mut Cipher, kind: ContentType, slices: &[&[u8]]) -> Vec<u8> {
    let mut slices = Slices::new(slices);
    let length = slices.len();
    let mut record = vec![0; length + OVERHEAD];
    let count = cipher.seal(kind, &mut slices, length, &mut record).unwrap();
    assert_eq!(slices.len(), 0);
    record.truncate(count);
    record
}

#[test]
fn content_in_pieces_is_put_together() {
    let suites = [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];
    for suite in suites {
        let (mut near, mut far) = ends(suite, 5);
        let cases: [(&[&[u8]], &[u8]); 5] = [
            (&[], b""),
            (&[b"whole"], b"whole"),
            (&[b"", b"whole", b""], b"whole"),
            (&[b"two ", b"pieces"], b"two pieces"),
            (&[b"t", b"h", b"", b"ree"], b"three"),
        ];
        for (slices, whole) in cases {
            for fits in [true, false] {
                let mut record = sealed(&mut near, ContentType::ApplicationData, slices);
                assert_eq!(record_length(&record), Ok(Some(record.len())));
                let mut room = vec![0; if fits { whole.len() + 1 } else { 0 }];
                let (kind, content) = far.open(&mut record, &mut room).unwrap();
                assert_eq!((kind, content.bytes()), (ContentType::ApplicationData, whole));
                assert!(fits == matches!(content, Content::InRoom(_)) || whole.is_empty());
            }
        }
    }
}

#[test]
fn padding_is_taken_off() {
    let (mut near, mut far) = ends(TLS13_CHACHA20_POLY1305_SHA256, 0);
    let mut room = [1; 64];
    // Sealed as something whose type is one more byte of padding.
    let mut record = sealed(&mut near, ContentType::Unknown(0), &[b"data\x17\0\0\0"]);
    let opened = far.open(&mut record, &mut room).unwrap();
    assert_eq!(opened, (ContentType::ApplicationData, Content::InRoom(b"data")));
    let mut record = sealed(&mut near, ContentType::Unknown(0), &[b"\0\0\0"]);
    assert_eq!(far.open(&mut record, &mut room), Err(PeerMisbehaved::IllegalTlsInnerPlaintext.into()));
}

#[test]
fn a_record_counts_once_and_in_its_turn() {
    let (mut near, mut far) = ends(TLS13_CHACHA20_POLY1305_SHA256, 0);
    let records: Vec<Vec<u8>> = (0..3).map(|_| sealed(&mut near, ContentType::ApplicationData, &[b"data"])).collect();
    let mut open = |number: usize| far.open(&mut records[number].clone(), &mut [0; 64]).map(|_| ());
    assert_eq!(open(1), Err(Error::DecryptError));
    assert_eq!(open(0), Ok(()));
    assert_eq!(open(0), Err(Error::DecryptError));
    assert_eq!([open(1), open(2)], [Ok(()), Ok(())]);
}

#[test]
fn a_record_has_a_greatest_content_and_a_smallest() {
    for suite in [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256] {
        let (mut near, mut far) = ends(suite, 0);
        let mut room = vec![0; RECORD_LIMIT];
        let mut record = sealed(&mut near, ContentType::ApplicationData, &[&[1; DATA_LIMIT]]);
        assert_eq!(far.open(&mut record, &mut room).unwrap().1.bytes().len(), DATA_LIMIT);
        let mut record = sealed(&mut near, ContentType::ApplicationData, &[&[1; DATA_LIMIT + 1]]);
        assert_eq!(far.open(&mut record, &mut room), Err(Error::PeerSentOversizedRecord));
        let mut short = [23, 3, 3, 0, 3, 1, 2, 3];
        assert_eq!(far.open(&mut short, &mut room), Err(Error::DecryptError));
    }
}

#[test]
fn a_worn_key_seals_nothing() {
    let (mut near, _) = ends(TLS13_CHACHA20_POLY1305_SHA256, 0);
    near.wear_out(1);
    assert!(near.is_worn());
    sealed(&mut near, ContentType::ApplicationData, &[b"last"]);
    let again = near.seal(ContentType::ApplicationData, &mut Slices::one(b"more"), 4, &mut [0; 100]);
    assert_eq!(again, Err(Error::EncryptError));
}

#[test]
fn what_has_no_room_is_an_error() {
    let (mut near, _) = ends(TLS13_CHACHA20_POLY1305_SHA256, 0);
    for room in 0..4 + HEAD + 1 + TAG {
        let mut out = vec![0; room];
        let sealed = near.seal(ContentType::ApplicationData, &mut Slices::one(b"data"), 4, &mut out);
        assert_eq!(sealed, Err(Error::EncryptError), "{room}");
    }
}
