//! What the demo writes on the terminal.

use std::io::{IsTerminal as _, Write as _, stdout};

use anyhow::Result;

/// Standard output; titles are bold on a terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    bold: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { bold: stdout().is_terminal() }
    }

    /// A line.
    pub(crate) fn say(&self, text: &str) -> Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// The title of a step.
    pub(crate) fn title(&self, text: &str) -> Result<()> {
        if self.bold { self.say(&format!("\n\x1b[1m{text}\x1b[0m")) } else { self.say(&format!("\n{text}")) }
    }

    /// A command as it would be typed.
    pub(crate) fn command(&self, line: &str) -> Result<()> {
        self.say(&format!("  $ {line}"))
    }

    /// An outcome.
    pub(crate) fn outcome(&self, what: &str, outcome: &str) -> Result<()> {
        self.say(&format!("  {what:<18} {outcome}"))
    }

    /// The content of a file, without its comments.
    pub(crate) fn file(&self, text: &str) -> Result<()> {
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .try_for_each(|line| self.say(&format!("  | {line}")))
    }
}
