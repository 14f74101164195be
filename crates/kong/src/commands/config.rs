//! `kong config …`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use gateway::conf::{Conf, Database, Declarative};
use gateway::offline;

use super::{indented, load, say};
use crate::cli::Config;

const DEFAULT_FILE: &str = "kong.yml";

const EXAMPLE: &str = "\
# An API in one file. Check it with `kong config parse kong.yml`; serve it with
#   KONG_DATABASE=off KONG_DECLARATIVE_CONFIG=kong.yml kong start
_format_version: \"3.0\"

services:
  - name: example
    url: http://127.0.0.1:9000
    routes:
      - name: example
        paths:
          - /example
    plugins:
      - name: key-auth

consumers:
  - username: alice
    keyauth_credentials:
      - key: alices-key
";

pub(super) fn execute(command: Config) -> anyhow::Result<()> {
    match command {
        Config::Init { file } => init(&file.unwrap_or_else(|| DEFAULT_FILE.into())),
        Config::Parse { file, place } => {
            let text = read(&file)?;
            offline::parse(&load(&place)?, &text).map_err(|problem| refused(&file, &problem))?;
            say("parse successful")
        }
        Config::Import { file, place } => {
            let conf = with_database(load(&place)?)?;
            let text = read(&file)?;
            offline::import(&conf, &text).map_err(|problem| refused(&file, &problem))?;
            say("import successful")
        }
        Config::Export { file, place } => {
            let conf = with_database(load(&place)?)?;
            let file = file.unwrap_or_else(|| DEFAULT_FILE.into());
            refuse_existing(&file)?;
            let text = offline::export(&conf).map_err(|problem| anyhow!("{problem}"))?;
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            say(&format!("exported to {}", file.display()))
        }
    }
}

/// Refuses settings whose declarative configuration cannot be used: here somebody reads why.
pub(super) fn check_declared(conf: &Conf) -> anyhow::Result<()> {
    match (conf.database, &conf.declarative) {
        (Database::Off, Some(Declarative::File(file))) => {
            offline::parse(conf, &read(file)?).map_err(|problem| refused(file, &problem))
        }
        (Database::Off, Some(Declarative::Text(text))) => {
            let setting = Path::new("declarative_config_string");
            offline::parse(conf, text).map_err(|problem| refused(setting, &problem))
        }
        _ => Ok(()),
    }
}

fn init(file: &Path) -> anyhow::Result<()> {
    refuse_existing(file)?;
    fs::write(file, EXAMPLE).with_context(|| format!("cannot write {}", file.display()))
}

fn refuse_existing(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        bail!("{} exists already; name another file", file.display());
    }
    Ok(())
}

fn with_database(conf: Conf) -> anyhow::Result<Conf> {
    if conf.database == Database::Off {
        bail!("this needs a database; set database = sqlite or postgres");
    }
    Ok(conf)
}

fn read(file: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn refused(file: &Path, problem: &str) -> anyhow::Error {
    anyhow!("{} cannot be used:\n{}", file.display(), indented(problem))
}
