//! The same traffic through nginx and through the gateway, in turns.

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::place::{Node, Place, Proxy, Run};
use super::tools::{self, Amount, Seen};
use super::{Part, shapes, tell, upstream};
use crate::usage;

/// Requests whose difference is counted: what a connection costs is in both.
const FEW: u32 = 500;
const MANY: u32 = 3_500;

/// A kind of traffic through one of the proxies.
#[derive(Clone, Copy, Debug)]
struct Kind {
    part: Part,
    path: &'static str,
    protocol: Protocol,
    /// Measured through nginx too; otherwise nginx's plain traffic is what it is compared with.
    nginx: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Tls,
    H2Tls,
    H2c,
}

const KINDS: [Kind; 8] = [
    Kind { part: Part::Plain, path: "/plain", protocol: Protocol::Http1, nginx: true },
    Kind { part: Part::KeyAuth, path: "/key", protocol: Protocol::Http1, nginx: false },
    Kind { part: Part::Limited, path: "/limited", protocol: Protocol::Http1, nginx: false },
    Kind { part: Part::Full, path: "/full", protocol: Protocol::Http1, nginx: false },
    Kind { part: Part::Large, path: "/large", protocol: Protocol::Http1, nginx: true },
    Kind { part: Part::Tls, path: "/plain", protocol: Protocol::Tls, nginx: true },
    Kind { part: Part::H2, path: "/plain", protocol: Protocol::H2Tls, nginx: true },
    Kind { part: Part::H2c, path: "/plain", protocol: Protocol::H2c, nginx: true },
];

/// What one proxy did with one kind of traffic.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) kind: Part,
    pub(crate) proxy: &'static str,
    /// Microseconds of processor time a request: median and minimum of the windows.
    pub(crate) cpu_us: f64,
    pub(crate) cpu_us_min: f64,
    /// To nginx in the same round: median.
    pub(crate) cpu_ratio: Option<f64>,
    /// Part of a processor that the proxy used: below 1 it has slept now and then.
    pub(crate) busy: f64,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failed: u64,
    pub(crate) instructions: Option<u64>,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Traffic {
    pub(crate) rows: Vec<Row>,
    /// Resident memory after the traffic, in MiB.
    pub(crate) rss_nginx_mib: f64,
    pub(crate) rss_gateway_mib: f64,
    /// Whether prometheus was there.
    pub(crate) prometheus: bool,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
}

/// One kind through one proxy, as it is repeated.
struct Lane {
    kind: Kind,
    is_nginx: bool,
    /// Microseconds a request, and what was seen.
    windows: Vec<(f64, Seen)>,
    instructions: Option<u64>,
}

impl Lane {
    fn path(&self) -> &'static str {
        match (self.is_nginx, self.kind.part) {
            (true, Part::Large) => "/64k",
            (true, _) => "/",
            (false, _) => self.kind.path,
        }
    }

    fn url(&self, proxy: &Proxy) -> String {
        let (scheme, port) = match self.kind.protocol {
            Protocol::Http1 => ("http", proxy.ports.plain),
            Protocol::Tls | Protocol::H2Tls => ("https", proxy.ports.tls),
            Protocol::H2c => ("http", proxy.ports.h2c),
        };
        format!("{scheme}://127.0.0.1:{port}{}", self.path())
    }

    fn request(&self) -> String {
        let fields: String = self.headers().iter().map(|field| format!("{field}\r\n")).collect();
        format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n", self.path())
    }

    fn headers(&self) -> &'static [&'static str] {
        const KEYED: [&str; 1] = ["apikey: sekret"];
        const FULL: [&str; 3] = ["apikey: sekret", "origin: http://example.com", "x-removed: 1"];
        match self.kind.part {
            Part::KeyAuth | Part::Limited => &KEYED,
            Part::Full => &FULL,
            _ => &[],
        }
    }

    fn window(&mut self, place: &Place, proxy: &Proxy, seconds: u32) -> Result<()> {
        let (pid, url) = (proxy.process.pid(), self.url(proxy));
        let before = usage::run_time(pid)?;
        let seen = match self.kind.protocol {
            Protocol::Http1 => {
                let connections = if self.kind.part == Part::Large { 32 } else { 64 };
                upstream::ask(place.upstream, proxy.ports.plain, &self.request(), connections, seconds)?
            }
            Protocol::Tls => tools::wrk(&url, self.headers(), 64, seconds)?,
            Protocol::H2Tls | Protocol::H2c => {
                tools::h2load(place, &url, self.headers(), false, Amount::Seconds(seconds))?
            }
        };
        let used = usage::run_time(pid)?.saturating_sub(before);
        ensure!(seen.requests > 0, "no request to {url} succeeded");
        self.windows.push((used.as_secs_f64() * 1e6 / seen.requests as f64, seen));
        Ok(())
    }

    fn name(&self) -> &'static str {
        if self.is_nginx { "nginx" } else { "gateway" }
    }
}

/// A node with the configuration of the traffic, and whether prometheus is in it.
fn node(place: &Place, run: Run) -> Result<(Node, bool)> {
    let node = place.node(run, "off")?;
    let with = node.load(&shapes::traffic(place.upstream, true).to_string());
    if let Err(error) = &with {
        tell(&format!("without prometheus: {error:#}"));
        node.load(&shapes::traffic(place.upstream, false).to_string())?;
    }
    Ok((node, with.is_ok()))
}

/// Measures the wanted kinds.
pub(crate) fn measure(place: &Place, wanted: &[Part], rounds: u32, seconds: u32) -> Result<Traffic> {
    let mut lanes: Vec<Lane> = KINDS
        .into_iter()
        .filter(|kind| wanted.contains(&kind.part))
        .flat_map(|kind| [true, false].map(|is_nginx| Lane { kind, is_nginx, windows: Vec::new(), instructions: None }))
        .filter(|lane| !lane.is_nginx || lane.kind.nginx)
        .collect();
    if lanes.is_empty() {
        return Ok(Traffic::default());
    }
    if wanted.iter().any(|part| matches!(part, Part::KeyAuth | Part::Limited | Part::Full))
        && !wanted.contains(&Part::Plain)
    {
        let plain = Lane { kind: KINDS[0], is_nginx: true, windows: Vec::new(), instructions: None };
        lanes.insert(0, plain);
    }
    let (node, prometheus) = node(place, Run::Pinned)?;
    let nginx = place.nginx(Run::Pinned)?;
    for round in 0..=rounds {
        // The first is to warm up; then back and forth, so that a slow trend favours neither.
        let duration = if round == 0 { 1 } else { seconds };
        let mut order: Vec<&mut Lane> = lanes.iter_mut().collect();
        if round % 2 == 0 {
            order.reverse();
        }
        for lane in order {
            let proxy = if lane.is_nginx { &nginx } else { &node.proxy };
            lane.window(place, proxy, duration).with_context(|| {
                format!("{} as {} tells:\n{}", lane.name(), proxy.process.pid(), proxy.process.output())
            })?;
            if round == 0 {
                lane.windows.clear();
            } else if let Some((cpu, seen)) = lane.windows.last() {
                tell(&format!("{:?} {} round {round}: {cpu:.1} µs, {seen:?}", lane.kind.part, lane.name()));
            }
        }
    }
    let (rss_nginx_mib, rss_gateway_mib) = (nginx.process.rss_kib()? as f64 / 1024.0, node.rss_mib()?);
    drop((node, nginx));
    count(place, &mut lanes)?;
    let rows = lanes.iter().map(|lane| row(lane, &lanes)).collect::<Result<_>>()?;
    Ok(Traffic { rows, rss_nginx_mib, rss_gateway_mib, prometheus, rounds, seconds })
}

/// Counts the instructions a request of every lane, one process for each proxy.
fn count(place: &Place, lanes: &mut [Lane]) -> Result<()> {
    for is_nginx in [true, false] {
        if !lanes.iter().any(|lane| lane.is_nginx == is_nginx) {
            continue;
        }
        let nginx = is_nginx.then(|| place.nginx(Run::Counted)).transpose()?;
        let node = (!is_nginx).then(|| node(place, Run::Counted)).transpose()?;
        let proxy = nginx.as_ref().or(node.as_ref().map(|(node, _)| &node.proxy)).expect("one of them was started");
        let pid = proxy.process.pid();
        tools::begin_counting(place, pid)?;
        let mut dump = 0;
        for lane in lanes.iter_mut().filter(|lane| lane.is_nginx == is_nginx) {
            let h1 = matches!(lane.kind.protocol, Protocol::Http1 | Protocol::Tls);
            let (url, headers) = (lane.url(proxy), lane.headers());
            let mut counts = [0_u64; 3];
            for (requests, count) in [FEW, FEW, MANY].into_iter().zip(&mut counts) {
                let seen = tools::h2load(place, &url, headers, h1, Amount::Requests(requests))?;
                ensure!(seen.failed == 0, "{} requests to {url} failed under valgrind", seen.failed);
                dump += 1;
                *count = tools::count(place, pid, dump)?;
            }
            let a_request = counts[2].saturating_sub(counts[1]) / u64::from(MANY - FEW);
            tell(&format!("{:?} {}: {a_request} instructions a request", lane.kind.part, lane.name()));
            lane.instructions = Some(a_request);
        }
    }
    Ok(())
}

fn row(lane: &Lane, all: &[Lane]) -> Result<Row> {
    let base = if lane.kind.nginx { lane.kind.part } else { Part::Plain };
    let nginx = all.iter().find(|other| other.is_nginx && other.kind.part == base).context("nginx was not measured")?;
    let ratios = lane.windows.iter().zip(&nginx.windows).map(|((own, _), (other, _))| own / other).collect();
    let column = |read: &dyn Fn(&(f64, Seen)) -> f64| lane.windows.iter().map(read).collect::<Vec<f64>>();
    Ok(Row {
        kind: lane.kind.part,
        proxy: lane.name(),
        cpu_us: median(column(&|window| window.0)),
        cpu_us_min: column(&|window| window.0).into_iter().fold(f64::INFINITY, f64::min),
        cpu_ratio: (!lane.is_nginx).then(|| median(ratios)),
        busy: median(column(&|window| window.0 * window.1.rate / 1e6)),
        rate: median(column(&|window| window.1.rate)),
        p50_ms: median(column(&|window| window.1.p50_ms)),
        p99_ms: median(column(&|window| window.1.p99_ms)),
        failed: lane.windows.iter().map(|window| window.1.failed).sum(),
        instructions: lane.instructions,
    })
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
