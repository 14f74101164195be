//! Commands that are run as they are shown, so that whoever watches can repeat them.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Longer lines are shown with one option a line, in a form that a shell takes as well.
const WIDTH: usize = 110;

/// A command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    variables: Vec<(String, String)>,
    words: Vec<String>,
}

impl Line {
    /// `program` is shown as it is found from the current directory.
    pub(crate) fn new(program: &Path) -> Self {
        Self { words: vec![from_here(program)], ..Self::default() }
    }

    pub(crate) fn variable(mut self, name: &str, value: impl Display) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn arg(mut self, word: impl Display) -> Self {
        self.words.push(word.to_string());
        self
    }

    pub(crate) fn command(&self) -> Command {
        let (program, args) = self.words.split_first().expect("a line starts with its program");
        let mut command = Command::new(program);
        command.args(args).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end; what it prints is the result.
    pub(crate) fn run(&self) -> Result<String> {
        let output = self.command().output().with_context(|| format!("{self} does not start"))?;
        ensure!(output.status.success(), "{self}\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let variables = self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words: Vec<_> = variables.chain(self.words.iter().map(|word| quoted(word))).collect();
        let is_long = words.iter().map(|word| word.len() + 1).sum::<usize>() > WIDTH;
        for (index, word) in words.iter().enumerate() {
            let is_break = is_long && (word.starts_with('-') || index <= self.variables.len());
            let separator = match index {
                0 => "",
                _ if is_break => " \\\n      ",
                _ => " ",
            };
            write!(f, "{separator}{word}")?;
        }
        Ok(())
    }
}

/// The shortest way to write `path` in a shell that is in the current directory.
pub(crate) fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(below) => below.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_a_shell_wants_it() {
        let line = Line::new(Path::new("/opt/kumactl")).variable("A", "b c").arg("get").arg("it's").arg("");
        assert_eq!(line.to_string(), r"A='b c' /opt/kumactl get 'it'\''s' ''");
    }

    #[test]
    fn a_long_line_is_still_one_command() {
        let line = (0..40).fold(Line::new(Path::new("/bin/echo")), |line, number| line.arg(format!("--word={number}")));
        let text = line.to_string();
        assert!(text.lines().count() > 1);
        let output = Line::new(Path::new("/bin/sh")).arg("-c").arg(text).run().unwrap();
        assert_eq!(output, line.run().unwrap());
    }

    #[test]
    fn a_command_that_fails_says_what_it_printed() {
        let error = Line::new(Path::new("/bin/sh")).arg("-c").arg("echo broken >&2; exit 3").run().unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }

    #[test]
    fn programs_below_the_current_directory_are_named_from_there() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_here(&here.join("target/release/kumactl")), "target/release/kumactl");
        assert_eq!(from_here(Path::new("/bin/sh")), "/bin/sh");
    }
}
