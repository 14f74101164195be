//! The command line as a whole; each command's own arguments stand next to the command.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use mesh_model::{KINDS, Kind};

use crate::commands::{
    apply::ApplyArgs, completion::CompletionArgs, config::ConfigArgs, delete::DeleteArgs, export::ExportArgs,
    generate::GenerateArgs, get::GetArgs, inspect::InspectArgs, install::InstallArgs, manage::ManageArgs,
    version::VersionArgs,
};

/// Manage a service mesh: its resources, its tokens and what its proxies are doing.
#[derive(Debug, Parser)]
#[command(name = "kumactl", args_override_self = true, max_term_width = 100, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const FIRST_STEPS: &str = "First steps:
  kumactl config control-planes add --name prod --address http://kuma.example.com:5681
  kumactl get meshes
  kumactl apply -f traffic-permission.yaml
  kumactl inspect dataplanes";

/// Flags that every command takes, before or after its name.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalArgs {
    /// Configuration file [default: ~/.kumactl/config]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config_file: Option<PathBuf>,
    /// Context of the configuration file to use instead of the current one
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) context: Option<String>,
    /// Ignore the configuration file and use http://localhost:5681
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_config: bool,
    /// Mesh to work in [default: the context's mesh, else "default"]
    #[arg(long, short, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) mesh: Option<String>,
    /// How long to wait for the control plane, for example 30s or 1m
    #[arg(long, global = true, value_name = "DURATION", default_value = "1m", value_parser = duration, help_heading = "Global options")]
    pub(crate) api_timeout: Duration,
    /// How much to say about what is being done
    #[arg(long, global = true, value_name = "LEVEL", default_value = "off", help_heading = "Global options")]
    pub(crate) log_level: LogLevel,
}

/// `--log-level`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Info,
    Debug,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create or update resources
    Apply(ApplyArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Choose the control planes to talk to
    Config(ConfigArgs),
    /// Delete a resource
    Delete(DeleteArgs),
    /// Print all resources as YAML, ready for apply
    Export(ExportArgs),
    /// Generate tokens, keys and certificates
    Generate(GenerateArgs),
    /// Show resources
    Get(GetArgs),
    /// Show what data plane proxies, services and zones are doing
    Inspect(InspectArgs),
    /// Install components
    Install(InstallArgs),
    /// Manage certificate authorities
    Manage(ManageArgs),
    /// Print the versions of this program and of the control plane
    Version(VersionArgs),
}

/// A duration in Go's notation: `30s`, `1m`, `720h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    base::duration::parse(text).ok_or_else(|| "expected a duration like 30s, 10m or 720h".into())
}

/// `key=value`
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected key=value".into()),
    }
}

/// Other spellings of words that name kinds, and the words they stand for.
const SPELLINGS: [(&str, &str); 5] = [
    ("globalsecret", "global-secret"),
    ("globalsecrets", "global-secrets"),
    ("trafficpermissions", "traffic-permissions"),
    ("zone-ingress", "zoneingress"),
    ("zone-ingresses", "zoneingresses"),
];

/// Every word that names a kind of resource, so that completion and "did you mean" know them. Other spellings are
/// accepted and arrive as the kind's own word.
pub(crate) fn kind_words() -> impl TypedValueParser<Value = String> {
    let value = |word: &'static str, help: &'static str| {
        let spellings = SPELLINGS.iter().filter(move |(_, meant)| *meant == word).map(|(spelling, _)| *spelling);
        PossibleValue::new(word).aliases(spellings).help(help)
    };
    let words = KINDS.iter().flat_map(move |kind| {
        let plural = (kind.plural != kind.singular).then(|| value(kind.plural, kind.display_plural));
        std::iter::once(value(kind.singular, kind.display)).chain(plural)
    });
    PossibleValuesParser::new(words).map(|word| match SPELLINGS.iter().find(|(spelling, _)| *spelling == word) {
        Some((_, meant)) => (*meant).to_owned(),
        None => word,
    })
}

/// The kind that a word accepted by [`kind_words`] names.
pub(crate) fn kind_of(word: &str) -> anyhow::Result<&'static Kind> {
    Kind::by_argument(word).ok_or_else(|| anyhow::anyhow!("unknown type {word:?}"))
}

/// The table of types for the help of a command that takes one.
pub(crate) fn kind_help() -> String {
    let rows = KINDS.iter().map(|kind| {
        if kind.singular == kind.plural {
            format!("  {}", kind.singular)
        } else {
            format!("  {:<20} {}", kind.singular, kind.plural)
        }
    });
    std::iter::once("Types:".to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}
