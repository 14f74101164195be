//! TLS to PostgreSQL, as the settings of both halves ask for it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::certificates::{Authority, Identity, ServerTls};
use testkit::postgres::{self, Address, Server};
use testkit::{GatewayEnv, MeshEnv, Options};

use crate::databases::run;

/// A server for the name `localhost`, of `authority`.
async fn server(authority: &Authority, asks_clients: bool, plaintext: bool) -> Result<Server> {
    let client_authority = if asks_clients { Some(authority.certificate()?) } else { None };
    let tls = ServerTls { identity: authority.server(&["localhost"])?, client_authority };
    Server::start(postgres::Options { tls: Some(tls), plaintext, ..postgres::Options::default() }).await
}

/// The same database by another name of the server.
fn at(host: &str, address: &Address) -> Address {
    Address { host: host.to_owned(), ..address.clone() }
}

fn write(dir: &Path, name: &str, text: &str) -> Result<String> {
    let path: PathBuf = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// What went wrong says one of these words.
fn fails(result: Result<String>, words: &[&str]) -> Result<()> {
    let Err(error) = result else { bail!("it works") };
    let text = format!("{error:#}").to_lowercase();
    // The command is part of it, and names what was asked for.
    let said = text.split("error:").nth(1).context("no error is told")?;
    ensure!(words.iter().any(|word| said.contains(word)), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_planes_show_and_ask_for_certificates() -> Result<()> {
    let (authority, other) = (Authority::new("databases")?, Authority::new("another")?);
    let server = server(&authority, true, false).await?;
    let database = server.database().await?;
    let address = database.address();
    let files = MeshEnv::new(Options::default())?;
    let Identity { certificate, key } = authority.client("tester")?;
    let good = write(files.dir(), "ca.pem", &authority.certificate()?)?;
    let wrong = write(files.dir(), "other.pem", &other.certificate()?)?;
    let own = [
        ("CERT_PATH", write(files.dir(), "own.pem", &certificate)?),
        ("KEY_PATH", write(files.dir(), "own.key", &key)?),
    ];
    let migrate = |host: &str, mode: &str, ca: &str, shows: bool| {
        let mut options = Options::on(&at(host, address));
        let mut set = |name: &str, value: &str| {
            options.env.insert(format!("KUMA_STORE_POSTGRES_TLS_{name}"), value.to_owned());
        };
        set("MODE", mode);
        if mode != "disable" {
            set("CA_PATH", ca);
            own.iter().filter(|_| shows).for_each(|(name, value)| set(name, value));
        }
        run(MeshEnv::new(options)?.kuma_cp(&["migrate", "up"])?)
    };
    let about_certificates = ["certificate", "issuer", "name"];
    fails(migrate("localhost", "disable", &good, false), &["pg_hba", "encryption"])?;
    fails(migrate("localhost", "verifyFull", &wrong, true), &about_certificates)?;
    fails(migrate("localhost", "verifyCa", &wrong, true), &about_certificates)?;
    fails(migrate("127.0.0.1", "verifyFull", &good, true), &about_certificates)?;
    fails(migrate("localhost", "verifyFull", &good, false), &about_certificates)?;
    for (host, mode, ca) in
        [("localhost", "verifyFull", &good), ("127.0.0.1", "verifyCa", &good), ("127.0.0.1", "verifyNone", &wrong)]
    {
        migrate(host, mode, ca, true).with_context(|| format!("{mode} of {host}"))?;
    }
    // And a control plane that runs so keeps all its connections encrypted.
    let mut options = Options::on(&at("localhost", address));
    for (name, value) in
        own.iter().map(|(name, value)| (*name, value.as_str())).chain([("MODE", "verifyFull"), ("CA_PATH", &good)])
    {
        options.env.insert(format!("KUMA_STORE_POSTGRES_TLS_{name}"), value.to_owned());
    }
    let env = MeshEnv::start(options).await?;
    ensure!(env.get("/meshes").await?["total"] == 1);
    all_are_encrypted(&server, &address.database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_ask_for_certificates() -> Result<()> {
    let (authority, other) = (Authority::new("databases")?, Authority::new("another")?);
    let server = server(&authority, false, false).await?;
    let database = server.database().await?;
    let address = database.address();
    let files = GatewayEnv::new(&[])?;
    let good = write(files.dir(), "ca.pem", &authority.certificate()?)?;
    let wrong = write(files.dir(), "other.pem", &other.certificate()?)?;
    let node = |host: &str, ssl: &str, verify: &str, ca: &str| {
        let settings = [("pg_ssl", ssl), ("pg_ssl_verify", verify), ("lua_ssl_trusted_certificate", ca)];
        GatewayEnv::on(&at(host, address), &settings)
    };
    let bootstrap =
        |host: &str, ssl: &str, verify: &str, ca: &str| node(host, ssl, verify, ca)?.run(&["migrations", "bootstrap"]);
    let about_certificates = ["certificate", "issuer", "name"];
    fails(bootstrap("localhost", "off", "off", &good), &["pg_hba", "encryption"])?;
    fails(bootstrap("localhost", "on", "on", &wrong), &about_certificates)?;
    fails(bootstrap("127.0.0.1", "on", "on", &good), &about_certificates)?;
    bootstrap("127.0.0.1", "on", "off", &wrong)?;
    bootstrap("localhost", "on", "on", &good)?;
    let mut env = node("localhost", "on", "on", &good)?;
    env.launch().await?;
    env.get("/services").await?;
    all_are_encrypted(&server, &address.database)
}

/// A server that has no TLS is none that was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_the_clear_is_refused() -> Result<()> {
    let database = postgres::shared().await?.database().await?;
    let mut options = Options::on(database.address());
    options.env.insert("KUMA_STORE_POSTGRES_TLS_MODE".to_owned(), "verifyNone".to_owned());
    fails(run(MeshEnv::new(options)?.kuma_cp(&["migrate", "up"])?), &["tls", "ssl"])?;
    let node = GatewayEnv::on(database.address(), &[("pg_ssl", "on")])?;
    fails(node.run(&["migrations", "bootstrap"]), &["tls", "ssl"])
}

fn all_are_encrypted(server: &Server, database: &str) -> Result<()> {
    let of_programs = format!(
        "select count(*), count(*) filter (where ssl) from pg_stat_activity join pg_stat_ssl using (pid) \
         where datname = '{database}' and client_addr is not null"
    );
    let counts = server.sql("postgres", &of_programs)?;
    let (all, encrypted) = counts.split_once('|').context("two numbers")?;
    ensure!(all == encrypted && all != "0", "{encrypted} of {all} connections are encrypted");
    Ok(())
}
