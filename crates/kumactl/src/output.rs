//! What is shown, and how.

pub(crate) mod age;
pub(crate) mod resource;
pub(crate) mod table;

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

pub(crate) use table::Table;

/// The only way to stdout and stderr.
pub(crate) struct Out<'io> {
    stdout: &'io mut dyn Write,
    stderr: &'io mut dyn Write,
}

impl<'io> Out<'io> {
    pub(crate) fn new(stdout: &'io mut dyn Write, stderr: &'io mut dyn Write) -> Self {
        Self { stdout, stderr }
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.stdout.write_all(text.as_bytes())
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.text(text)?;
        self.text("\n")
    }

    /// Writes one line for people to stderr. When even that fails there is nobody left to tell.
    pub(crate) fn complain(&mut self, text: &str) {
        writeln!(self.stderr, "{text}").ok();
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Writes a JSON value in one of the forms programs read.
    pub(crate) fn structured(&mut self, value: &Value, form: Structured) -> anyhow::Result<()> {
        match form {
            Structured::Json => self.line(&serde_json::to_string_pretty(value)?)?,
            Structured::Yaml => self.text(&serde_norway::to_string(value)?)?,
        }
        Ok(())
    }
}

/// `--output`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Yaml,
    Json,
}

/// A form that programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Structured {
    Yaml,
    Json,
}

impl Format {
    /// `None` for tables.
    pub(crate) fn structured(self) -> Option<Structured> {
        match self {
            Self::Table => None,
            Self::Yaml => Some(Structured::Yaml),
            Self::Json => Some(Structured::Json),
        }
    }
}

/// `--output` of commands that show resources.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Format,
}
