//! Resources of every kind: read or refused, and what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_model::{Draft, KINDS};

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let Ok(value) = serde_json::from_str(text) else { return };
    // A refusal is as good as a reading.
    drop(mesh_model::parse(&KINDS[usize::from(kind) % KINDS.len()], &value));
    if let Ok(draft) = Draft::from_document(value) {
        assert!(Draft::from_document(draft.document()).is_ok(), "{:?} cannot be read again", draft.document());
    }
});
