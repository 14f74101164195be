//! `install`

use clap::{Args, Subcommand, ValueEnum};

use crate::session::Session;

#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    #[command(subcommand)]
    component: Component,
}

#[derive(Debug, Subcommand)]
enum Component {
    /// Print the schema of a database as SQL for psql; safe to apply again. `kuma-cp migrate up` does the same
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

pub(crate) fn run(args: &InstallArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    match args.component {
        Component::DatabaseSchema { target: Target::Postgres } => {
            Ok(session.out.text(&store::postgres::schema_sql())?)
        }
    }
}
