//! `bench gateway`: the gateway beside nginx, with many routes, and while it changes.

mod changes;
pub(crate) mod client;
mod place;
mod results;
mod scale;
mod shapes;
mod tools;
mod traffic;
pub(crate) mod upstream;

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use place::Place;
use results::Results;

use crate::usage;

/// What to measure and where to write it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    /// Only these parts; all without it.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Windows of each kind of traffic.
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Length of a window of traffic, in seconds.
    #[arg(long, default_value_t = 1)]
    seconds: u32,
    /// Length of a window of steady requests, in seconds.
    #[arg(long, default_value_t = 16)]
    steady: u64,
    /// How many routes, one measurement for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,100,10000,100000")]
    routes: Vec<u64>,
    /// File whose section on this measurement is replaced.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum Part {
    /// HTTP/1.1 through one route.
    Plain,
    /// The same with key-auth.
    KeyAuth,
    /// The same with key-auth and rate-limiting.
    Limited,
    /// The same with cors, request-transformer, prometheus, key-auth and rate-limiting.
    Full,
    /// Responses of 64 KiB.
    Large,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    H2,
    /// HTTP/2 without TLS.
    H2c,
    /// Ever more routes.
    Routes,
    /// A node with sqlite: creations, their way to the proxy, changes under traffic.
    Database,
    /// A node without a database: `/config` under traffic.
    Declarative,
    /// `kong reload` under traffic.
    Reload,
    /// Memory after many loads of `/config`.
    Memory,
    /// Start to the first proxied answer.
    Start,
}

/// Measures and reports.
pub(crate) fn run(args: &GatewayArgs) -> Result<()> {
    tools::check()?;
    let wanted = if args.only.is_empty() { Part::value_variants() } else { &args.only };
    let place = Place::new()?;
    let mut results = Results { load: usage::load(), ..Results::default() };
    results.traffic = traffic::measure(&place, wanted, args.rounds, args.seconds)?;
    let wants = |part| wanted.contains(&part);
    if wants(Part::Routes) {
        for routes in &args.routes {
            results.scale.push(scale::measure(&place, *routes, args.seconds)?);
        }
    }
    if wants(Part::Database) {
        results.database = Some(changes::database(&place, args.steady)?);
    }
    if wants(Part::Declarative) {
        results.steady.extend(changes::declarative(&place, args.steady)?);
    }
    if wants(Part::Reload) {
        results.steady.extend(changes::reloads(&place)?);
    }
    if wants(Part::Memory) {
        results.memory = changes::memory(&place, &[1, 100, 500, 1_000])?;
    }
    if wants(Part::Start) {
        for routes in [1, 10_000] {
            results.starts.push(changes::start(&place, routes)?);
        }
    }
    results::publish(args, &results)
}

/// A line about what goes on.
fn tell(line: &str) {
    // Nobody reads it if standard output is closed.
    io::stdout().write_all(format!("{line}\n").as_bytes()).ok();
}
