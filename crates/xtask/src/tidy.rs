//! Rules of the repository that no other tool knows. Each is a function from files to findings.

mod architecture;
mod configuration;
mod links;
mod manifests;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A text file of the repository.
#[derive(Clone, Debug)]
struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Line, counted from 1; 0 for the file as a whole.
    line: usize,
    message: String,
    /// Whether it is advice only.
    advice: bool,
}

impl Finding {
    fn new(file: &File, line: usize, message: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, message: message.into(), advice: false }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.advice { "advice" } else { "error" };
        match self.line {
            0 => write!(f, "{kind}: {}: {}", self.path, self.message),
            line => write!(f, "{kind}: {}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the repository around the current directory and prints what it finds; whether nothing is wrong.
pub(crate) fn run() -> Result<bool> {
    let files = files(Path::new(&git(&["rev-parse", "--show-toplevel"])?))?;
    let findings = check(&files);
    for finding in &findings {
        eprintln!("{finding}");
    }
    let errors = findings.iter().filter(|finding| !finding.advice).count();
    eprintln!("tidy: {} files, {errors} errors", files.len());
    Ok(errors == 0)
}

fn check(files: &[File]) -> Vec<Finding> {
    let rules = [manifests::check, sources::check, architecture::check, links::check, configuration::check];
    rules.iter().flat_map(|rule| rule(files)).collect()
}

/// All text files that are, or could be, committed.
fn files(root: &Path) -> Result<Vec<File>> {
    let listed = git(&["-C", &root.display().to_string(), "ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut files = Vec::new();
    for path in listed.lines() {
        let full = root.join(path);
        // What was deleted and not yet committed is listed, too.
        if !full.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("{path} cannot be read"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn git(args: &[&str]) -> Result<String> {
    let output = Command::new("git").args(args).output().context("git does not start")?;
    ensure!(output.status.success(), "git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout).context("git's answer is not UTF-8")?.trim_end().to_owned())
}
