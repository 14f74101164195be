use super::*;

/// What only a peer that misbehaves, or one that is very old, does.
impl Records {
    /// Makes the keys good for so many records.
    pub(in crate::tls) fn wear_out(&mut self, limit: u64) {
        self.sealer.limit = limit;
    }

    pub(in crate::tls) fn seal_as(&mut self, kind: ContentType, payload: &[u8]) -> Vec<u8> {
        self.sealer.seal(kind, OutboundChunks::Single(payload)).unwrap()
    }
}

#[test]
fn a_record_is_complete_when_all_of_it_is_there() {
    let length = |bytes: &[u8]| Records::length(bytes).unwrap();
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
    let error = |bytes: &[u8]| Records::length(bytes).unwrap_err();
    assert_eq!(error(b"GET / HTTP/1.1"), InvalidMessage::InvalidContentType.into());
    assert_eq!(error(&[23, 2, 0, 0, 1]), InvalidMessage::UnknownProtocolVersion.into());
    assert_eq!(error(&[23, 3, 3, 0x48, 0]), InvalidMessage::MessageTooLarge.into());
}
