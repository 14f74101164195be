//! The results, for people and for programs.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Result;
use clap::ValueEnum as _;
use serde::Serialize;

use super::changes::{Database, Memory, Start, Steady};
use super::scale;
use super::traffic::{Row, Traffic};
use super::{GatewayArgs, Part, tools};
use crate::{report, usage};

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    /// Load of the machine before.
    pub(crate) load: String,
    pub(crate) traffic: Traffic,
    pub(crate) scale: Vec<scale::Row>,
    pub(crate) database: Option<Database>,
    pub(crate) steady: Vec<Steady>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) starts: Vec<Start>,
}

/// Prints the tables, and puts them into the file that was asked for.
pub(crate) fn publish(args: &GatewayArgs, results: &Results) -> Result<()> {
    let title = title(args);
    let section = section(&title, results)?;
    io::stdout().write_all(section.as_bytes())?;
    match &args.write {
        Some(path) => report::replace(path, &title, &section),
        None => Ok(()),
    }
}

fn title(args: &GatewayArgs) -> String {
    let parts: Vec<String> =
        args.only.iter().filter_map(|part| Some(part.to_possible_value()?.get_name().to_owned())).collect();
    if parts.is_empty() { "## Gateway".to_owned() } else { format!("## Gateway: {}", parts.join(", ")) }
}

fn section(title: &str, results: &Results) -> Result<String> {
    let mut out = format!("{title}\n\n");
    let command: Vec<String> = std::env::args().skip(1).collect();
    writeln!(
        out,
        "`bench {}`, {}, {}, load average {} before. Beside nginx {} with one worker and the same upstream, a bare \
         loop that answers 1 KiB (64 KiB). Clients of plain HTTP/1.1 are in that loop too, those of TLS are wrk, those of \
         HTTP/2 h2load: the less they take, the more it is the proxy that sets the pace. All on loopback; the proxy \
         measured has processor 0, everything else the others (the rows under \"Changes\" and \"Start\" are without that, with a worker a processor). Processor times move by \
         up to a factor of two between windows on a shared machine: the ratio is the median of those to nginx in the \
         same round. Instructions are those in user space, counted by valgrind: the difference of 3 500 and 500 \
         requests.\n",
        command.join(" "),
        report::today(),
        usage::cpu_model(),
        results.load,
        tools::nginx_version()?
    )?;
    targets(&mut out, results)?;
    traffic(&mut out, &results.traffic)?;
    many(&mut out, &results.scale)?;
    changes(&mut out, results)?;
    if !results.memory.is_empty() {
        writeln!(out, "### Memory after loads of `/config`, 1 000 routes, each with a change\n")?;
        writeln!(out, "| loads | resident |\n|---|---|")?;
        for row in &results.memory {
            writeln!(out, "| {} | {:.1} MiB |", row.loads, row.rss_mib)?;
        }
        writeln!(out)?;
    }
    if !results.starts.is_empty() {
        writeln!(out, "### Start: `kong start` on a declarative file to the first answer of the last route\n")?;
        writeln!(out, "| routes | median | longest of 5 | resident |\n|---|---|---|---|")?;
        for row in &results.starts {
            writeln!(
                out,
                "| {} | {:.0} ms | {:.0} ms | {:.1} MiB |",
                row.routes, row.median_ms, row.max_ms, row.rss_mib
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out, "```json\n{}\n```", serde_json::to_string(results)?)?;
    Ok(out)
}

/// A figure with what is aimed at: its name, the value as text, the value and the most it may be.
struct Target {
    name: &'static str,
    text: String,
    value: f64,
    most: f64,
}

fn targets(out: &mut String, results: &Results) -> Result<()> {
    let rows = all_targets(results);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Against the targets\n\n| | measured | target | |\n|---|---|---|---|")?;
    for Target { name, text, value, most } in rows {
        let verdict = if value <= most { "met" } else { "**missed**" };
        let most = if most.fract() == 0.0 { format!("{most:.0}") } else { most.to_string() };
        writeln!(out, "| {name} | {text} | ≤ {most} | {verdict} |")?;
    }
    writeln!(out)?;
    Ok(())
}

fn all_targets(results: &Results) -> Vec<Target> {
    let mut rows = Vec::new();
    let mut add = |name, value: Option<f64>, unit: &str, most| {
        if let Some(value) = value {
            let text = if value >= 100.0 { format!("{value:.0}{unit}") } else { format!("{value:.2}{unit}") };
            rows.push(Target { name, text, value, most });
        }
    };
    let of = |part| results.traffic.rows.iter().find(|row| row.kind == part && row.cpu_ratio.is_some());
    let ratio = |part| of(part).and_then(|row: &Row| row.cpu_ratio);
    add("plain: instructions a request", of(Part::Plain).and_then(|row| Some(row.instructions? as f64)), "", 14_000.0);
    add("plain: CPU to nginx", ratio(Part::Plain), "", 0.85);
    add("key-auth + rate-limiting: CPU to plain nginx", ratio(Part::Limited), "", 1.1);
    add("five plugins: CPU to plain nginx", ratio(Part::Full), "", 1.5);
    add("TLS: CPU to nginx", ratio(Part::Tls), "", 0.75);
    let at = |routes| results.scale.iter().find(|row| row.routes == routes);
    let growth = |routes| Some(at(routes)?.instructions as f64 / at(1)?.instructions as f64);
    add("instructions with 10 000 routes to those with 1, new paths", growth(10_000), "", 1.1);
    add("instructions with 100 000 routes to those with 1, new paths", growth(100_000), "", 1.1);
    let first = |routes| Some(at(routes)?.instructions_first as f64 / at(1)?.instructions_first as f64);
    add("the same with 10 000, first request of each route", first(10_000), "", 1.1);
    add("the same with 100 000, first request of each route", first(100_000), "", 1.1);
    add("load of 10 000 routes until the last answers, ms", at(10_000).map(|row| row.live_ms), "", 200.0);
    add("load of 100 000 routes until the last answers, ms", at(100_000).map(|row| row.live_ms), "", 2_000.0);
    add("resident with 1 route, MB", at(1).map(|row| row.rss_first_mib * 1.048_576), "", 25.0);
    add("resident with 10 000 routes, MB", at(10_000).map(|row| row.rss_first_mib * 1.048_576), "", 80.0);
    let start = |routes| results.starts.iter().find(|row| row.routes == routes).map(|row| row.median_ms);
    add("start to first answer, 1 route, ms", start(1), "", 100.0);
    add("start to first answer, 10 000 routes, ms", start(10_000), "", 500.0);
    if let Some(database) = &results.database {
        let slowest = database.visible.iter().map(|row| row.p99_ms).fold(0.0, f64::max);
        add("201 of a new route to the proxy serving it, p99, ms", Some(slowest), "", 50.0);
        if let [quiet, slow, fast] = database.steady.as_slice() {
            add("p99 with a change a second to quiet, sqlite", Some(slow.p99_ms / quiet.p99_ms), "", 1.5);
            add("p99 with 20 changes a second to quiet, sqlite", Some(fast.p99_ms / quiet.p99_ms), "", 1.5);
        }
    }
    let find = |part: &str| results.steady.iter().find(|row| row.what.contains(part)).map(|row| row.p99_ms);
    let whole = find("/config").zip(find("off, quiet")).map(|(changing, quiet)| changing / quiet);
    add("p99 with a /config a second to quiet, no database", whole, "", 1.5);
    let loads = |loads| results.memory.iter().find(|row| row.loads == loads).map(|row| row.rss_mib);
    add(
        "resident after 1 000 loads to that after 100",
        loads(1_000).zip(loads(100)).map(|(end, begin)| end / begin),
        "",
        1.1,
    );
    let steady = results.steady.iter().chain(results.database.iter().flat_map(|database| &database.steady));
    let failed = steady.map(|row| row.failed).sum::<u64>()
        + results.traffic.rows.iter().map(|row| row.failed).sum::<u64>()
        + results.scale.iter().map(|row| row.failed).sum::<u64>();
    add("failed requests, all of the above", Some(failed as f64), "", 0.0);
    rows
}

fn traffic(out: &mut String, traffic: &Traffic) -> Result<()> {
    if traffic.rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "### One route, kept connections\n")?;
    writeln!(
        out,
        "{} windows of {} s; 64 connections (64 KiB: 32; HTTP/2: 16 with 16 streams). `limited` is key-auth and rate-limiting; \
         `full` is cors, request-transformer, {}key-auth and rate-limiting. They are compared with nginx's plain row. Resident \
         afterwards: nginx {:.1} MiB, gateway {:.1} MiB.\n",
        traffic.rounds,
        traffic.seconds,
        if traffic.prometheus { "prometheus, " } else { "" },
        traffic.rss_nginx_mib,
        traffic.rss_gateway_mib
    )?;
    writeln!(
        out,
        "| | instructions | CPU µs, median (least) | to nginx | busy | requests/s | p50 ms | p99 ms | failed |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for row in &traffic.rows {
        let kind = row.kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        writeln!(
            out,
            "| {kind}, {} | {} | {:.1} ({:.1}) | {} | {:.0} % | {:.0} | {:.2} | {:.2} | {} |",
            row.proxy,
            row.instructions.map_or_else(String::new, |count| count.to_string()),
            row.cpu_us,
            row.cpu_us_min,
            row.cpu_ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            row.busy * 100.0,
            row.rate,
            row.p50_ms,
            row.p99_ms,
            row.failed
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn many(out: &mut String, rows: &[scale::Row]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Many routes, no database\n")?;
    writeln!(
        out,
        "Loaded by `/config`, three times, with one worker. Of ten routes seven have a path, two a host and a path, one a \
         pattern; ten routes a service. The requests go to all routes in turns, each with a new path.\n"
    )?;
    let mut row = |name: &str, value: &dyn Fn(&scale::Row) -> String| {
        writeln!(out, "| {name} | {} |", rows.iter().map(value).collect::<Vec<_>>().join(" | "))
    };
    row("routes", &|row| row.routes.to_string())?;
    row("---", &|_| "---".to_owned())?;
    row("body, kB", &|row| format!("{:.1}", row.body_bytes as f64 / 1e3))?;
    row("`/config` answers after", &|row| format!("{:.0} ms", row.answered_ms))?;
    row("the last route answers after", &|row| format!("{:.0} ms", row.live_ms))?;
    row("the same, third load", &|row| format!("{:.0} ms", row.reload_ms))?;
    row("resident after the first load", &|row| format!("{:.1} MiB", row.rss_first_mib))?;
    row("after the third", &|row| format!("{:.1} MiB", row.rss_loads_mib))?;
    row("after traffic", &|row| format!("{:.1} MiB", row.rss_traffic_mib))?;
    row("instructions a request, new paths", &|row| row.instructions.to_string())?;
    row("the same, first request of each route", &|row| row.instructions_first.to_string())?;
    row("CPU a request", &|row| format!("{:.1} µs", row.cpu_us))?;
    row("requests/s (the client's limit)", &|row| format!("{:.0}", row.rate))?;
    row("p50", &|row| format!("{:.2} ms", row.p50_ms))?;
    row("p99", &|row| format!("{:.2} ms", row.p99_ms))?;
    row("failed", &|row| row.failed.to_string())?;
    writeln!(out)?;
    Ok(())
}

fn changes(out: &mut String, results: &Results) -> Result<()> {
    if let Some(database) = &results.database {
        writeln!(out, "### Admin API, sqlite\n\n8 clients; nothing but the creations runs.\n")?;
        writeln!(out, "| | created | a second | p50 | p99 |\n|---|---|---|---|---|")?;
        for row in &database.creates {
            writeln!(
                out,
                "| {} | {} | {:.0} | {:.2} ms | {:.2} ms |",
                row.what, row.count, row.rate, row.p50_ms, row.p99_ms
            )?;
        }
        writeln!(out, "\nFrom the 201 of a new route to the proxy serving it:\n")?;
        writeln!(out, "| routes there | n | p50 | p99 | longest |\n|---|---|---|---|---|")?;
        for row in &database.visible {
            let Row3 { p50, p99, max } = Row3::new(row.p50_ms, row.p99_ms, row.max_ms);
            writeln!(out, "| {} | {} | {p50} | {p99} | {max} |", row.routes, row.samples)?;
        }
        writeln!(
            out,
            "\nResident with 10 000 routes, 2 000 services and 2 000 consumers: {:.1} MiB. Started again, the last route answers after {:.0} ms.\n",
            database.rss_mib, database.restart_ms
        )?;
    }
    let steady: Vec<&Steady> =
        results.database.iter().flat_map(|database| &database.steady).chain(&results.steady).collect();
    if steady.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "### Changes\n\n500 requests a second whatever the answers do; times are from when a request was due. A request is sent \
         again if a kept connection was closed before anything came back.\n"
    )?;
    writeln!(
        out,
        "| | changes | answered | p50 | p99 | longest | failed | sent again |\n|---|---|---|---|---|---|---|---|"
    )?;
    for row in steady {
        let Row3 { p50, p99, max } = Row3::new(row.p50_ms, row.p99_ms, row.max_ms);
        writeln!(
            out,
            "| {} | {} | {} | {p50} | {p99} | {max} | {} | {} |",
            row.what, row.changes, row.requests, row.failed, row.retried
        )?;
    }
    writeln!(out)?;
    Ok(())
}

/// Times of a row as text.
struct Row3 {
    p50: String,
    p99: String,
    max: String,
}

impl Row3 {
    fn new(p50: f64, p99: f64, max: f64) -> Self {
        let text = |ms: f64| format!("{ms:.2} ms");
        Self { p50: text(p50), p99: text(p99), max: text(max) }
    }
}
