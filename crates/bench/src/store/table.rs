//! The section on the store.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::{Round, StoreArgs};
use crate::{report, usage};

const TITLE: &str = "## State";

/// Creations a second that a node on PostgreSQL should take from eight clients.
const TARGET: f64 = 3_000.0;

/// Prints the section, and puts it into the file that was asked for.
pub(super) fn publish(args: &StoreArgs, load: &str, gateway: &[Round], mesh: &[Round]) -> Result<()> {
    let section = section(args, load, gateway, mesh)?;
    std::io::stdout().write_all(section.as_bytes())?;
    match &args.write {
        Some(path) => report::replace(path, TITLE, &section),
        None => Ok(()),
    }
}

fn section(args: &StoreArgs, load: &str, gateway: &[Round], mesh: &[Round]) -> Result<String> {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut out = format!("{TITLE}\n\n");
    writeln!(
        out,
        "`bench {}`, {}, {} ({} cores), load average {load} before. PostgreSQL is on the same machine with its default \
         durability (fsync on, synchronous commit); SQLite is synchronous as well. {} clients on kept connections, each \
         with one request at a time, on the same machine too. CPU is that of the programs and of the database server, a \
         write.\n",
        command.join(" "),
        report::today(),
        usage::cpu_model(),
        std::thread::available_parallelism()?,
        args.clients,
    )?;
    writeln!(
        out,
        "### Writes\n\n| | back end | written | a second | p50 | p99 | CPU each | |\n|---|---|---|---|---|---|---|---|"
    )?;
    for (number, round) in gateway.iter().chain(mesh).enumerate() {
        for (what, written) in &round.written {
            let rate = written.number as f64 / written.elapsed.as_secs_f64();
            let verdict = match (number < gateway.len(), rate >= TARGET) {
                (true, true) => "≥ 3 000: met",
                (true, false) => "≥ 3 000: **missed**",
                (false, _) => "",
            };
            let (p50, p99) = (ms(written.p50), ms(written.p99));
            let cpu = written.cpu.as_secs_f64() * 1e6 / written.number.max(1) as f64;
            writeln!(
                out,
                "| {what} | {} | {} | {rate:.0} | {p50} | {p99} | {cpu:.0} µs | {verdict} |",
                round.back_end, written.number
            )?;
        }
    }
    writeln!(
        out,
        "\n### With a lot of entities\n\nThe gateway has consumers, services and routes, a third each; the mesh \
         proxies. Lists are read to their end in pages of 1 000 (routes; proxies). Start is from the start of the \
         program until it is ready.\n\n| | back end | entities | memory without | with | after a start | start | page, p50 | \
         page, longest |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for (name, rounds) in [("gateway", gateway), ("mesh", mesh)] {
        for round in rounds {
            let (empty, full) = round.rss;
            writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
                round.back_end,
                round.entities,
                mib(empty),
                mib(full),
                mib(round.rss_started),
                ms(round.start),
                ms(round.pages.p50),
                ms(round.pages.longest),
            )?;
        }
    }
    let listed: Vec<_> = gateway.iter().chain(mesh).map(|round| round.pages.items.to_string()).collect();
    writeln!(out, "\nThe lists had {} entries.", listed.join(", "))?;
    Ok(out)
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
