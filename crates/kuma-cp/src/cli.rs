//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use runtime::telemetry::LogLevel;

const EXAMPLES: &str = "\
Examples:
  kuma-cp run                                   Keeps everything in ~/.kuma
  KUMA_STORE_TYPE=memory kuma-cp run            Keeps nothing
  kuma-cp run --config-file kuma-cp.conf.yml    Reads the file; variables override it

Every key of the file has a variable: apiServer.http.port is KUMA_API_SERVER_HTTP_PORT.
The effective configuration is at http://localhost:5681/config.";

/// Control plane of a service mesh: takes policies over its HTTP API and configures the Envoy next to each
/// service
#[derive(Debug, Parser)]
#[command(name = "kuma-cp", args_override_self = true, after_help = EXAMPLES, disable_version_flag = true)]
pub(crate) struct Cli {
    /// How much to log: off, info or debug
    #[arg(long, global = true, default_value_t = LogLevel::Info, value_name = "LEVEL")]
    pub(crate) log_level: LogLevel,
    /// Log one JSON object a line
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the control plane until it is told to stop
    Run(Configuration),
    /// Change the store of an older release to what this one needs
    #[command(subcommand)]
    Migrate(Migrate),
    /// Print which release this is
    Version {
        /// Print how it was built too
        #[arg(short = 'a', long)]
        detailed: bool,
    },
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Bring the store up to date; safe to repeat
    Up(Configuration),
}

#[derive(Debug, Args)]
pub(crate) struct Configuration {
    /// YAML file with the configuration; KUMA_* variables override it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
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
            "kuma-cp run",
            "kuma-cp run -c /etc/kuma.yml --log-level debug",
            "kuma-cp run --config-file=/etc/kuma.yml",
            "kuma-cp version --detailed",
            "kuma-cp version -a",
            "kuma-cp migrate up -c /etc/kuma.yml",
            "kuma-cp completion bash",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in ["kuma-cp", "kuma-cp start", "kuma-cp run --log-level loud", "kuma-cp migrate"] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
