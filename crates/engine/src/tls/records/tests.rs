use super::*;

/// What only a peer that misbehaves, or one that is very old, does.
impl Records {
    /// Makes the keys good for so many records.
    pub(in crate::tls) fn wear_out(&mut self, limit: u64) {
        self.sealer.wear_out(limit);
    }

    pub(in crate::tls) fn seal_as(&mut self, kind: ContentType, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![0; payload.len() + OVERHEAD];
        let length = self.sealer.seal(kind, &mut Slices::one(payload), payload.len(), &mut record).unwrap();
        record.truncate(length);
        record
    }
}
