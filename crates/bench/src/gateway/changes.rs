//! Configuration that changes while requests come.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::client::{self, Client, Outcome, Plan};
use super::place::{Node, Place, Run};
use super::{scale, shapes, tell};
use crate::percentile;

/// Threads that create entities.
const CREATORS: u64 = 8;
/// Entities of each kind that are created to measure the rate.
const ENTITIES: u64 = 2_000;
/// Routes there are in the end.
const ROUTES: u64 = 10_000;
/// Changes whose way to the proxy is timed.
const SAMPLES: u32 = 200;
/// Requests a second while things change, all of them to routes that do not.
const STEADY: f64 = 500.0;
/// Reloads of the node's settings.
const RELOADS: u32 = 20;
/// Time between two of them, which includes the command.
const BETWEEN: Duration = Duration::from_millis(400);

/// Creation of entities of one kind.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Creates {
    pub(crate) what: &'static str,
    pub(crate) count: u64,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// From the Admin API's 201 to the proxy serving the new route.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Visible {
    pub(crate) routes: u64,
    pub(crate) samples: u32,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// Steady requests while something happens.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Steady {
    pub(crate) what: String,
    /// Changes or reloads there were.
    pub(crate) changes: u64,
    pub(crate) requests: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
    pub(crate) complaint: Option<String>,
}

impl Steady {
    fn new(what: impl Into<String>, changes: u64, outcome: Outcome) -> Self {
        let row = Self {
            what: what.into(),
            changes,
            requests: outcome.times.len(),
            p50_ms: outcome.percentile_ms(50),
            p99_ms: outcome.percentile_ms(99),
            max_ms: outcome.percentile_ms(100),
            failed: outcome.failed,
            retried: outcome.retried,
            complaint: outcome.complaint,
        };
        tell(&format!("{row:?}"));
        row
    }
}

/// A node with a database, from empty to many routes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Database {
    pub(crate) creates: Vec<Creates>,
    pub(crate) visible: Vec<Visible>,
    pub(crate) steady: Vec<Steady>,
    pub(crate) rss_mib: f64,
    /// Starting the node again to the first proxied answer.
    pub(crate) restart_ms: f64,
}

/// Measures a node with sqlite.
pub(crate) fn database(place: &Place, seconds: u64) -> Result<Database> {
    let mut node = place.node(Run::Free, "sqlite")?;
    let mut admin = Client::new(node.admin);
    let url = format!("http://127.0.0.1:{}", place.upstream);
    admin.admin("PUT", "/services/base", &format!(r#"{{"url":"{url}"}}"#))?;
    let mut result = Database::default();
    result.visible.push(visible(&node, &mut admin, "few", 1)?);
    let service = |number: u64| ("/services".to_owned(), format!(r#"{{"name":"s{number}","url":"{url}"}}"#));
    let route = |number: u64| {
        (
            format!("/services/s{}/routes", number % ENTITIES),
            format!(r#"{{"name":"r{number}","paths":["/c/{number}/"]}}"#),
        )
    };
    let consumer = |number: u64| ("/consumers".to_owned(), format!(r#"{{"username":"c{number}"}}"#));
    result.creates.push(create(&node, "services", 0..ENTITIES, &service)?);
    result.creates.push(create(&node, "routes", 0..ENTITIES, &route)?);
    result.creates.push(create(&node, "consumers", 0..ENTITIES, &consumer)?);
    result.creates.push(create(&node, "routes, 2 000 there before", ENTITIES..ROUTES, &route)?);
    result.visible.push(visible(&node, &mut admin, "many", ROUTES)?);
    admin.admin("PUT", "/services/base/routes/changing", r#"{"paths":["/changing/0/"]}"#)?;
    let time = Duration::from_secs(seconds);
    let path = |number: u64, request: &mut Vec<u8>| {
        let route = number.wrapping_mul(7919) % ROUTES;
        request.extend(format!("GET /c/{route}/{number} HTTP/1.1\r\nhost: localhost\r\n\r\n").bytes());
    };
    let port = node.proxy.ports.plain;
    drop(client::run(port, Plan::steady(STEADY, Duration::from_secs(1)), &path));
    result.steady.push(Steady::new(
        "10 000 routes, sqlite, quiet",
        0,
        client::run(port, Plan::steady(STEADY, time), &path),
    ));
    for rate in [1_u32, 20] {
        let (changes, outcome) =
            while_changing(Plan::steady(STEADY, time), port, &path, 1.0 / f64::from(rate), |change| {
                admin.admin("PATCH", "/routes/changing", &format!(r#"{{"paths":["/changing/{change}/"]}}"#)).map(drop)
            })?;
        await_route(port, &format!("/changing/{changes}/"), "the last change")?;
        let what = format!("10 000 routes, sqlite, one changes {rate} times a second by PATCH");
        result.steady.push(Steady::new(what, changes, outcome));
    }
    result.rss_mib = node.rss_mib()?;
    let begin = restart(place, &mut node)?;
    await_route(node.proxy.ports.plain, &format!("/c/{}/", ROUTES - 1), "the restarted node")?;
    result.restart_ms = begin.elapsed().as_secs_f64() * 1e3;
    tell(&serde_json::to_string(&result)?);
    Ok(result)
}

fn restart(place: &Place, node: &mut Node) -> Result<Instant> {
    node.kong(&["stop"])?;
    let begin = Instant::now();
    place.restart(Run::Free, node)?;
    Ok(begin)
}

/// Creates entities with some clients at once.
fn create(
    node: &Node,
    what: &'static str,
    numbers: std::ops::Range<u64>,
    entity: &(dyn Fn(u64) -> (String, String) + Sync),
) -> Result<Creates> {
    let (next, begin) = (AtomicU64::new(numbers.start), Instant::now());
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let creator = || -> Result<Vec<Duration>> {
            let (mut client, mut times) = (Client::new(node.admin), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return Ok(times);
                }
                let (path, body) = entity(number);
                let begin = Instant::now();
                client.admin("POST", &path, &body)?;
                times.push(begin.elapsed());
            }
        };
        let creators: Vec<_> = (0..CREATORS).map(|_| scope.spawn(creator)).collect();
        let mut all = Vec::new();
        for creator in creators {
            all.extend(creator.join().ok().context("a thread panicked")??);
        }
        Ok::<_, anyhow::Error>(all)
    })?;
    let elapsed = begin.elapsed();
    times.sort_unstable();
    let ms = |percent| percentile(&times, percent).as_secs_f64() * 1e3;
    let row = Creates {
        what,
        count: times.len() as u64,
        rate: times.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: ms(50),
        p99_ms: ms(99),
    };
    tell(&format!("{row:?}"));
    Ok(row)
}

/// How long new routes take to the proxy, one after the other.
fn visible(node: &Node, admin: &mut Client, name: &str, routes: u64) -> Result<Visible> {
    let mut times = Vec::new();
    for sample in 0..SAMPLES {
        let path = format!("/new/{name}/{sample}/");
        admin.admin("POST", "/services/base/routes", &format!(r#"{{"paths":["{path}"]}}"#))?;
        let begin = Instant::now();
        await_route(node.proxy.ports.plain, &path, "a new route")?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let ms = |percent| percentile(&times, percent).as_secs_f64() * 1e3;
    let row = Visible { routes, samples: SAMPLES, p50_ms: ms(50), p99_ms: ms(99), max_ms: ms(100) };
    tell(&format!("{row:?}"));
    Ok(row)
}

/// Waits until a path is answered with 200.
fn await_route(port: u16, path: &str, what: &str) -> Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let (mut client, begin) = (Client::new(port), Instant::now());
    while !client.send(request.as_bytes()).is_ok_and(|answer| answer.status == 200) {
        ensure!(begin.elapsed() < Duration::from_secs(30), "{what} is not served after 30 s: {path}");
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Requests, and changes every so many seconds meanwhile: how many changes, and what became of the requests.
fn while_changing(
    plan: Plan,
    port: u16,
    path: &(dyn Fn(u64, &mut Vec<u8>) + Sync),
    every: f64,
    mut change: impl FnMut(u64) -> Result<()> + Send,
) -> Result<(u64, Outcome)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let changer = scope.spawn(|| -> Result<u64> {
            let (begin, mut done) = (Instant::now(), 0);
            while !over.load(Ordering::Relaxed) {
                let due = begin + Duration::from_secs_f64(done as f64 * every);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                done += 1;
                change(done)?;
            }
            Ok(done)
        });
        let outcome = client::run(port, plan, path);
        over.store(true, Ordering::Relaxed);
        let changes = changer.join().ok().context("a thread panicked")??;
        Ok((changes, outcome))
    })
}

/// A node without a database: whole configurations while requests come, then `kong reload`.
pub(crate) fn declarative(place: &Place, seconds: u64) -> Result<Vec<Steady>> {
    let node = place.node(Run::Free, "off")?;
    scale::load(place, &node, ROUTES, 0)?;
    let time = Duration::from_secs(seconds);
    // All but the last route, which changes.
    let (path, port) = (shapes::round_robin(ROUTES - 1, 0, 0, 0), node.proxy.ports.plain);
    let mut rows =
        vec![Steady::new("10 000 routes, off, quiet", 0, client::run(port, Plan::steady(STEADY, time), &path))];
    // What the client does to make them is not to be measured.
    let loads: Vec<String> =
        (0..seconds + 2).map(|change| shapes::many_routes(place.upstream, ROUTES, change)).collect();
    let (changes, outcome) = while_changing(Plan::steady(STEADY, time), port, &path, 1.0, |change| {
        node.load(loads.get(usize::try_from(change)?).context("a change more than there are seconds")?)
    })?;
    let what = "10 000 routes, off, one changes each second by /config of all";
    rows.push(Steady::new(what, changes, outcome));
    Ok(rows)
}

/// `kong reload` while requests come, on kept connections and on new ones.
pub(crate) fn reloads(place: &Place) -> Result<Vec<Steady>> {
    let node = place.node(Run::Free, "sqlite")?;
    let mut admin = Client::new(node.admin);
    let url = format!("http://127.0.0.1:{}", place.upstream);
    admin.admin("PUT", "/services/base", &format!(r#"{{"url":"{url}"}}"#))?;
    admin.admin("PUT", "/services/base/routes/all", r#"{"paths":["/"]}"#)?;
    let port = node.proxy.ports.plain;
    await_route(port, "/", "the route")?;
    let path = |_: u64, request: &mut Vec<u8>| request.extend(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let time = BETWEEN * RELOADS;
    let mut rows = Vec::new();
    for (fresh, what) in
        [(false, "kong reload, kept connections"), (true, "kong reload, a connection for each request")]
    {
        let plan = Plan { fresh, ..Plan::steady(STEADY, time) };
        let (changes, outcome) = while_changing(plan, port, &path, BETWEEN.as_secs_f64(), |_| node.kong(&["reload"]))?;
        rows.push(Steady::new(what, changes, outcome));
    }
    Ok(rows)
}

/// Memory after so many reloads of `/config`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) loads: u64,
    pub(crate) rss_mib: f64,
}

/// Loads 1 000 routes again and again, each time with a change and some requests in between.
pub(crate) fn memory(place: &Place, at: &[u64]) -> Result<Vec<Memory>> {
    const SIZE: u64 = 1_000;
    let node = place.node(Run::Pinned, "off")?;
    let mut rows = Vec::new();
    for loads in 1..=at.iter().copied().max().unwrap_or_default() {
        node.load(&shapes::many_routes(place.upstream, SIZE, loads))?;
        if loads % 20 == 0 || at.contains(&loads) {
            scale::load(place, &node, SIZE, loads)?;
            let path = shapes::round_robin(SIZE, loads * 100, 0, loads);
            client::run(node.proxy.ports.plain, Plan::count(8, 100), &path).flawless()?;
        }
        if at.contains(&loads) {
            let row = Memory { loads, rss_mib: node.rss_mib()? };
            tell(&format!("{row:?}"));
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Start of the program to the first proxied answer of the last route.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) routes: u64,
    pub(crate) median_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) rss_mib: f64,
}

/// Starts a node on a declarative file some times.
pub(crate) fn start(place: &Place, routes: u64) -> Result<Start> {
    let file = place.path("kong.json");
    std::fs::write(&file, shapes::many_routes(place.upstream, routes, 0))?;
    let file = file.display().to_string();
    let (mut times, mut rss_mib) = (Vec::new(), 0.0);
    let mut request = Vec::new();
    shapes::request_to(routes - 1, 1, 0, &mut request);
    for _ in 0..5 {
        let begin = Instant::now();
        let node = place.launch(Run::Free, "off", &[("DECLARATIVE_CONFIG", &file)])?;
        let mut client = Client::new(node.proxy.ports.plain);
        while !client.send(&request).is_ok_and(|answer| answer.status == 200) {
            ensure!(begin.elapsed() < Duration::from_secs(30), "no answer after 30 s; the node tells:\n{}", node.log());
            thread::sleep(Duration::from_micros(500));
        }
        times.push(begin.elapsed());
        rss_mib = node.rss_mib()?;
    }
    times.sort_unstable();
    let ms = |percent| percentile(&times, percent).as_secs_f64() * 1e3;
    let row = Start { routes, median_ms: ms(50), max_ms: ms(100), rss_mib };
    tell(&format!("{row:?}"));
    Ok(row)
}
