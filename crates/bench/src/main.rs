//! Measures the project against its figures, never in a test: numbers depend on the machine.

mod fleet;
mod floor;
mod gateway;
mod mesh;
mod report;
mod store;
mod toy;
mod usage;
mod xds_bench;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

/// Measurements of the mesh and of the gateway. Build the programs in release mode first.
#[derive(Debug, Parser)]
enum Cli {
    /// A change of one endpoint on its way to all proxies.
    Xds(XdsArgs),
    /// The gateway beside nginx, with many routes, and while it changes.
    Gateway(gateway::GatewayArgs),
    /// Writes, and a lot of entities, in SQLite and in PostgreSQL.
    Store(store::StoreArgs),
    /// The upstream of `gateway`.
    #[command(hide = true)]
    Upstream {
        /// Its port.
        port: u16,
    },
    /// The server of `xds --toy`.
    #[command(hide = true)]
    Toy {
        /// Port of the discovery server.
        discovery: u16,
        /// Port that takes changes.
        control: u16,
        /// Services.
        services: usize,
        /// Instances of each.
        instances: usize,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct XdsArgs {
    /// How many proxies, one measurement for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000,5000")]
    proxies: Vec<usize>,
    /// Services of the mesh; every proxy talks to all.
    #[arg(long, default_value_t = 200)]
    services: usize,
    /// Instances of each service.
    #[arg(long, default_value_t = 5)]
    instances: usize,
    /// Changes, one after the other.
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// Seconds without changes, to measure what an idle control plane uses.
    #[arg(long, default_value_t = 30)]
    idle: u64,
    /// With mutual TLS: a certificate for each proxy.
    #[arg(long)]
    mtls: bool,
    /// Measure the discovery server alone, without a control plane behind it.
    #[arg(long)]
    toy: bool,
    /// Do not measure the launcher.
    #[arg(long)]
    no_launcher: bool,
    /// File whose section on this measurement is replaced.
    #[arg(long)]
    write: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    runtime::limits::raise_open_files()?;
    match Cli::parse() {
        Cli::Xds(args) => xds_bench::run(args).await,
        // Nothing in it waits for more than one thing: plain threads measure more exactly.
        Cli::Gateway(args) => tokio::task::spawn_blocking(move || gateway::run(&args)).await?,
        Cli::Store(args) => store::run(args).await,
        Cli::Upstream { port } => tokio::task::spawn_blocking(move || gateway::upstream::serve(port)).await?,
        Cli::Toy { discovery, control, services, instances } => {
            toy::serve(mesh::Shape { services, instances }, discovery, control).await
        }
    }
}

/// The value below which `percent` of the sorted `times` lie.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(rank).copied().unwrap_or_default()
}
