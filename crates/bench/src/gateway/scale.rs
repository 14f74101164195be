//! The same node with ever more routes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;

use super::client::{self, Client, Plan};
use super::place::{Node, Place, Run};
use super::{shapes, tell, tools};
use crate::usage;

/// Connections under valgrind, and requests whose difference is counted.
const COUNTED: usize = 8;
const FEW: u64 = 500;
const MANY: u64 = 3_500;

/// How long a configuration may take until its last route answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a node is left alone before its memory is read.
const CALM: Duration = Duration::from_secs(3);

/// Loads of each number of routes.
const LOADS: u64 = 3;

/// What was seen with one number of routes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) routes: u64,
    pub(crate) body_bytes: usize,
    /// Start of the first `/config` to its answer, to the last route answering; the latter for the last load.
    pub(crate) answered_ms: f64,
    pub(crate) live_ms: f64,
    pub(crate) reload_ms: f64,
    /// Resident memory after the first load, after the last, and after traffic.
    pub(crate) rss_first_mib: f64,
    pub(crate) rss_loads_mib: f64,
    pub(crate) rss_traffic_mib: f64,
    /// Of requests over all routes whose paths are all new: each the first of its route, and the next time.
    pub(crate) instructions_first: u64,
    pub(crate) instructions: u64,
    pub(crate) cpu_us: f64,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failed: u64,
    pub(crate) complaint: Option<String>,
}

/// Measures one number of routes.
pub(crate) fn measure(place: &Place, routes: u64, seconds: u32) -> Result<Row> {
    let node = place.node(Run::Pinned, "off")?;
    let body_bytes = shapes::many_routes(place.upstream, routes, 0).len();
    let (answered, live) = load(place, &node, routes, 0)?;
    thread::sleep(CALM);
    let rss_first_mib = node.rss_mib()?;
    let mut reload = live;
    for generation in 1..LOADS {
        (_, reload) = load(place, &node, routes, generation)?;
    }
    thread::sleep(CALM);
    let rss_loads_mib = node.rss_mib()?;
    let last = LOADS - 1;
    client::run(node.proxy.ports.plain, Plan::count(64, 2_000), &shapes::round_robin(routes, 0, 0, last)).flawless()?;
    let before = usage::run_time(node.pid())?;
    let plan = Plan::closed(64, Duration::from_secs(seconds.into()));
    let outcome = client::run(node.proxy.ports.plain, plan, &shapes::round_robin(routes, 2_000, 0, last));
    let used = usage::run_time(node.pid())?.saturating_sub(before);
    let row = Row {
        routes,
        body_bytes,
        answered_ms: answered.as_secs_f64() * 1e3,
        live_ms: live.as_secs_f64() * 1e3,
        reload_ms: reload.as_secs_f64() * 1e3,
        rss_first_mib,
        rss_loads_mib,
        rss_traffic_mib: node.rss_mib()?,
        instructions_first: 0,
        instructions: 0,
        cpu_us: used.as_secs_f64() * 1e6 / outcome.times.len().max(1) as f64,
        rate: outcome.rate(),
        p50_ms: outcome.percentile_ms(50),
        p99_ms: outcome.percentile_ms(99),
        failed: outcome.failed,
        complaint: outcome.complaint,
    };
    drop(node);
    let (instructions_first, instructions) = count(place, routes)?;
    let row = Row { instructions_first, instructions, ..row };
    tell(&serde_json::to_string(&row)?);
    Ok(row)
}

/// Loads a configuration; how long until `/config` answered, and until the last route did.
pub(crate) fn load(place: &Place, node: &Node, routes: u64, generation: u64) -> Result<(Duration, Duration)> {
    let config = shapes::many_routes(place.upstream, routes, generation);
    let begin = Instant::now();
    thread::scope(|scope| {
        let loading = scope.spawn(|| node.load(&config).map(|()| begin.elapsed()));
        let mut probe = Client::new(node.proxy.ports.plain);
        let mut request = Vec::new();
        shapes::request_to(routes - 1, 0, generation, &mut request);
        let live = loop {
            let answer = probe.send(&request);
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                break begin.elapsed();
            }
            let refused = loading.is_finished() && begin.elapsed() > PATIENCE;
            if refused || begin.elapsed() > 2 * PATIENCE {
                bail!("the last of {routes} routes does not answer: {answer:?}");
            }
            thread::sleep(Duration::from_millis(1));
        };
        let answered = loading.join().ok().context("a thread panicked")??;
        Ok((answered, live))
    })
}

/// Instructions a request with a new path: the first requests of routes, and further ones to the same routes.
fn count(place: &Place, routes: u64) -> Result<(u64, u64)> {
    let node = place.node(Run::Counted, "off")?;
    load(place, &node, routes, 0)?;
    tools::begin_counting(place, node.pid())?;
    let mut dumps = 1..;
    let mut window = |first: u64, requests: u64, lap: u64| -> Result<u64> {
        let path = shapes::round_robin(routes, first, lap, 0);
        let outcome = client::run(node.proxy.ports.plain, Plan::count(COUNTED, requests), &path).flawless()?;
        ensure!(outcome.times.len() as u64 == requests, "requests are missing");
        tools::count(place, node.pid(), dumps.next().context("dumps are countless")?)
    };
    window(0, FEW, 0)?;
    let mut lap = |lap: u64| -> Result<u64> {
        let few = window(FEW, FEW, lap)?;
        let many = window(2 * FEW, MANY, lap)?;
        Ok(many.saturating_sub(few) / (MANY - FEW))
    };
    Ok((lap(0)?, lap(1)?))
}
