//! `completion`

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{Generator as _, Shell};

use crate::cli::Cli;
use crate::session::Session;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Load it in the current shell, for example:\n  source <(kumactl completion bash)")]
pub(crate) struct CompletionArgs {
    /// Shell
    #[arg(value_enum)]
    shell: Supported,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Supported {
    Bash,
    Fish,
    Zsh,
}

pub(crate) fn run(args: &CompletionArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let shell = match args.shell {
        Supported::Bash => Shell::Bash,
        Supported::Fish => Shell::Fish,
        Supported::Zsh => Shell::Zsh,
    };
    let mut command = Cli::command();
    command.set_bin_name("kumactl");
    command.build();
    let mut script = Vec::new();
    shell.try_generate(&command, &mut script)?;
    session.out.text(&String::from_utf8(script)?)?;
    Ok(())
}
