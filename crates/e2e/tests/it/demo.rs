//! The demo: it shows what it says, what it recommends works, and it leaves nothing behind.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Process, bin, free_port, paths, wait_for};

use crate::mesh::{SOON, place};

/// Set on the demo, and thereby on all it starts.
const MARK: &str = "DEMO_TEST";
/// How long the steps may take on a busy machine.
const STEPS: Duration = Duration::from_secs(120);
/// Control plane, echo, four launchers with an Envoy each, and the gateway.
const PROCESSES: usize = 11;

struct Demo {
    process: Process,
    mark: String,
}

impl Demo {
    fn start(args: &[&str]) -> Result<Self> {
        // A port is given out once on this machine at a time.
        let mark = format!("{}-{}", std::process::id(), free_port()?);
        let mut command = Command::new(bin("demo")?);
        command.arg("--auto-ports").args(args).env(MARK, &mark).current_dir(paths::root());
        Ok(Self { process: Process::spawn("demo", command)?, mark })
    }

    /// Everything the demo has started and that still runs.
    fn started(&self) -> Vec<Pid> {
        let mark = format!("{MARK}={}", self.mark).into_bytes();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let started = processes.filter_map(|process| {
            let id: i32 = process.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(process.path().join("environ")).ok()?;
            let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
            (is_marked && u32::try_from(id) != Ok(self.process.pid())).then_some(id)
        });
        started.filter_map(Pid::from_raw).collect()
    }

    /// Waits for its end, which must be a good one.
    async fn ends_and_leaves_nothing(&mut self, timeout: Duration) -> Result<()> {
        let status = self.process.wait(timeout).await?;
        ensure!(status.success(), "{status}\n{}", self.process.output());
        wait_for("nothing is left", SOON, || async {
            let left = self.started();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // After a failure: they are in process groups of their own.
        self.process.kill().ok();
        for process in self.started() {
            kill_process(process, Signal::KILL).ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_its_steps_and_leaves_nothing_behind() -> Result<()> {
    let _place = place().await?;
    let mut demo = Demo::start(&["--exit-after-steps"])?;
    demo.process.wait_for_line("5. ", STEPS).await?;
    ensure!(demo.started().len() >= PROCESSES - 3, "{:?}", demo.started());
    demo.ends_and_leaves_nothing(STEPS).await?;
    let output = demo.process.output();
    ensure!(output.contains("No API key found in request") && output.contains("API rate limit exceeded"), "{output}");
    for words in ["answered by", "refused", "permission", "v1 ", "v2 ", "offline", "online", "All steps done"] {
        ensure!(output.contains(words), "{words:?} is not in:\n{output}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_demo_recommends_works_until_ctrl_c() -> Result<()> {
    let _place = place().await?;
    let mut demo = Demo::start(&[])?;
    demo.process.wait_for_line("Ctrl-C stops everything", STEPS).await?;
    ensure!(demo.started().len() == PROCESSES, "{:?}", demo.started());
    let output = demo.process.output();
    let (_, recommended) = output.split_once("What to try next").context("no recommendations")?;
    // Long lines are broken as a shell allows it.
    let recommended = recommended.replace(" \\\n      ", " ");
    let lines: Vec<_> = recommended.lines().filter_map(|line| line.strip_prefix("  $ ")).collect();
    ensure!(lines.len() > 5, "{output}");
    for line in lines {
        works(line).await.with_context(|| line.to_owned())?;
    }
    demo.process.signal(Signal::INT)?;
    demo.ends_and_leaves_nothing(SOON).await
}

/// A line runs in a shell; what it would leave to curl is asked for here.
async fn works(line: &str) -> Result<()> {
    if let Some(call) = line.strip_prefix("curl -s ") {
        let mut parts = call.split(" -H ");
        let request = reqwest::Client::new().get(parts.next().unwrap_or_default());
        let headers = parts.filter_map(|header| header.trim_matches('\'').split_once(": "));
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        let call =
            || async { request.try_clone().context("no body")?.send().await?.error_for_status().map_err(Into::into) };
        return wait_for::<_, anyhow::Error, _>("an answer", SOON, call).await.map(drop);
    }
    let output = Command::new("sh").args(["-c", line]).current_dir(paths::root()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_is_stopped_while_it_starts_leaves_nothing_behind() -> Result<()> {
    let _place = place().await?;
    let mut demo = Demo::start(&[])?;
    demo.process.wait_for_line("kuma-dp run", STEPS).await?;
    ensure!(!demo.started().is_empty());
    demo.process.signal(Signal::TERM)?;
    demo.ends_and_leaves_nothing(SOON).await
}
