//! From arguments to an exit code.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use base::Clock;
use clap::Parser;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

use crate::cli::{Cli, Command, LogLevel};
use crate::commands;
use crate::session::Session;

/// What the program reads, writes and asks.
pub struct Environment<'io> {
    /// Read by `apply -f -` and by flags whose file is `-`.
    pub stdin: &'io mut dyn Read,
    /// Results.
    pub stdout: &'io mut dyn Write,
    /// Errors and warnings.
    pub stderr: &'io mut dyn Write,
    /// Ages are computed against it, tokens are dated by it.
    pub clock: Arc<dyn Clock>,
    /// Home directory; the configuration file is `.kumactl/config` below it.
    pub home: Option<PathBuf>,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("clock", &self.clock).field("home", &self.home).finish_non_exhaustive()
    }
}

/// Runs one command line, program name first. Failures are written to `stderr` as `Error: …`, exit code 1.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment<'_>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return report_usage(&error, environment),
    };
    let _logging = start_logging(cli.global.log_level);
    let mut session = Session::new(environment, cli.global);
    let outcome = match dispatch(cli.command, &mut session).await {
        Ok(()) => session.out.flush().map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output (`head`, a pager) has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            session.out.complain(&format!("Error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Logs to the process's stderr until the guard is dropped.
fn start_logging(level: LogLevel) -> Option<DefaultGuard> {
    let level = match level {
        LogLevel::Off => return None,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).finish();
    Some(tracing::subscriber::set_default(subscriber))
}

async fn dispatch(command: Command, session: &mut Session<'_>) -> anyhow::Result<()> {
    match command {
        Command::Apply(args) => commands::apply::run(args, session).await,
        Command::Completion(args) => commands::completion::run(&args, session),
        Command::Config(args) => commands::config::run(args, session).await,
        Command::Delete(args) => commands::delete::run(args, session).await,
        Command::Export(args) => commands::export::run(args, session).await,
        Command::Generate(args) => commands::generate::run(args, session).await,
        Command::Get(args) => commands::get::run(args, session).await,
        Command::Inspect(args) => commands::inspect::run(args, session).await,
        Command::Install(args) => commands::install::run(&args, session),
        Command::Manage(args) => commands::manage::run(args, session).await,
        Command::Version(args) => commands::version::run(args, session).await,
    }
}

/// Help goes to stdout and is no failure; everything else is an error in the program's own style.
fn report_usage(error: &clap::Error, environment: Environment<'_>) -> ExitCode {
    let text = error.render().to_string();
    let (stream, text, code) = if error.use_stderr() {
        let text = match text.strip_prefix("error: ") {
            Some(message) => format!("Error: {message}"),
            None => text,
        };
        (environment.stderr, text, ExitCode::FAILURE)
    } else {
        (environment.stdout, text, ExitCode::SUCCESS)
    };
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe))
}
