//! `kumactl`: the command line over a control plane's HTTP API.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use base::SystemClock;
use kumactl::{Environment, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (mut stdin, mut stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
    let environment = Environment {
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
        clock: Arc::new(SystemClock),
        home: std::env::home_dir(),
    };
    run(std::env::args_os(), environment).await
}
