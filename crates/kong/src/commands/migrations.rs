//! `kong migrations …`: the embedded database brings itself up to date, so there is little to do.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use gateway::conf::{Conf, Database};
use gateway::offline;

use super::{load, say};
use crate::cli::{Migrations, Place};
use crate::prefix::Directory;

pub(super) fn execute(command: Migrations) -> anyhow::Result<ExitCode> {
    match command {
        Migrations::Bootstrap(place) => {
            prepared(&place)?;
            say("Database is up-to-date")?;
        }
        Migrations::Up(place) | Migrations::Finish(place) => {
            prepared(&place)?;
            say("No migrations to run: database is up-to-date")?;
        }
        Migrations::List(place) | Migrations::Status(place) => {
            let conf = with_database(&place)?;
            if !offline::exists(&conf) {
                say("Database needs bootstrapping: run `kong migrations bootstrap`, or start the node, which does")?;
                // What the reference's scripts test for.
                return Ok(ExitCode::from(3));
            }
            say("Database is up-to-date")?;
        }
        Migrations::Reset { place, yes } => {
            let conf = with_database(&place)?;
            if Directory::new(&conf.prefix).running().is_some() {
                bail!("a node runs with this database; stop it first");
            }
            if !yes && !confirmed()? {
                say("Nothing was deleted")?;
                return Ok(ExitCode::FAILURE);
            }
            offline::reset(&conf).context("cannot delete the database")?;
            say("Database is empty")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the database once, which makes it what this version needs.
fn prepared(place: &Place) -> anyhow::Result<()> {
    let conf = with_database(place)?;
    Directory::new(&conf.prefix).prepare(&conf)?;
    Ok(offline::open(&conf)?)
}

fn with_database(place: &Place) -> anyhow::Result<Conf> {
    let conf = load(place)?;
    if conf.database == Database::Off {
        bail!("there is no database; set database = sqlite");
    }
    Ok(conf)
}

fn confirmed() -> anyhow::Result<bool> {
    write!(io::stdout(), "This deletes every entity. Continue? [y/N] ")?;
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
