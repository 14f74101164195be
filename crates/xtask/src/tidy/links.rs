//! Documents: what they point at exists, and every page can be reached from the README.

use std::collections::{HashSet, VecDeque};

use super::{File, Finding};

const START: &str = "README.md";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let paths: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let exists = |path: &str| paths.contains(path) || paths.iter().any(|one| one.starts_with(&format!("{path}/")));
    let documents = || files.iter().filter(|file| file.path.ends_with(".md"));
    let mut findings = Vec::new();
    for document in documents() {
        for (line, target) in targets(document) {
            if !exists(&target) {
                findings.push(Finding::new(document, line, format!("it points at {target}, which does not exist")));
            }
        }
    }
    let reached = reached(files);
    for page in documents().filter(|page| page.path.starts_with("docs/") && !reached.contains(page.path.as_str())) {
        findings.push(Finding::new(page, 0, "no link leads here from README.md"));
    }
    for example in files.iter().filter(|file| file.path.starts_with("examples/")) {
        if !documents().any(|document| document.text.contains(&example.path)) {
            findings.push(Finding::new(example, 0, "no document mentions this example"));
        }
    }
    findings
}

/// The documents that links lead to.
fn reached(files: &[File]) -> HashSet<&str> {
    let mut reached: HashSet<&str> = HashSet::new();
    let mut next: VecDeque<&str> = VecDeque::from([START]);
    while let Some(path) = next.pop_front() {
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        if reached.insert(&file.path) && file.path.ends_with(".md") {
            let targets = targets(file).into_iter().map(|(_, target)| target);
            next.extend(
                targets
                    .filter_map(|target| files.iter().find(|file| file.path == target))
                    .map(|file| file.path.as_str()),
            );
        }
    }
    reached
}

/// Paths in the repository that a document names, as links or as examples in commands, each with its line.
fn targets(document: &File) -> Vec<(usize, String)> {
    let directory = document.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut targets = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                targets.push((index + 1, resolve(directory, target)));
            }
        }
        // Commands are shown as run from the root.
        for (at, _) in line.match_indices("examples/") {
            let end = line[at..].find(|c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c)));
            let path = end.map_or(&line[at..], |end| &line[at..at + end]).trim_end_matches(['.', '/']);
            if !line[..at].ends_with(['/', '.']) {
                targets.push((index + 1, path.to_owned()));
            }
        }
    }
    targets
}

fn resolve(directory: &str, target: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
