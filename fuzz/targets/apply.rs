//! `kumactl apply --dry-run` of arbitrary files, with and without variables.
#![no_main]

use std::io::Write;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &str)| {
    let (template, text) = input;
    let variables: &[&str] = if template { &["-v", "name=web"] } else { &[] };
    let line = ["kumactl", "--no-config", "apply", "-f", "-", "--dry-run"].iter().chain(variables);
    let (mut stdin, mut stdout, mut stderr) = (text.as_bytes(), Vec::new(), Vec::new());
    let environment = kumactl::Environment {
        stdin: &mut stdin,
        stdout: &mut stdout as &mut dyn Write,
        stderr: &mut stderr,
        clock: Arc::new(base::SystemClock),
        home: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a thread is enough");
    runtime.block_on(kumactl::run(line.map(Into::into), environment));
    assert!(stdout.is_empty() != stderr.is_empty(), "either a result or a complaint");
});
