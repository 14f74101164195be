//! The Envoy process: start, output, restart, drain, end.

pub(crate) mod exec;
mod output;

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use http::{Method, Uri};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::http::{Server, send};
use crate::pause::{backoff, pause};
use crate::readiness::{Phase, PhaseSender};
use crate::settings::EnvoySettings;
use crate::signals::Signals;
use output::Tail;

/// An end within this time of the start counts as a failed start.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// After so many failed starts in a row there is no hope.
const MAX_SHORT_LIVES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long Envoy may take to end after the drain.
const END: Duration = Duration::from_secs(10);
const ADMIN_REQUEST: Duration = Duration::from_secs(2);

/// What a supervised Envoy needs.
#[derive(Debug)]
pub(crate) struct Supervisor<'a> {
    pub(crate) settings: &'a EnvoySettings,
    pub(crate) bootstrap: &'a Path,
    /// Envoy's admin interface, unless it is off.
    pub(crate) admin: Option<Server>,
    pub(crate) phase: PhaseSender,
}

enum End {
    /// Envoy ended by itself.
    Envoy(ExitStatus),
    /// It was asked to, and did.
    Asked,
}

impl Supervisor<'_> {
    /// Runs Envoy until a signal asks to stop or it ends with success; restarts it when it crashes.
    pub(crate) async fn run(self, signals: &mut Signals) -> Result<(), Failure> {
        let mut short_lives = 0;
        let mut backoff = backoff(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let started = Instant::now();
            let mut tail = Tail::default();
            let status = match self.run_once(signals, &mut tail).await? {
                End::Asked => return Ok(()),
                End::Envoy(status) if status.success() => {
                    tracing::info!("Envoy ended by itself");
                    return Ok(());
                }
                End::Envoy(status) => status,
            };
            self.phase.enter(Phase::Starting);
            if started.elapsed() >= SHORT_LIFE {
                short_lives = 0;
                backoff.reset();
            }
            short_lives += 1;
            if short_lives >= MAX_SHORT_LIVES {
                return Err(Failure::Crashing { times: short_lives, last: status.to_string(), output: tail.text() });
            }
            let pause_for = backoff.next_delay();
            tracing::warn!(%status, restart_in = ?pause_for, "Envoy ended unexpectedly");
            tokio::select! {
                () = pause(pause_for) => {}
                name = signals.next() => {
                    tracing::info!(signal = name, "Stopping");
                    return Ok(());
                }
            }
        }
    }

    async fn run_once(&self, signals: &mut Signals, tail: &mut Tail) -> Result<End, Failure> {
        let mut child = self.command().spawn().map_err(|error| Failure::Binary(error.to_string()))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.expect("a child that was not waited for has an id");
        tracing::info!(pid = pid.as_raw_nonzero().get(), "Envoy started");
        self.phase.enter(Phase::Running);
        let ended = wait(&mut child, tail);
        tokio::pin!(ended);
        let name = tokio::select! {
            status = &mut ended => return Ok(End::Envoy(status)),
            name = signals.next() => name,
        };
        self.phase.enter(Phase::Stopping);
        tracing::info!(signal = name, drain_time = ?self.settings.drain_time, "Draining; a second signal ends at once");
        tokio::select! {
            _ = &mut ended => return Ok(End::Asked),
            () = self.drain() => {}
            _ = signals.next() => {
                kill(pid, Signal::KILL);
                ended.await;
                return Ok(End::Asked);
            }
        }
        kill(pid, Signal::TERM);
        tokio::select! {
            _ = &mut ended => return Ok(End::Asked),
            () = pause(END) => tracing::warn!("Envoy does not end, killing it"),
            _ = signals.next() => {}
        }
        kill(pid, Signal::KILL);
        ended.await;
        Ok(End::Asked)
    }

    fn command(&self) -> Command {
        let settings = self.settings;
        // Envoy is started through this program itself, which binds its life to ours; see [`exec`].
        let mut command = Command::new("/proc/self/exe");
        command.arg(exec::ARGUMENT).arg(std::process::id().to_string()).arg(&settings.binary);
        command.arg("--config-path").arg(self.bootstrap);
        command.arg("--drain-time-s").arg(whole_seconds(settings.drain_time).to_string());
        command.args(["--drain-strategy", "immediate", "--disable-hot-restart"]);
        command.args(["--log-level", &settings.log_level]);
        if let Some(levels) = &settings.component_log_level {
            command.args(["--component-log-level", levels]);
        }
        if settings.concurrency > 0 {
            command.arg("--concurrency").arg(settings.concurrency.to_string());
        }
        // An own group keeps the terminal's Ctrl-C from Envoy, which would end without draining.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Lets peers and connections go elsewhere.
    async fn drain(&self) {
        if self.settings.drain_time.is_zero() {
            return;
        }
        if let Some(admin) = &self.admin {
            for path in ["/healthcheck/fail", "/drain_listeners?graceful"] {
                match send(admin, Method::POST, Uri::from_static(path), None, ADMIN_REQUEST).await {
                    Ok(answer) if answer.status.is_success() => {}
                    Ok(answer) => tracing::warn!(path, status = answer.status.as_u16(), "Envoy refuses to drain"),
                    Err(error) => tracing::warn!(path, error = base::report(&error), "Envoy cannot be asked to drain"),
                }
            }
        }
        pause(self.settings.drain_time).await;
    }
}

/// Passes on what the process writes until it has ended.
async fn wait(child: &mut Child, tail: &mut Tail) -> ExitStatus {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ((), (), status) = tokio::join!(
        output::relay(stdout, output::own(std::io::stdout()), None),
        output::relay(stderr, output::own(std::io::stderr()), Some(tail)),
        child.wait(),
    );
    status.expect("only this program waits for its child")
}

fn kill(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(%error, "Envoy has ended already");
    }
}

/// Envoy takes whole seconds; a part of one is rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
