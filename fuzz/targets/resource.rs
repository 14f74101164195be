//! Resources of every kind, bare and as documents: they are read or refused, and the same again the next time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_model::{Draft, KINDS};

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let Ok(value) = serde_json::from_str(text) else { return };
    // A refusal is as good as a reading.
    drop(mesh_model::parse(&KINDS[usize::from(kind) % KINDS.len()], &value));
    if let Ok(draft) = Draft::from_document(value) {
        let once = mesh_model::parse(draft.kind, &draft.body).map_err(|problems| problems.to_string());
        let again = mesh_model::parse(draft.kind, &draft.body).map_err(|problems| problems.to_string());
        assert_eq!(once.err(), again.err());
    }
});
