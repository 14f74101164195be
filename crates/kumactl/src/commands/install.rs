//! `install`

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    #[command(subcommand)]
    component: Component,
}

#[derive(Debug, Subcommand)]
enum Component {
    /// Print the schema of a database (control planes of this release create theirs by themselves)
    DatabaseSchema {
        /// Database
        #[arg(long, value_enum)]
        target: Target,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Postgres,
}

pub(crate) fn run(args: &InstallArgs) -> anyhow::Result<()> {
    match args.component {
        Component::DatabaseSchema { target: Target::Postgres } => bail!(
            "PostgreSQL is not supported by this release; the control plane keeps its state in a SQLite file, \
             whose schema it creates by itself (KUMA_STORE_TYPE=sqlite)"
        ),
    }
}
