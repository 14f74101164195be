//! Where built programs and Envoy are. What is missing is an error, never a reason to skip.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The Envoy version that `scripts/setup.sh` fetches.
const ENVOY_VERSION: &str = "1.40.0";

/// The directory of built programs: the one this program is in, or is in a part of.
fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let dir = own.parent().context("a program is in a directory")?;
    Ok(if dir.ends_with("deps") { dir.parent().unwrap_or(dir).to_owned() } else { dir.to_owned() })
}

/// The built program `name`.
pub fn bin(name: &str) -> Result<PathBuf> {
    let path = programs()?.join(name);
    ensure!(path.exists(), "{} is not built; run `make build` (tests: `make test`)", path.display());
    Ok(path)
}

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is in crates/")
}

/// The Envoy that tests and the demo run.
pub fn envoy_binary() -> Result<PathBuf> {
    let path = root().join(".tools/envoy").join(ENVOY_VERSION).join("envoy");
    ensure!(path.exists(), "{} is missing; run `make setup`", path.display());
    Ok(path)
}
