//! What a process uses, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Processor time of all threads of `pid` so far.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while the list is read; its time is lost, and those are few.
        if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
            total += nanoseconds(&text)?;
        }
    }
    Ok(Duration::from_nanos(total))
}

fn nanoseconds(schedstat: &str) -> Result<u64> {
    Ok(schedstat.split_whitespace().next().context("schedstat is empty")?.parse()?)
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
