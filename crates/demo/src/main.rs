//! `demo`: a mesh of three services on this machine, built up step by step on the terminal, with real Envoys, and a
//! gateway before it.
//! Whatever it starts ends with it.

mod ports;
mod probe;
mod screen;
mod shell;
mod stage;
mod steps;
mod try_next;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ports::Ports;
use crate::screen::Screen;
use crate::stage::Stage;

/// Shows a service mesh at work: three services, their proxies, a control plane, on this machine; and a gateway.
#[derive(Debug, Parser)]
#[command(name = "demo", max_term_width = 100)]
struct Args {
    /// Use free ports instead of the documented ones
    #[arg(long)]
    auto_ports: bool,
    /// End after the steps instead of staying up
    #[arg(long)]
    exit_after_steps: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let screen = Screen::new();
    let ports = if args.auto_ports { Ports::free()? } else { Ports::documented() };
    ports.check()?;
    let begun = Instant::now();
    let mut stage = tokio::select! {
        stage = Stage::build(ports, &screen) => stage?,
        () = signals.next() => return screen.say("\nStopped."),
    };
    tokio::select! {
        done = show(&mut stage, &screen, begun, args.exit_after_steps) => done?,
        () = signals.next() => {}
    }
    screen.say("\nStopping all processes ...")?;
    tokio::select! {
        () = stage.stop() => {}
        () = signals.next() => {}
    }
    drop(stage);
    screen.say("Stopped; nothing is left running.")
}

async fn show(stage: &mut Stage, screen: &Screen, begun: Instant, exit_after_steps: bool) -> anyhow::Result<()> {
    steps::all(stage, screen).await?;
    screen.say(&format!("\nAll steps done in {:.0} s.", begun.elapsed().as_secs_f64()))?;
    if !exit_after_steps {
        try_next::print(stage, screen)?;
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// What ends the demo: Ctrl-C, a request to stop, a terminal that is closed.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
