//! Backup and move of a gateway: what one node exports another imports, whatever they keep it in.

use anyhow::{Context as _, Result, ensure};
use testkit::GatewayEnv;

use crate::databases;

/// Some of every kind that can be written.
const EVERYTHING: &str = include_str!("moves/everything.yml");

/// The lists of that file. A new kind of entity belongs here and there.
const KINDS: [&str; 20] = [
    "services",
    "routes",
    "consumers",
    "plugins",
    "certificates",
    "snis",
    "ca_certificates",
    "upstreams",
    "targets",
    "vaults",
    "key_sets",
    "keys",
    "keyauth_credentials",
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
    "acls",
    "oauth2_credentials",
    "oauth2_tokens",
    "sessions",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves_between_all_back_ends() -> Result<()> {
    let database = databases::of_gateway().await?;
    let mut export = EVERYTHING.to_owned();
    let file = || {
        let env = GatewayEnv::new(&[])?;
        env.run(&["migrations", "bootstrap"])?;
        anyhow::Ok(env)
    };
    let nodes = [("sqlite", file()?), ("postgres", GatewayEnv::on(database.address(), &[])?), ("a new file", file()?)];
    for (number, (name, env)) in nodes.iter().enumerate() {
        std::fs::write(env.dir().join("in.yml"), &export)?;
        env.run(&["config", "db_import", "in.yml"]).with_context(|| format!("into {name}"))?;
        env.run(&["config", "db_export", "out.yml"])?;
        let again = std::fs::read_to_string(env.dir().join("out.yml"))?;
        if number > 0 {
            ensure!(lasting(&again) == lasting(&export), "{name} has made it\n{again}\nof\n{export}");
        }
        export = again;
    }
    for kind in KINDS {
        ensure!(export.contains(&format!("\n{kind}:\n")), "no {kind} is in\n{export}");
    }
    // And a node without a database takes it as it is; there the secrets still are what they were.
    let env = GatewayEnv::declarative(&export, &[]).await.context("as a declarative file")?;
    ensure!(env.get("/upstreams/pool/targets").await?["data"].as_array().is_some_and(|targets| targets.len() == 2));
    Ok(())
}

/// An import is a change of each entity, and nothing else.
fn lasting(export: &str) -> Vec<&str> {
    export.lines().filter(|line| !line.contains("updated_at")).collect()
}
