//! Manifests of crates: the workspace's lints, and its versions of third-party crates.

use super::{File, Finding};

/// Tables of packages that are pinned for what is in them and never linked.
const NEVER_LINKED: &str = "target.'cfg(any())'.";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| is_member(&file.path)).flat_map(manifest).collect()
}

fn is_member(path: &str) -> bool {
    path.strip_prefix("crates/")
        .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
        .is_some_and(|name| !name.contains('/'))
}

fn manifest(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut table, mut inherits_lints) = ("", false);
    for (index, line) in file.text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name;
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            inherits_lints |= table == "lints" && key == "workspace" && value == "true";
            inherits_lints |= table.is_empty() && key == "lints.workspace" && value == "true";
            if table.ends_with("dependencies") && !table.starts_with(NEVER_LINKED) && !is_inherited(key, value) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    format!("{key}: write `{key}.workspace = true`; versions are in the root Cargo.toml"),
                ));
            }
        }
    }
    if !inherits_lints {
        findings.push(Finding::new(
            file,
            0,
            "the lints of the workspace are missing: `[lints]` with `workspace = true`",
        ));
    }
    findings
}

fn is_inherited(key: &str, value: &str) -> bool {
    (key.ends_with(".workspace") && value == "true") || value.replace(' ', "").contains("workspace=true")
}
