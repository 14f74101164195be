//! Chores of the repository: `cargo xtask tidy`.

mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the repository.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check what neither compiler nor clippy nor cargo-deny can: manifests, file sizes, documents
    Tidy,
}

fn main() -> ExitCode {
    let Command::Tidy = Cli::parse().command;
    match tidy::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
