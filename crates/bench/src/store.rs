//! State, in a file and in PostgreSQL: how fast it is written, and what a lot of it costs.

mod filling;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::postgres::{self, Database, Server};
use testkit::{GatewayEnv, MeshEnv, Options};

use crate::usage;
use filling::{Pages, Place, Workers, Written};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// Clients that write at the same time.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Seconds of each measurement of writes.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Entities of the measurements with a lot of them.
    #[arg(long, default_value_t = 100_000)]
    entities: usize,
    /// File whose section on this measurement is replaced.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// What was measured of one program on one back end.
#[derive(Debug)]
struct Round {
    back_end: &'static str,
    /// What was written, and how fast.
    written: Vec<(String, Written)>,
    /// Entities of the measurements below.
    entities: usize,
    /// Resident memory, in bytes, before there was anything, and with everything just written.
    rss: (u64, u64),
    pages: Pages,
    /// From the start of the program to its readiness, and its memory then.
    start: Duration,
    rss_started: u64,
}

pub(crate) async fn run(args: StoreArgs) -> Result<()> {
    let load = usage::load();
    let server = Server::start(postgres::Options::default()).await?;
    let (mut gateway, mut mesh) = (Vec::new(), Vec::new());
    gateway.push(gateway_round(&args, "SQLite", GatewayEnv::new(&[])?, None).await?);
    let database = server.database().await?;
    gateway.push(gateway_round(&args, "PostgreSQL", GatewayEnv::on(database.address(), &[])?, Some(database)).await?);
    mesh.push(mesh_round(&args, "SQLite", Options::default(), None).await?);
    let database = server.database().await?;
    mesh.push(mesh_round(&args, "PostgreSQL", Options::on(database.address()), Some(database)).await?);
    table::publish(&args, &load, &gateway, &mesh)
}

/// A node's Admin API; with two nodes as well, where several can be.
async fn gateway_round(
    args: &StoreArgs,
    back_end: &'static str,
    mut node: GatewayEnv,
    shared: Option<Database>,
) -> Result<Round> {
    node.run(&["migrations", "bootstrap"])?;
    node.launch().await?;
    let empty = usage::rss(node.node().pid())?;
    let mut written = Vec::new();
    let mut entities = 0;
    let seconds = Duration::from_secs(args.seconds);
    let server = shared.as_ref().and_then(|database| database.server().pid());
    let workers = Workers([Some(node.node().pid()), server].into_iter().flatten().collect());
    for kind in ["consumers", "services", "routes"] {
        let one =
            filling::for_some_time(args.clients, seconds, &[Place::gateway(node.admin, kind, "one")], &workers).await?;
        entities += one.number;
        written.push((format!("Admin API, {kind}"), one));
    }
    if let Some(database) = &shared {
        let mut second = GatewayEnv::on(database.address(), &[])?;
        second.launch().await?;
        let places = [&node, &second].map(|node| Place::gateway(node.admin, "consumers", "two"));
        let workers = Workers(workers.0.iter().copied().chain([second.node().pid()]).collect());
        let two = filling::for_some_time(args.clients, seconds, &places, &workers).await?;
        entities += two.number;
        written.push(("Admin API, consumers, two nodes".to_owned(), two));
    }
    // A third of each kind, roughly.
    let rest = args.entities.saturating_sub(entities);
    for (number, kind) in [(rest / 3, "consumers"), (rest / 3, "services"), (rest - rest / 3 * 2, "routes")] {
        filling::this_many(args.clients, number, &Place::gateway(node.admin, kind, "fill")).await?;
    }
    let full = usage::rss(node.node().pid())?;
    let pages = filling::all_pages(node.admin, "/routes?size=1000").await?;
    node.stop(rustix::process::Signal::TERM).await?;
    let started = Instant::now();
    node.launch().await?;
    let start = started.elapsed();
    let rss_started = usage::rss(node.node().pid())?;
    let entities = entities.max(args.entities);
    Ok(Round { back_end, written, entities, rss: (empty, full), pages, start, rss_started })
}

/// A control plane's HTTP API; with two of them as well, where several can be.
async fn mesh_round(
    args: &StoreArgs,
    back_end: &'static str,
    options: Options,
    shared: Option<Database>,
) -> Result<Round> {
    let mut env = MeshEnv::new(options.clone())?;
    ended_well(env.kuma_cp(&["migrate", "up"])?)?;
    env.start_control_plane().await?;
    let empty = usage::rss(env.control_plane().pid())?;
    let seconds = Duration::from_secs(args.seconds);
    let (mut written, mut entities) = (Vec::new(), 0);
    let server = shared.as_ref().and_then(|database| database.server().pid());
    let workers = Workers([Some(env.control_plane().pid()), server].into_iter().flatten().collect());
    for kind in ["timeouts", "dataplanes"] {
        let one = filling::for_some_time(args.clients, seconds, &[Place::mesh(env.api, kind, "one")], &workers).await?;
        entities += one.number;
        written.push((format!("mesh, {kind}"), one));
    }
    if shared.is_some() {
        let mut second = MeshEnv::start(options).await?;
        let places = [&env, &second].map(|env| Place::mesh(env.api, "dataplanes", "two"));
        let workers = Workers(workers.0.iter().copied().chain([second.control_plane().pid()]).collect());
        let two = filling::for_some_time(args.clients, seconds, &places, &workers).await?;
        entities += two.number;
        written.push(("mesh, dataplanes, two control planes".to_owned(), two));
    }
    let rest = args.entities.saturating_sub(entities);
    filling::this_many(args.clients, rest, &Place::mesh(env.api, "dataplanes", "fill")).await?;
    let full = usage::rss(env.control_plane().pid())?;
    let pages = filling::all_pages(env.api, "/meshes/default/dataplanes?size=1000").await?;
    env.control_plane().signal(rustix::process::Signal::TERM)?;
    env.control_plane().wait(testkit::mesh::START).await?;
    let started = Instant::now();
    env.start_control_plane().await?;
    let start = started.elapsed();
    let rss_started = usage::rss(env.control_plane().pid())?;
    let entities = entities.max(args.entities);
    Ok(Round { back_end, written, entities, rss: (empty, full), pages, start, rss_started })
}

fn ended_well(mut command: Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
