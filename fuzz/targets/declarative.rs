//! Declarative configurations of arbitrary text: they are refused with a reason, or mean the same when exported, and
//! when loaded once more by who knows what they were.
#![no_main]

use gateway_model::declarative::{Declared, Known, Options, export, parse, read_text};
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
    let options = Options { flatten_errors };
    match parse(&registry, config.clone(), options, &Known::default(), &mut Fixed) {
        Ok(mut declared) => {
            let documents = declared.entities.iter().map(|entity| (entity.kind, entity.document()));
            let text = export(&registry, documents);
            let again = read_text(&text);
            let again = again.map(|config| parse(&registry, config, options, &Known::default(), &mut Fixed));
            let count = again.ok().and_then(Result::ok).map(|again| again.entities.len());
            assert_eq!(count, Some(declared.entities.len()), "{text}");
            let known = Known::default().keep_times(&mut declared, &mut Fixed);
            let known = parse(&registry, config, options, &known, &mut Fixed).expect("it was right before");
            assert_eq!(bodies(&known), bodies(&declared));
        }
        Err(error) => assert!(error.body()["message"].is_string()),
    }
});

fn bodies(declared: &Declared) -> Vec<&str> {
    declared.entities.iter().map(|entity| &*entity.body).collect()
}
