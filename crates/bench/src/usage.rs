//! What a process uses, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Processor time that `pid` has used so far, with that of threads that are over; exact to a clock tick of
/// 10 ms or so.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("stat has no name")?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = times.sum::<Result<u64, std::num::ParseIntError>>()?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// The same of `pid` and its children, those that ended excepted.
pub(crate) fn family_cpu(pid: u32) -> Result<Duration> {
    let mut all = cpu(pid)?;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        // One that ends in between is one that did not work.
        all += children.split_whitespace().filter_map(|child| cpu(child.parse().ok()?).ok()).sum::<Duration>();
    }
    Ok(all)
}

/// Processor time that the threads `pid` has now have used so far, exact to nanoseconds.
pub(crate) fn run_time(pid: u32) -> Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end in between; its time is lost.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let nanos: u64 = text.split_whitespace().next().context("schedstat is empty")?.parse()?;
        all += Duration::from_nanos(nanos);
    }
    Ok(all)
}

/// Resident memory of `pid` in bytes.
pub(crate) fn rss(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmRSS has no number")?.parse()?;
    Ok(kib * 1024)
}

/// What the first processor calls itself.
pub(crate) fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    model.trim_start_matches([' ', '\t', ':']).to_owned()
}

/// Average number of runnable threads over the last minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
