//! Configuration files of the control plane, and what is shown of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_cp::config::{Config, Surroundings};

fuzz_target!(|text: &str| {
    match Config::load(Some(text), [], &Surroundings::default()) {
        Ok((config, _)) => drop(config.shown()),
        Err(problems) => assert!(!problems.0.is_empty(), "refused without a reason"),
    }
});
