//! `kong migrations …`: what a database needs before nodes can use it. The embedded one brings itself up to date, so
//! there is little to do for it.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use gateway::Unprepared;
use gateway::conf::{Conf, Database};
use gateway::offline::{self, SchemaStatus};

use super::{load_with, say};
use crate::cli::{Migration, Migrations};
use crate::prefix::Directory;

/// What scripts test for: the database is new.
const NEEDS_BOOTSTRAP: u8 = 3;

/// The same: an earlier version prepared the database.
const NEEDS_UP: u8 = 5;

/// How often somebody is asked who answers neither yes nor no.
const QUESTIONS: usize = 3;

pub(super) fn execute(command: &Migrations) -> anyhow::Result<ExitCode> {
    let (Migrations::Bootstrap(how)
    | Migrations::Up(how)
    | Migrations::Finish(how)
    | Migrations::List(how)
    | Migrations::Status(how)
    | Migrations::Reset(how)) = command;
    let conf = load_with(&how.place, how.db_timeout)?;
    let told = Told { quiet: how.quiet };
    match conf.database {
        Database::Off => bail!("there is no database; set database = sqlite or postgres"),
        Database::Sqlite => embedded(command, &conf, told),
        Database::Postgres => {
            Directory::new(&conf.prefix).prepare(&conf)?;
            Server { conf, told }.execute(command)
        }
    }
}

/// Refuses to go on with a database that has to be prepared, or prepares it.
pub(super) fn check(conf: &Conf, run_migrations: bool) -> anyhow::Result<()> {
    if conf.database != Database::Postgres {
        return Ok(());
    }
    if run_migrations {
        offline::migrate(conf, offline::USUAL_LOCK_TIMEOUT).map_err(told_whole)?;
        return Ok(());
    }
    match unprepared(offline::status(conf).map_err(told_whole)?) {
        Some(reason) => Err(reason.into()),
        None => Ok(()),
    }
}

/// What is to be done before nodes can use a database of this state.
fn unprepared(status: SchemaStatus) -> Option<Unprepared> {
    match status {
        SchemaStatus::Current => None,
        SchemaStatus::Absent => Some(Unprepared::Absent),
        SchemaStatus::Older { found, known } => Some(Unprepared::Older { found, known }),
        SchemaStatus::Newer { found, known } => Some(Unprepared::Newer { found, known }),
        SchemaStatus::Foreign => Some(Unprepared::Foreign),
    }
}

/// Where progress is told.
#[derive(Clone, Copy, Debug)]
struct Told {
    quiet: bool,
}

impl Told {
    fn say(self, text: &str) -> anyhow::Result<()> {
        if self.quiet { Ok(()) } else { say(text) }
    }
}

/// A database on a server.
#[derive(Debug)]
struct Server {
    conf: Conf,
    told: Told,
}

impl Server {
    fn execute(&self, command: &Migrations) -> anyhow::Result<ExitCode> {
        match command {
            Migrations::Bootstrap(how) => self.bootstrap(how)?,
            Migrations::Up(how) => self.up(how)?,
            Migrations::Finish(_) => self.finish()?,
            Migrations::List(_) => return self.list(),
            Migrations::Status(_) => return self.status(),
            Migrations::Reset(how) => return self.reset(how),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn bootstrap(&self, how: &Migration) -> anyhow::Result<()> {
        if how.force && self.state()? != SchemaStatus::Absent {
            self.delete()?;
        }
        match self.state()? {
            SchemaStatus::Absent => {
                self.told.say("Bootstrapping database...")?;
                self.migrate(how)?;
                self.told.say("Database is up-to-date")
            }
            SchemaStatus::Current => self.told.say("Database already bootstrapped"),
            older @ SchemaStatus::Older { .. } => {
                self.told.say("Database already bootstrapped")?;
                self.told.say(&unprepared(older).map(|reason| reason.to_string()).unwrap_or_default())
            }
            other => self.refuse(other),
        }
    }

    fn up(&self, how: &Migration) -> anyhow::Result<()> {
        match self.state()? {
            SchemaStatus::Absent => {
                bail!("Cannot run migrations: database needs bootstrapping; run 'kong migrations bootstrap'")
            }
            SchemaStatus::Current => self.told.say("Database is already up-to-date"),
            SchemaStatus::Older { .. } => {
                let done = self.migrate(how)?;
                self.told.say(&format!("Migrated from schema version {} to {}", done.from, done.to))?;
                self.told.say("Database is up-to-date")
            }
            other => self.refuse(other),
        }
    }

    /// Migrations are whole when `up` returns.
    fn finish(&self) -> anyhow::Result<()> {
        match self.state()? {
            SchemaStatus::Absent => bail!("Cannot run migrations; run 'kong migrations bootstrap' instead"),
            SchemaStatus::Current => self.told.say("No pending migrations to finish"),
            SchemaStatus::Older { .. } => {
                self.told.say("No pending migrations to finish")?;
                self.told.say("New migrations available; run 'kong migrations up' to proceed")
            }
            other => self.refuse(other),
        }
    }

    fn list(&self) -> anyhow::Result<ExitCode> {
        let status = self.state()?;
        match status {
            SchemaStatus::Absent => {
                self.told.say("Database needs bootstrapping; run 'kong migrations bootstrap'")?;
            }
            SchemaStatus::Current => {
                self.told.say("Executed migrations:\ncore: the schema of this version")?;
            }
            SchemaStatus::Older { found, known } => {
                self.told.say(&format!("Executed migrations:\ncore: up to schema version {found}\n"))?;
                self.told.say(&format!("New migrations available:\ncore: up to schema version {known}\n"))?;
                self.told.say("Run 'kong migrations up' to proceed")?;
            }
            other => self.refuse(other)?,
        }
        Ok(code(status))
    }

    fn status(&self) -> anyhow::Result<ExitCode> {
        let status = self.state()?;
        let (bootstrapped, new) = match status {
            SchemaStatus::Absent => (false, false),
            SchemaStatus::Current => (true, false),
            SchemaStatus::Older { .. } => (true, true),
            other => {
                self.refuse(other)?;
                (true, false)
            }
        };
        // Lists as the reference's, of all migrations in one.
        let list = |there: bool| if there { "[\"core\"]" } else { "[]" };
        self.told.say(&format!(
            "{{\"needs_bootstrap\":{},\"executed_migrations\":{},\"pending_migrations\":[],\"new_migrations\":{}}}",
            !bootstrapped,
            list(bootstrapped),
            list(new),
        ))?;
        Ok(code(status))
    }

    fn reset(&self, how: &Migration) -> anyhow::Result<ExitCode> {
        if !how.yes && !io::stdin().is_terminal() {
            bail!("not a tty: invoke 'reset' non-interactively with the --yes flag");
        }
        if self.state()? == SchemaStatus::Absent {
            self.told.say("Database not bootstrapped, nothing to reset")?;
            return Ok(ExitCode::FAILURE);
        }
        if !how.yes && !confirmed("> Are you sure? This operation is irreversible. [y/n] ")? {
            self.told.say("cancelled")?;
            return Ok(ExitCode::SUCCESS);
        }
        self.delete()?;
        Ok(ExitCode::SUCCESS)
    }

    fn delete(&self) -> anyhow::Result<()> {
        self.told.say("Resetting database...")?;
        offline::reset(&self.conf).map_err(told_whole)?;
        self.told.say("Database successfully reset")
    }

    fn state(&self) -> anyhow::Result<SchemaStatus> {
        offline::status(&self.conf).map_err(told_whole)
    }

    fn migrate(&self, how: &Migration) -> anyhow::Result<offline::Migrated> {
        offline::migrate(&self.conf, Duration::from_secs(how.lock_timeout)).map_err(told_whole)
    }

    /// For states that no command mends.
    fn refuse(&self, status: SchemaStatus) -> anyhow::Result<()> {
        match unprepared(status) {
            Some(reason) => Err(reason.into()),
            None => Ok(()),
        }
    }
}

/// What a script is told by a state.
fn code(status: SchemaStatus) -> ExitCode {
    match status {
        SchemaStatus::Absent => ExitCode::from(NEEDS_BOOTSTRAP),
        SchemaStatus::Older { .. } => ExitCode::from(NEEDS_UP),
        _ => ExitCode::SUCCESS,
    }
}

fn embedded(command: &Migrations, conf: &Conf, told: Told) -> anyhow::Result<ExitCode> {
    match command {
        Migrations::Bootstrap(_) => {
            prepared(conf)?;
            told.say("Database is up-to-date")?;
        }
        Migrations::Up(_) | Migrations::Finish(_) => {
            prepared(conf)?;
            told.say("No migrations to run: database is up-to-date")?;
        }
        Migrations::List(_) | Migrations::Status(_) => {
            if !offline::exists(conf) {
                told.say(
                    "Database needs bootstrapping: run `kong migrations bootstrap`, or start the node, which does",
                )?;
                return Ok(ExitCode::from(NEEDS_BOOTSTRAP));
            }
            told.say("Database is up-to-date")?;
        }
        Migrations::Reset(how) => {
            if Directory::new(&conf.prefix).running().is_some() {
                bail!("a node runs with this database; stop it first");
            }
            if !how.yes && !confirmed("This deletes every entity. Continue? [y/N] ")? {
                told.say("Nothing was deleted")?;
                return Ok(ExitCode::FAILURE);
            }
            offline::remove(conf).context("cannot delete the database")?;
            told.say("Database is empty")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the embedded database once, which makes it what this version needs.
fn prepared(conf: &Conf) -> anyhow::Result<()> {
    Directory::new(&conf.prefix).prepare(conf)?;
    Ok(offline::open(conf)?)
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    for _ in 0..QUESTIONS {
        write!(io::stdout(), "{question}")?;
        io::stdout().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" | "YES" => return Ok(true),
            "n" | "N" | "no" | "NO" | "" => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

/// With everything behind it: the server's words are there.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn told_whole(error: gateway::node::NodeError) -> anyhow::Error {
    anyhow!("{}", base::report(&error))
}
