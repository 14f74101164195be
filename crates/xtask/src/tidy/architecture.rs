//! ARCHITECTURE.md: every invariant names a test, and the test is there.

use std::collections::HashSet;

use super::{File, Finding};

const DOCUMENT: &str = "ARCHITECTURE.md";
const SECTION: &str = "## Invariants";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        let missing = File { path: DOCUMENT.to_owned(), text: String::new() };
        return vec![Finding::new(&missing, 0, "it is missing")];
    };
    let tests = functions(files);
    let invariants = invariants(&document.text);
    if invariants.is_empty() {
        return vec![Finding::new(document, 0, format!("it has no numbered list below `{SECTION}`"))];
    }
    let judge = |(line, text): (usize, String)| match names_of_tests(&text) {
        names if names.is_empty() => {
            vec![Finding::new(document, line, "the invariant names no test: end it with `Test: `name`.`")]
        }
        names => {
            let absent = names.into_iter().filter(|name| !tests.contains(name.as_str()));
            absent.map(|name| Finding::new(document, line, format!("there is no test {name}"))).collect()
        }
    };
    invariants.into_iter().flat_map(judge).collect()
}

/// The numbered items of the section, each with the line it starts in.
fn invariants(document: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let lines = document.lines().enumerate().skip_while(|(_, line)| *line != SECTION).skip(1);
    for (index, line) in lines.take_while(|(_, line)| !line.starts_with("## ")) {
        let is_item = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        if is_item {
            items.push((index + 1, line.to_owned()));
        } else if let Some((_, item)) = items.last_mut() {
            item.push(' ');
            item.push_str(line.trim());
        }
    }
    items
}

/// What stands in backticks after `Test:` or `Tests:`.
fn names_of_tests(item: &str) -> Vec<String> {
    let Some((_, names)) = item.split_once("Test: ").or_else(|| item.split_once("Tests: ")) else { return Vec::new() };
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Names of all functions: a suite of cases has no attributes.
fn functions(files: &[File]) -> HashSet<&str> {
    let sources = files.iter().filter(|file| file.path.ends_with(".rs"));
    sources
        .flat_map(|file| file.text.lines())
        .filter_map(|line| {
            let (before, after) = line.split_once("fn ")?;
            let is_definition = before.split_whitespace().all(|word| word.starts_with("pub") || word == "async");
            is_definition.then(|| after.split(['(', '<']).next()).flatten()
        })
        .collect()
}
