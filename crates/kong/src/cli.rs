//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  kong start                                  A node with an embedded database
  KONG_DATABASE=off KONG_DECLARATIVE_CONFIG=kong.yml kong start
                                              A node that serves what a file says
  kong start -c kong.conf -p /var/lib/kong    Settings from a file, state in a directory
  kong config init && kong config parse kong.yml
  kong reload                                 New settings, no request lost

Every setting of kong.conf has a variable: log_level is KONG_LOG_LEVEL.";

/// An API gateway
#[derive(Debug, Parser)]
#[command(name = "kong", after_help = EXAMPLES, disable_version_flag = true)]
pub(crate) struct Cli {
    /// Tell more
    #[arg(long = "v", global = true)]
    pub(crate) verbose: bool,
    /// Tell everything
    #[arg(long = "vv", global = true)]
    pub(crate) debug: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the node and return once it serves
    Start(Start),
    /// Stop the node at once
    Stop(Prefix),
    /// Let open requests end, then stop the node
    Quit(Quit),
    /// Stop the node and start it again
    Restart(Start),
    /// Read the settings again; requests under way are not disturbed
    Reload(Place),
    /// Make the prefix directory ready and start nothing
    Prepare(Place),
    /// Check a file of settings
    Check {
        /// The file; default: kong.conf where it is looked for
        file: Option<PathBuf>,
    },
    /// Tell whether the node runs
    Health(Prefix),
    /// Work with declarative configuration
    #[command(subcommand)]
    Config(Config),
    /// Make the database what this version needs
    #[command(subcommand)]
    Migrations(Migrations),
    /// Print which release this is
    Version {
        /// Print how it was built too
        #[arg(short, long)]
        all: bool,
    },
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
    /// The node itself, in the foreground
    #[command(hide = true)]
    Run(Place),
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Place {
    /// File of settings; default: /etc/kong/kong.conf or /etc/kong.conf if there is one
    #[arg(short, long, value_name = "FILE")]
    pub(crate) conf: Option<PathBuf>,
    /// Directory of everything the node writes
    #[arg(short, long, value_name = "DIR")]
    pub(crate) prefix: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Bring the database up to date first
    #[arg(long)]
    pub(crate) run_migrations: bool,
    /// Seconds to wait for the node to serve
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) lock_timeout: u64,
    /// Accepted for scripts; there is no nginx to configure
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) nginx_conf: Option<PathBuf>,
    /// Seconds that connecting to the database and each of its answers may take, in place of pg_timeout
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) db_timeout: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Prefix {
    /// Directory the node was started with
    #[arg(short, long, value_name = "DIR")]
    pub(crate) prefix: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Quit {
    #[command(flatten)]
    pub(crate) prefix: Prefix,
    /// Seconds open requests have to end
    #[arg(short, long, default_value_t = 10)]
    pub(crate) timeout: u64,
    /// Seconds to wait before that
    #[arg(short, long, default_value_t = 0)]
    pub(crate) wait: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Write an example file, kong.yml by default
    Init {
        /// The file
        file: Option<PathBuf>,
    },
    /// Check a file
    Parse {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Put a file's entities into the database
    #[command(name = "db_import")]
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Write the database's entities to a file, kong.yml by default
    #[command(name = "db_export")]
    Export {
        /// The file
        file: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrations {
    /// Make a new database
    Bootstrap(Migration),
    /// Bring the database up to date
    Up(Migration),
    /// Finish what `up` began
    Finish(Migration),
    /// List what was done; ends with 3 if the database is new, with 5 if `up` has something to do
    List(Migration),
    /// Tell whether something is to be done, in JSON; ends as `list`
    Status(Migration),
    /// Delete everything in the database
    Reset(Migration),
}

#[derive(Debug, Args)]
pub(crate) struct Migration {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// With `bootstrap`: delete everything first
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Seconds that connecting to the database and each of its answers may take, in place of pg_timeout
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) db_timeout: Option<u64>,
    /// Seconds to wait for another who does the same
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) lock_timeout: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_invocations_are_understood() {
        for line in [
            "kong start",
            "kong start -c /etc/kong/kong.conf -p /tmp/kong --v",
            "kong start --run-migrations --nginx-conf x --db-timeout 60 --lock-timeout 1 --vv",
            "kong stop -p /tmp/kong",
            "kong quit -t 30 -w 5",
            "kong restart",
            "kong reload --conf kong.conf",
            "kong check kong.conf",
            "kong health",
            "kong version -a",
            "kong config init",
            "kong config parse kong.yml",
            "kong config db_import kong.yml -c kong.conf",
            "kong config db_export",
            "kong migrations bootstrap",
            "kong migrations up",
            "kong migrations finish",
            "kong migrations list",
            "kong migrations status",
            "kong migrations reset --yes",
            "kong migrations reset -y -q -c kong.conf",
            "kong migrations bootstrap --force --db-timeout 30 --lock-timeout 90 --v",
            "kong migrations up -f -q",
            "kong completion bash",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
        for line in [
            "kong",
            "kong begin",
            "kong config",
            "kong config parse",
            "kong migrations",
            "kong migrations up --db-timeout 0",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
