//! Declarative configurations of arbitrary text: they are refused with a reason, or mean the same when exported.
#![no_main]

use gateway_model::declarative::{Options, export, parse, read_text};
use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;
use gateway_model::schema::Source;
use libfuzzer_sys::fuzz_target;

struct Fixed;

impl Source for Fixed {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fuzz_target!(|input: (bool, &str)| {
    let (flatten_errors, text) = input;
    let registry = Registry::new(RouterFlavor::TraditionalCompatible, []);
    let Ok(config) = read_text(text) else { return };
    match parse(&registry, config, Options { flatten_errors }, &mut Fixed) {
        Ok(declared) => {
            let documents = declared.entities.iter().map(|entity| (entity.kind, entity.document()));
            let text = export(&registry, documents);
            let again = read_text(&text).map(|config| parse(&registry, config, Options::default(), &mut Fixed));
            let count = again.ok().and_then(Result::ok).map(|again| again.entities.len());
            assert_eq!(count, Some(declared.entities.len()), "{text}");
        }
        Err(error) => assert!(error.body()["message"].is_string()),
    }
});
