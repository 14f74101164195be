//! Databases of the test process's PostgreSQL server, prepared by the programs that use them.

use std::process::Command;

use anyhow::{Result, ensure};
use testkit::postgres::{self, Address, Database, Server};
use testkit::{GatewayEnv, MeshEnv, Options};

/// A database for control planes.
pub(crate) async fn of_mesh() -> Result<Database> {
    of_mesh_on(postgres::shared().await?).await
}

/// A database for gateway nodes.
pub(crate) async fn of_gateway() -> Result<Database> {
    of_gateway_on(postgres::shared().await?).await
}

/// A database for control planes on this server.
pub(crate) async fn of_mesh_on(server: &Server) -> Result<Database> {
    server.database_from("mesh", |address| async move { migrate_mesh(&address) }).await
}

/// A database for gateway nodes on this server.
pub(crate) async fn of_gateway_on(server: &Server) -> Result<Database> {
    server.database_from("gateway", |address| async move { migrate_gateway(&address) }).await
}

fn migrate_mesh(address: &Address) -> Result<()> {
    run(MeshEnv::new(Options::on(address))?.kuma_cp(&["migrate", "up"])?).map(drop)
}

fn migrate_gateway(address: &Address) -> Result<()> {
    GatewayEnv::on(address, &[])?.run(&["migrations", "bootstrap"]).map(drop)
}

/// Runs a command to its end: what it printed.
pub(crate) fn run(mut command: Command) -> Result<String> {
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{complaint}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
