//! `kuma-tcp-echo`: a service for demonstrations. What it receives on a TCP connection it sends back.

mod args;
mod echo;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use runtime::{Listener, Tasks};

use args::Args;

/// Time that open connections have to end after a signal.
const DRAIN: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::from_command_line(std::env::args_os());
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let listener = Listener::bind(SocketAddr::new(args.address, args.port), "-port")?;
    eprintln!("Kuma TCP Echo - Listening to connections on port {}", listener.local_addr().port());
    let tasks = Tasks::new();
    tasks.spawn("listener", echo::serve(listener, args.max_connections, tasks.clone()));
    tasks.run(DRAIN).await?;
    Ok(())
}
