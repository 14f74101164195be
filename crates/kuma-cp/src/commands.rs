//! What each command does.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base::{Clock, Problems, SystemClock};
use clap::CommandFactory as _;
use mesh_cp::config::{Config, Surroundings};
use mesh_cp::control_plane;
use runtime::tasks::Tasks;

use crate::cli::{Cli, Command, Configuration, Migrate};

/// Time that open requests and the last writes have after a signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Executes the command.
pub(crate) fn execute(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Version { detailed } => version(detailed),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "kuma-cp", &mut io::stdout());
            Ok(())
        }
        Command::Run(configuration) => {
            runtime::telemetry::init(cli.log_level, cli.log_json)?;
            let config = load(&configuration)?;
            asynchronously(run(config))
        }
        Command::Migrate(Migrate::Up(configuration)) => {
            runtime::telemetry::init(cli.log_level, cli.log_json)?;
            let config = load(&configuration)?;
            asynchronously(migrate(config))
        }
    }
}

fn version(detailed: bool) -> anyhow::Result<()> {
    let mut out = io::stdout();
    if detailed {
        writeln!(out, "Product:    Higuma control plane")?;
        writeln!(out, "Version:    {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "Compatible: Kuma {}", mesh_cp::api::COMPATIBLE_RELEASE)?;
        writeln!(out, "System:     {} {}", std::env::consts::OS, std::env::consts::ARCH)?;
    } else {
        writeln!(out, "Higuma control plane {}", env!("CARGO_PKG_VERSION"))?;
    }
    Ok(())
}

/// The configuration, or an error that lists everything that is wrong with it.
fn load(configuration: &Configuration) -> anyhow::Result<Config> {
    let file = configuration.config_file.as_deref();
    let text = file.map(base::config::read_file).transpose().map_err(listed)?;
    let around = Surroundings { home: std::env::var_os("HOME").map(PathBuf::from) };
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let (config, warnings) = Config::load(text.as_deref(), environment, &around).map_err(listed)?;
    for warning in warnings.0 {
        tracing::warn!(%warning, "Configuration has a setting that does nothing");
    }
    Ok(config)
}

fn listed(problems: Problems) -> anyhow::Error {
    let mut text = String::from("the configuration is not valid:");
    for problem in problems.0 {
        text.push_str(&format!("\n  {problem}"));
    }
    anyhow!(text)
}

fn asynchronously(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the threads of the program cannot be started")?;
    runtime.block_on(work)
}

async fn run(config: Config) -> anyhow::Result<()> {
    if let Err(error) = runtime::limits::raise_open_files() {
        tracing::warn!(%error, "The number of open files cannot be raised");
    }
    let tasks = Tasks::new();
    let running = tasks.run(DRAIN);
    tokio::pin!(running);
    // A signal counts from the beginning, also while a database is waited for.
    tokio::select! {
        biased;
        ended = &mut running => return Ok(ended?),
        started = control_plane::start(config, clock(), &tasks) => started?,
    }
    Ok(running.await?)
}

async fn migrate(config: Config) -> anyhow::Result<()> {
    let done = control_plane::migrate(&config, &clock()).await?;
    writeln!(io::stdout(), "{done}")?;
    Ok(())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
