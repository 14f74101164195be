//! The load generators and valgrind, as programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::place::Place;

/// What a load generator saw.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// A second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failed: u64,
}

/// HTTP/1.1 under TLS on kept connections, as much as goes.
pub(crate) fn wrk(url: &str, headers: &[&str], connections: u32, seconds: u32) -> Result<Seen> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}")]);
    let text = output(command.args(headers.iter().flat_map(|header| ["-H", header])).arg(url))?;
    let after = |mark: &str| text.lines().find_map(|line| line.trim_start().strip_prefix(mark)).map(str::trim);
    let done = text.lines().find(|line| line.contains(" requests in ")).context("wrk tells no requests")?;
    let errors = after("Socket errors:").unwrap_or_default();
    let errors = errors.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u64>().ok());
    let unwanted: u64 = after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?;
    Ok(Seen {
        requests: done.split_whitespace().next().context("no number")?.parse()?,
        rate: after("Requests/sec:").context("wrk tells no rate")?.parse()?,
        p50_ms: milliseconds(after("50%").context("wrk tells no median")?)?,
        p99_ms: milliseconds(after("99%").context("wrk tells no p99")?)?,
        failed: errors.sum::<u64>() + unwanted,
    })
}

/// `1.24ms`, `830.00us` or `1.02s`.
fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(Ok(number)) = text.strip_suffix(unit).map(str::parse::<f64>) {
            return Ok(number * factor);
        }
    }
    anyhow::bail!("{text:?} is no time")
}

/// How long h2load goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Seconds(u32),
    Requests(u32),
}

/// HTTP/2, or with `h1` HTTP/1.1, on 16 connections with 16 streams each, or 8 with 8 for a number of requests.
pub(crate) fn h2load(place: &Place, url: &str, headers: &[&str], h1: bool, amount: Amount) -> Result<Seen> {
    let log = place.path("h2load.log");
    // It appends.
    drop(fs::remove_file(&log));
    let mut command = Command::new("h2load");
    command.args(["-t1", "--log-file"]).arg(&log);
    match amount {
        Amount::Seconds(seconds) => command.args(["-c16", "-m16", &format!("-D{seconds}")]),
        Amount::Requests(requests) => command.args(["-c8", if h1 { "-m1" } else { "-m8" }, &format!("-n{requests}")]),
    };
    if h1 {
        command.arg("--h1");
    }
    let text = output(command.args(headers.iter().flat_map(|header| ["-H", header])).arg(url))?;
    let line = text.lines().find_map(|line| line.strip_prefix("requests: ")).context("h2load tells no requests")?;
    let number = |what: &str| -> Result<u64> {
        let part = line.split(", ").find_map(|part| part.trim().strip_suffix(what)).context("a number is missing")?;
        Ok(part.trim().parse()?)
    };
    let rate = text.lines().find_map(|line| line.strip_prefix("finished in ")).and_then(|rest| {
        rest.split(", ").find_map(|part| part.strip_suffix(" req/s")).and_then(|rate| rate.parse::<f64>().ok())
    });
    let mut times: Vec<u64> = fs::read_to_string(&log)?
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2).and_then(|time| time.parse().ok()))
        .collect();
    times.sort_unstable();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(rank).map_or(0.0, |micros| *micros as f64 / 1e3)
    };
    Ok(Seen {
        requests: number("succeeded")?,
        rate: rate.context("h2load tells no rate")?,
        p50_ms: at(50),
        p99_ms: at(99),
        failed: number("failed")? + number("errored")? + number("timeout")?,
    })
}

/// Begins to count the instructions of a process under callgrind.
pub(crate) fn begin_counting(place: &Place, pid: u32) -> Result<()> {
    vgdb(place, pid, &["instrumentation", "on"])
}

/// Instructions since the last call, in user space, all threads.
pub(crate) fn count(place: &Place, pid: u32, dump: u32) -> Result<u64> {
    vgdb(place, pid, &["dump"])?;
    let file = place.path(&format!("counts.{dump}"));
    let text = fs::read_to_string(&file).with_context(|| format!("callgrind wrote no {}", file.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: ")).context("no totals")?;
    fs::remove_file(&file)?;
    Ok(totals.trim().parse()?)
}

fn vgdb(place: &Place, pid: u32, words: &[&str]) -> Result<()> {
    let mut command = Command::new("vgdb");
    command.arg(format!("--pid={pid}")).arg(format!("--vgdb-prefix={}", place.path("vgdb").display()));
    output(command.args(words)).map(drop)
}

/// Whether the programs are there, or an error that says where to get them.
pub(crate) fn check() -> Result<()> {
    for (program, argument) in
        [("nginx", "-v"), ("wrk", "-v"), ("h2load", "--version"), ("valgrind", "--version"), ("taskset", "--version")]
    {
        Command::new(program)
            .arg(argument)
            .output()
            .with_context(|| format!("{program} cannot be run; scripts/setup.sh bench installs it"))?;
    }
    Ok(())
}

/// Which nginx this is.
pub(crate) fn nginx_version() -> Result<String> {
    let output = Command::new("nginx").arg("-v").output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(text.rsplit('/').next().unwrap_or_default().trim().to_owned())
}

fn output(command: &mut Command) -> Result<String> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("{name} cannot be run; see scripts/setup.sh bench"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
