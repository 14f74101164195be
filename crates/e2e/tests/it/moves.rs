//! Backup and move of a mesh: what one control plane exports another takes, whatever they keep it in.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use testkit::{MeshEnv, Options};

use crate::databases::{self, run};

/// One resource of every kind that can be written, and some that are easily spoilt on the way.
const EVERYTHING: &str = include_str!("moves/everything.yaml");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves_between_all_back_ends() -> Result<()> {
    let database = databases::of_mesh().await?;
    let file = Options::default();
    let memory = Options { store: "memory", ..Options::default() };
    let shared = Options::on(database.address());
    let first = MeshEnv::start(memory.clone()).await?;
    first.apply(EVERYTHING)?;
    let mut export = export(&first)?;
    for kind in writable(&first).await? {
        ensure!(export.contains(&format!("\ntype: {kind}\n")), "no {kind} is in\n{export}");
    }
    drop(first);
    for (name, options) in [("sqlite", file), ("postgres", shared), ("memory", memory)] {
        let next = MeshEnv::start(options).await?;
        let path = next.dir().join("export.yaml");
        std::fs::write(&path, &export)?;
        apply(&next, &path).with_context(|| format!("into {name}"))?;
        let again = self::export(&next)?;
        ensure!(again == export, "{name} has made it\n{again}\nof\n{export}");
        export = again;
    }
    Ok(())
}

/// What is said about every resource, the control plane's own secrets with them.
fn export(env: &MeshEnv) -> Result<String> {
    let mut command = env.kumactl()?;
    command.args(["export", "--profile=all", "--include-admin"]);
    // The comment names the control plane.
    let text = run(command)?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect())
}

fn apply(env: &MeshEnv, file: &Path) -> Result<()> {
    let mut command = env.kumactl()?;
    command.args(["apply", "-f"]).arg(file);
    run(command).map(drop)
}

/// The kinds that are not computed.
async fn writable(env: &MeshEnv) -> Result<Vec<String>> {
    let kinds = env.get("/_resources").await?;
    let kinds = kinds["resources"].as_array().context("no list")?.iter();
    let kinds = kinds.filter(|kind| kind["readOnly"] == false);
    Ok(kinds.filter_map(|kind| Some(kind["name"].as_str()?.to_owned())).collect())
}
