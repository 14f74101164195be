//! Each directory `cases/<area>/<case>` has `resources.yaml`, the documents of a mesh, whose first Dataplane
//! is the proxy that is configured, and `envoy.golden.yaml`, what it gets. `UPDATE=1` rewrites the latter.

use std::path::{Path, PathBuf};

use crate::world::World;

#[test]
fn proxies_get_what_the_golden_files_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases: Vec<_> = directories(&root).into_iter().flat_map(|area| directories(&area)).collect();
    assert!(!cases.is_empty(), "no cases in {}", root.display());
    let update = std::env::var_os("UPDATE").is_some();
    let failures: Vec<_> = cases.iter().filter_map(|case| check(case, update).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check(case: &Path, update: bool) -> Result<(), String> {
    let name = case.display();
    let input = std::fs::read_to_string(case.join("resources.yaml")).map_err(|error| format!("{name}: {error}"))?;
    let actual = World::parse(&input).map_err(|error| format!("{name}: {error}"))?.render();
    let golden = case.join("envoy.golden.yaml");
    if update {
        return std::fs::write(&golden, actual).map_err(|error| format!("{name}: {error}"));
    }
    let expected = std::fs::read_to_string(&golden).map_err(|error| format!("{name}: {error}; run with UPDATE=1"))?;
    match expected.lines().zip(actual.lines()).position(|(expected, actual)| expected != actual) {
        _ if expected == actual => Ok(()),
        Some(line) => Err(format!(
            "{name}: line {}:\n-{}\n+{}",
            line + 1,
            expected.lines().nth(line).unwrap_or_default(),
            actual.lines().nth(line).unwrap_or_default()
        )),
        None => Err(format!("{name}: one is the beginning of the other")),
    }
}

fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
    let mut directories: Vec<_> =
        entries.map(|entry| entry.expect("a readable directory").path()).filter(|path| path.is_dir()).collect();
    directories.sort();
    directories
}
