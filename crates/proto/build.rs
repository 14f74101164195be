//! Generates the subset of Envoy's v3 messages that Higuma speaks.
//!
//! The descriptors come out of the `envoy-types` package that the lock file pins; the package is never
//! compiled (see `Cargo.toml`). prost gets ordered maps and shared bytes, because a resource's version
//! is the hash of its encoding and must not change when nothing did.

#![expect(clippy::disallowed_methods, reason = "cargo talks to build scripts through the environment")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=roots.txt");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = envoy_types()?.join("src/generated/types.bin");
    let all = fs::read(&descriptors).map_err(|e| format!("{}: {e}", descriptors.display()))?;
    fs::write(out.join("all.bin"), &all)?;
    let subset = closure(FileDescriptorSet::decode(all.as_slice())?, &roots()?)?;
    fs::write(out.join("subset.bin"), subset.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.btree_map(["."]).bytes(["."]).disable_comments(["."]).include_file("envoy.rs").compile_fds(subset)?;
    Ok(())
}

/// Where cargo unpacked the package, asked of cargo itself so that vendoring and mirrors work.
fn envoy_types() -> Result<PathBuf, Error> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml"))
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "envoy-types")
        .and_then(|package| package["manifest_path"].as_str())
        .and_then(|manifest| Path::new(manifest).parent())
        .map(Path::to_path_buf)
        .ok_or_else(|| "envoy-types is not among the packages of Cargo.lock".into())
}

fn roots() -> Result<Vec<String>, Error> {
    let list = fs::read_to_string("roots.txt")?;
    Ok(list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

/// The roots and all they import, in an order where imports come first.
fn closure(all: FileDescriptorSet, roots: &[String]) -> Result<FileDescriptorSet, Error> {
    let files: BTreeMap<String, FileDescriptorProto> =
        all.file.into_iter().map(|file| (file.name().to_owned(), file)).collect();
    let mut seen = BTreeSet::new();
    let mut ordered = Vec::new();
    for root in roots {
        visit(root, &files, &mut seen, &mut ordered)?;
    }
    Ok(FileDescriptorSet { file: ordered })
}

fn visit(
    name: &str,
    files: &BTreeMap<String, FileDescriptorProto>,
    seen: &mut BTreeSet<String>,
    ordered: &mut Vec<FileDescriptorProto>,
) -> Result<(), Error> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let file = files.get(name).ok_or_else(|| format!("roots.txt: no file {name} in the descriptors"))?;
    for import in &file.dependency {
        visit(import, files, seen, ordered)?;
    }
    ordered.push(file.clone());
    Ok(())
}
