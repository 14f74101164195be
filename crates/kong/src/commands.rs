//! What each command does.

mod config;
mod migrations;

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::CommandFactory as _;
use gateway::conf::{Conf, Loaded};
use rustix::process::Signal;

use crate::cli::{Cli, Command, Place, Prefix, Quit, Start};
use crate::node;
use crate::prefix::{Directory, end, wait_until};

/// Where settings are looked for when no file is named.
const DEFAULT_FILES: [&str; 2] = ["/etc/kong/kong.conf", "/etc/kong.conf"];

/// How the allocator is told its settings, which it reads when the process begins.
const ALLOCATOR: &str = "_RJEM_MALLOC_CONF";

/// Loading a large configuration needs several times what keeping it does: that is given back within a second.
const RETURN_MEMORY: &str = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";

/// How long a node may take to stop.
const STOP: Duration = Duration::from_secs(15);

/// Executes the command.
pub(crate) fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Start(start) => start_node(&start)?,
        Command::Stop(prefix) => stop(&prefix)?,
        Command::Quit(how) => quit(&how)?,
        Command::Restart(start) => {
            let directory = Directory::new(&load(&start.place)?.prefix);
            if let Some(pid) = directory.running()
                && !end(pid, Signal::TERM, STOP)?
            {
                bail!("the node does not stop");
            }
            start_node(&start)?;
        }
        Command::Reload(place) => reload(&place)?,
        Command::Prepare(place) => {
            let conf = load(&place)?;
            Directory::new(&conf.prefix).prepare(&conf)?;
        }
        Command::Check { file } => {
            let place = Place { conf: file, prefix: None };
            load(&place)?;
            match settings_file(&place) {
                Some(path) => say(&format!("configuration at {} is valid", path.display()))?,
                None => say("configuration is valid")?,
            }
        }
        Command::Health(prefix) => return health(&prefix),
        Command::Config(command) => config::execute(command)?,
        Command::Migrations(command) => return migrations::execute(&command),
        Command::Version { all } => version(all)?,
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "kong", &mut io::stdout());
        }
        Command::Run(place) => node::run(&place.prefix.context("--prefix is missing")?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings, or an error that lists everything that is wrong with them. Warnings go to standard error.
fn load(place: &Place) -> anyhow::Result<Conf> {
    load_with(place, None)
}

/// The same, with seconds in place of `pg_timeout`.
fn load_with(place: &Place, db_timeout: Option<u64>) -> anyhow::Result<Conf> {
    let text = settings_file(place)
        .map(|path| match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("no file at: {}", path.display()),
            read => read.with_context(|| format!("cannot read {}", path.display())),
        })
        .transpose()?;
    let prefix = place.prefix.iter().map(|path| ("prefix".to_owned(), path.display().to_string()));
    let timeout = db_timeout.map(|seconds| ("pg_timeout".to_owned(), (seconds * 1000).to_string()));
    let Loaded { conf, warnings } = Conf::load(text.as_deref(), std::env::vars(), prefix.chain(timeout))
        .map_err(|problems| anyhow!("the configuration cannot be used:\n{}", indented(&problems.to_string())))?;
    for warning in &warnings.0 {
        eprintln!("Warning: {warning}");
    }
    Ok(conf)
}

/// The file of settings: that which is named, or the first that is where they are looked for.
fn settings_file(place: &Place) -> Option<PathBuf> {
    let usual = || DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists());
    place.conf.clone().or_else(usual)
}

fn start_node(start: &Start) -> anyhow::Result<()> {
    let conf = load_with(&start.place, start.db_timeout)?;
    let directory = Directory::new(&conf.prefix);
    if directory.running().is_some() {
        bail!("Kong is already running in {}", conf.prefix.display());
    }
    config::check_declared(&conf)?;
    directory.prepare(&conf)?;
    migrations::check(&conf, start.run_migrations)?;
    if !conf.daemon && std::env::var_os(ALLOCATOR).is_some() {
        return node::run(directory.path());
    }
    if !conf.daemon {
        // This process becomes the node: what supervises it keeps its process id.
        return Err(node_process(&directory)?.exec()).context("cannot start the node");
    }
    let log = conf.error_log.clone();
    let (mut child, log_start) = launch(&directory, &log)?;
    let mut exited = None;
    let served = wait_until(Duration::from_secs(start.lock_timeout), || {
        exited = child.try_wait().ok().flatten();
        exited.is_some() || directory.running().is_some_and(|pid| pid.as_raw_nonzero().get() as u32 == child.id())
    });
    match exited {
        Some(status) => bail!("the node ended with {status}:\n{}", indented(&tail(&log, log_start))),
        None if served => say("Kong started"),
        None => {
            child.kill().context("cannot stop the node")?;
            bail!("the node did not serve within {} s; see {}", start.lock_timeout, log.display())
        }
    }
}

/// The node of a prepared directory as a process.
fn node_process(directory: &Directory) -> anyhow::Result<Process> {
    let mut process = Process::new(std::env::current_exe().context("cannot find this program")?);
    process.args(["run", "--prefix"]).arg(directory.path());
    if std::env::var_os(ALLOCATOR).is_none() {
        process.env(ALLOCATOR, RETURN_MEMORY);
    }
    Ok(process)
}

/// Starts the node in the background; its words go to the log, which is of this length now.
fn launch(directory: &Directory, log: &Path) -> anyhow::Result<(Child, u64)> {
    let open = || OpenOptions::new().create(true).append(true).open(log);
    let out = open().with_context(|| format!("cannot write {}", log.display()))?;
    let length = out.metadata().map_or(0, |metadata| metadata.len());
    let child = node_process(directory)?
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .spawn()
        .context("cannot start the node")?;
    Ok((child, length))
}

fn stop(prefix: &Prefix) -> anyhow::Result<()> {
    let pid = directory_of(prefix)?.expect_running()?;
    if !end(pid, Signal::TERM, STOP)? {
        bail!("the node does not stop");
    }
    say("Kong stopped")
}

fn quit(how: &Quit) -> anyhow::Result<()> {
    let pid = directory_of(&how.prefix)?.expect_running()?;
    std::thread::sleep(Duration::from_secs(how.wait));
    if !end(pid, Signal::QUIT, Duration::from_secs(how.timeout))? && !end(pid, Signal::TERM, STOP)? {
        bail!("the node does not stop");
    }
    say("Kong stopped (gracefully)")
}

fn reload(place: &Place) -> anyhow::Result<()> {
    let conf = load(place)?;
    let directory = Directory::new(&conf.prefix);
    let pid = directory.expect_running()?;
    config::check_declared(&conf)?;
    directory.prepare(&conf)?;
    rustix::process::kill_process(pid, Signal::HUP).context("cannot signal the node")?;
    say("Kong reloaded")
}

fn health(prefix: &Prefix) -> anyhow::Result<ExitCode> {
    let directory = directory_of(prefix)?;
    if directory.running().is_none() {
        say("nginx.......not running\n")?;
        eprintln!("Error: Kong is not running at {}", directory.path().display());
        return Ok(ExitCode::FAILURE);
    }
    say(&format!("nginx.......running\n\nKong is healthy at {}", directory.path().display()))?;
    Ok(ExitCode::SUCCESS)
}

fn version(all: bool) -> anyhow::Result<()> {
    if !all {
        return say(gateway::COMPATIBLE_VERSION);
    }
    say(&format!(
        "Kong: {}\nProduct: Higuma gateway {}\nSystem: {} {}",
        gateway::COMPATIBLE_VERSION,
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    ))
}

fn directory_of(prefix: &Prefix) -> anyhow::Result<Directory> {
    let conf = load(&Place { conf: None, prefix: prefix.prefix.clone() })?;
    if !conf.prefix.exists() {
        bail!("no such prefix: {}", conf.prefix.display());
    }
    Ok(Directory::new(&conf.prefix))
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("cannot write to standard output")
}

/// What was written to a log since it had this length.
fn tail(log: &Path, start: u64) -> String {
    let mut text = String::new();
    let read = fs::File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(start))?;
        file.take(64 * 1024).read_to_string(&mut text)
    });
    if read.is_err() { format!("see {}", log.display()) } else { text }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
