//! What must not be in a file, and how long a file may be.

use super::{File, Finding};

/// Lines from which a source file is better taken apart.
const LONG: usize = 600;
/// Home directories: in sources they are data of tests, elsewhere somebody's.
const HOMES: &str = concat!("/ho", "me/");
/// Lines that no source file may have.
const TOO_LONG: usize = 1200;

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.path != "Cargo.lock").flat_map(file_findings).collect()
}

fn file_findings(file: &File) -> Vec<Finding> {
    let mut findings: Vec<_> = length(file).into_iter().chain(left_behind(file)).collect();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(word) = unowned_note(line) {
            findings.push(Finding::new(
                file,
                index + 1,
                format!("{word} without an issue: write {word}(#12), or do it"),
            ));
        }
        if let Some(path) = private_path(line).filter(|path| *path != HOMES || !file.path.ends_with(".rs")) {
            findings.push(Finding::new(file, index + 1, format!("{path} is a path of somebody's machine")));
        }
    }
    findings
}

fn length(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    if !file.path.ends_with(".rs") || lines < LONG {
        return None;
    }
    let finding = Finding::new(file, 0, format!("{lines} lines; at most {LONG} are good, {TOO_LONG} allowed"));
    Some(Finding { advice: lines <= TOO_LONG, ..finding })
}

/// What a test leaves when its snapshot differs.
fn left_behind(file: &File) -> Option<Finding> {
    let is_pending = file.path.ends_with(".pending-snap") || file.path.ends_with(".snap.new");
    is_pending.then(|| Finding::new(file, 0, "accept or reject the snapshot, and delete this file"))
}

/// A note about work left over that names no issue.
fn unowned_note(line: &str) -> Option<&'static str> {
    // In two parts, so that this file does not find itself.
    [concat!("TO", "DO"), concat!("FIX", "ME")].into_iter().find(|word| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + word.len()..];
            let is_word = !before.is_some_and(is_word_char) && !after.starts_with(is_word_char);
            let issue = after.trim_start_matches(['(', ' ']).strip_prefix('#').and_then(|rest| rest.chars().next());
            is_word && !issue.is_some_and(|digit| digit.is_ascii_digit())
        })
    })
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A path that exists on the machine of whoever wrote the line, and nowhere else.
fn private_path(line: &str) -> Option<&'static str> {
    const PATHS: [&str; 4] = [concat!("/ro", "ot/"), HOMES, concat!("/wo", "rk/"), concat!("../sha", "red")];
    PATHS.into_iter().find(|path| {
        line.match_indices(path).any(|(at, _)| {
            let is_relative = path.starts_with("..");
            // `target/work/x` and `~/home/x` are other paths, `/home/<user>` is an example.
            let is_inner = line[..at].ends_with(|c: char| is_word_char(c) || "}.~-".contains(c));
            is_relative || !is_inner && line[at + path.len()..].starts_with(is_word_char)
        })
    })
}
