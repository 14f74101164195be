//! The results, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use anyhow::Result;
use serde_json::json;

use crate::xds_bench::Round;
use crate::{XdsArgs, percentile, usage};

/// A line about one measurement, while others are under way.
pub(crate) fn progress(round: &Round) {
    let line = format!("{}\n", as_json(round));
    // Nobody reads it if standard output is closed.
    io::Write::write_all(&mut io::stdout(), line.as_bytes()).ok();
}

fn as_json(round: &Round) -> serde_json::Value {
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let us = |time: Duration| (time.as_secs_f64() * 1e8).round() / 1e2;
    json!({
        "proxies": round.proxies,
        "start_ms": ms(round.start),
        "sent_to_last_ack_ms": { "median": ms(percentile(&round.from_sent, 50)), "p99": ms(percentile(&round.from_sent, 99)) },
        "answer_to_last_ack_ms": { "median": ms(percentile(&round.from_answered, 50)), "p99": ms(percentile(&round.from_answered, 99)) },
        "cpu_us_per_proxy_and_change": us(round.cpu),
        "rss_before_bytes": round.rss_before,
        "rss_connected_bytes": round.rss_after,
        "rss_after_changes_bytes": round.rss_end,
        "rss_per_proxy_bytes": round.rss_per_proxy(),
        "idle_cores": round.idle,
        "response_bytes": round.bytes,
        "floor_ms": { "median": ms(round.floor.median), "p99": ms(round.floor.p99) },
        "floor_cpu_us_per_socket": us(round.floor.cpu),
    })
}

/// Prints the table, and puts it into the file that was asked for.
pub(crate) fn publish(args: &XdsArgs, rounds: &[Round], launcher: Option<u64>, load: &str) -> Result<()> {
    let section = section(args, rounds, launcher, load)?;
    io::Write::write_all(&mut io::stdout(), section.as_bytes())?;
    match &args.write {
        Some(path) => replace(path, &title(args), &section),
        None => Ok(()),
    }
}

fn title(args: &XdsArgs) -> String {
    match (args.toy, args.mtls) {
        (true, _) => "## xDS, the discovery server alone".to_owned(),
        (false, false) => "## xDS".to_owned(),
        (false, true) => "## xDS with mutual TLS".to_owned(),
    }
}

fn section(args: &XdsArgs, rounds: &[Round], launcher: Option<u64>, load: &str) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let date = today();
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut out = title(args);
    writeln!(out, "\n")?;
    writeln!(
        out,
        "`bench {}`, {date}, {} ({cores} cores), load average {load} before.\n",
        command.join(" "),
        usage::cpu_model()
    )?;
    writeln!(
        out,
        "{} services with {} endpoints; every proxy is subscribed to all of them over TLS. {} times one endpoint \
         changes. The proxies are delta clients in one process on the same machine, so their own work is part of \
         the times. The floor is write(2) of the same bytes to as many TCP sockets, read by one epoll loop.\n",
        args.services, args.instances, args.changes
    )?;
    writeln!(out, "| | {} |", rounds.iter().map(|r| format!("{} proxies", r.proxies)).collect::<Vec<_>>().join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(rounds.len()))?;
    let mut row = |name: &str, value: &dyn Fn(&Round) -> String| {
        writeln!(out, "| {name} | {} |", rounds.iter().map(value).collect::<Vec<_>>().join(" | "))
    };
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let us = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    row("request sent to last ACK, median", &|r| ms(percentile(&r.from_sent, 50)))?;
    row("request sent to last ACK, p99", &|r| ms(percentile(&r.from_sent, 99)))?;
    row("answer to last ACK, median", &|r| ms(percentile(&r.from_answered, 50)))?;
    row("answer to last ACK, p99", &|r| ms(percentile(&r.from_answered, 99)))?;
    row("floor, median", &|r| ms(r.floor.median))?;
    row("floor, p99", &|r| ms(r.floor.p99))?;
    row("server CPU for each proxy and change", &|r| us(r.cpu))?;
    row("floor, CPU of the writer for each socket", &|r| us(r.floor.cpu))?;
    row("bytes of a response", &|r| r.bytes.to_string())?;
    row("server memory before the proxies", &|r| mib(r.rss_before))?;
    row("server memory with the proxies", &|r| mib(r.rss_after))?;
    row("server memory after the changes", &|r| mib(r.rss_end))?;
    row("server memory for each proxy", &|r| format!("{} KiB", r.rss_per_proxy() / 1024))?;
    row("idle server, of one core", &|r| format!("{:.2} %", r.idle * 100.0))?;
    row("all proxies from nothing to configured", &|r| ms(r.start))?;
    if let Some(bytes) = launcher {
        writeln!(out, "\n`kuma-dp` beside a running Envoy: {} resident.", mib(bytes))?;
    }
    writeln!(out, "\n```json")?;
    for round in rounds {
        writeln!(out, "{}", as_json(round))?;
    }
    writeln!(out, "```")?;
    Ok(out)
}

/// The day, as `date -u +%F` says.
pub(crate) fn today() -> String {
    use base::Clock as _;
    base::SystemClock.now().to_string().chars().take(10).collect()
}

/// Replaces the section that begins with `title`, or appends it.
pub(crate) fn replace(path: &Path, title: &str, section: &str) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_else(|_| "# Results\n\nWhat `make bench` measured last.\n".to_owned());
    let mut parts: Vec<String> = Vec::new();
    for line in old.lines() {
        if parts.is_empty() || line.starts_with("## ") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    match parts.iter_mut().find(|part| part.lines().next() == Some(title)) {
        Some(part) => *part = section.to_owned(),
        None => parts.push(section.to_owned()),
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).collect();
    fs::write(path, parts.join("\n\n") + "\n")?;
    Ok(())
}
