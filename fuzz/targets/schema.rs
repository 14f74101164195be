//! Documents: whatever is written is stored complete or refused with a message, and what is stored can be written again.
#![no_main]

use std::sync::LazyLock;

use gateway_model::entities::RouterFlavor;
use gateway_model::form;
use gateway_model::registry::Registry;
use gateway_model::schema::Source;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(RouterFlavor::Expressions, []));

struct Still;

impl Source for Still {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fuzz_target!(|data: &[u8]| {
    for entity in REGISTRY.entities() {
        let given = match serde_json::from_slice(data) {
            Ok(Value::Object(document)) => document,
            _ => match form::parse(data).and_then(|pairs| form::decode(pairs, Some(entity), None)) {
                Ok(document) => document,
                Err(_) => return,
            },
        };
        match entity.insert(given.clone(), &mut Still) {
            Ok(stored) => {
                assert!(entity.present(&stored).len() >= entity.fields().len());
                assert!(entity.insert(stored.clone(), &mut Still).is_ok());
                drop(entity.update(&stored, given, &mut Still));
            }
            Err(error) => assert!(!error.message().is_empty()),
        }
    }
});
