//! `kuma-dp`: runs Envoy next to a service. It asks the control plane for Envoy's bootstrap, starts Envoy and
//! restarts it when it crashes, ships access logs, answers readiness probes, and drains when asked to stop.

mod access_log;
mod admin_port;
mod cli;
mod control_plane;
mod envoy;
mod failure;
mod http;
mod pause;
mod readiness;
mod resource;
mod run;
mod settings;
mod signals;
mod template;
mod version;
mod wait;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use runtime::telemetry;

use cli::{Cli, Command, LogLevel};
use settings::Settings;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == envoy::exec::ARGUMENT) {
        return fail(8, &envoy::exec::exec(args));
    }
    let command = Cli::command().mut_subcommand("run", |run| run.after_help(failure::EXIT_CODES));
    let cli = match Cli::from_arg_matches(&command.get_matches()) {
        Ok(cli) => cli,
        Err(error) => return fail(2, &error),
    };
    let level = match cli.log_level {
        LogLevel::Off => telemetry::LogLevel::Off,
        LogLevel::Info => telemetry::LogLevel::Info,
        LogLevel::Debug => telemetry::LogLevel::Debug,
    };
    if let Err(error) = telemetry::init(level, false) {
        return fail(1, &error);
    }
    match cli.command {
        Command::Run(args) => {
            let ended = Settings::new(*args).and_then(|settings| block_on(run::run(settings))?);
            match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => fail(failure.exit_code(), &base::report(&failure)),
            }
        }
        Command::Wait(args) => match block_on(wait::wait(&args)) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => fail(1, &format!("{error:#}")),
            Err(failure) => fail(failure.exit_code(), &base::report(&failure)),
        },
        Command::Version { detailed } => print(&version::text(detailed)),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kuma-dp", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// One thread is plenty, and the kernel binds Envoy's life to that of the thread that starts it.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, failure::Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| failure::Failure::File {
        action: "watching files of",
        path: "/proc/self".into(),
        source,
    })?;
    let result = runtime.block_on(future);
    // Reading standard input or resolving a name may never return.
    runtime.shutdown_background();
    Ok(result)
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn fail(code: u8, reason: &impl std::fmt::Display) -> ExitCode {
    // When standard error is closed there is nobody to tell; the code remains.
    writeln!(std::io::stderr(), "Error: {reason}").ok();
    ExitCode::from(code)
}
