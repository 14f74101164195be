use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::bail;

use super::*;
use crate::certificates::{Authority, Identity};
use crate::link::Link;

/// A statement as a program of tests runs it; `tls` is the end of a connection string.
fn query(address: &Address, tls: &str, statement: &str) -> Result<String> {
    let connection = format!(
        "host={} port={} user={} dbname={} connect_timeout=10 {tls}",
        address.host, address.port, address.user, address.database
    );
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, &connection]);
    let Output { status, stdout, stderr } = command.env("PGPASSWORD", &address.password).output()?;
    ensure!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8(stdout)?.trim_end().to_owned())
}

fn refused(answer: Result<String>, why: &str) -> Result<()> {
    match answer {
        Ok(answer) => bail!("answered {answer:?}"),
        Err(error) => ensure!(error.to_string().contains(why), "{error}"),
    }
    Ok(())
}

#[tokio::test]
async fn databases_are_apart_and_copies_of_what_was_prepared_once() -> Result<()> {
    let server = shared().await?;
    let runs = AtomicUsize::new(0);
    let prepare = |address: Address| {
        runs.fetch_add(1, Ordering::Relaxed);
        async move { query(&address, "", "create table t (n text); insert into t values ('b'), ('C'), ('a')").map(drop) }
    };
    let (one, two) = tokio::join!(server.database_from("apart", prepare), server.database_from("apart", prepare));
    let (one, two, empty) = (one?, two?, server.database().await?);
    ensure!(runs.load(Ordering::Relaxed) == 1);
    query(one.address(), "", "insert into t values ('d')")?;
    ensure!(two.sql("select n from t order by n")? == "a\nb\nC");
    refused(query(empty.address(), "", "select n from t"), "does not exist")?;
    let name = one.address().database.clone();
    drop(one);
    ensure!(server.sql("postgres", &format!("select count(*) from pg_database where datname = '{name}'"))? == "0");
    Ok(())
}

#[tokio::test]
async fn preparing_is_tried_again() -> Result<()> {
    let server = shared().await?;
    let failed = server.database_from("again", |_| async { bail!("not now") }).await;
    ensure!(format!("{:#}", failed.expect_err("prepare failed")).contains("not now"));
    server.database_from("again", |_| async { Ok(()) }).await.map(drop)
}

#[tokio::test]
async fn the_user_needs_the_password_and_is_no_superuser() -> Result<()> {
    let database = shared().await?.database().await?;
    let address = database.address();
    ensure!(query(address, "", "select rolsuper from pg_roles where rolname = current_user")? == "f");
    query(address, "", "create schema own")?;
    let wrong = Address { password: "wrong".to_owned(), ..address.clone() };
    refused(query(&wrong, "", "select 1"), "password authentication failed")
}

#[tokio::test]
async fn a_stopped_server_resumes_with_what_was_committed() -> Result<()> {
    let server = Server::start(Options::default()).await?;
    let database = server.database().await?;
    let address = database.address();
    query(address, "", "create table t (n int)")?;
    for (number, how) in [Stop::Immediate, Stop::Fast].into_iter().enumerate() {
        query(address, "", "insert into t values (1)")?;
        server.stop(how).await?;
        refused(query(address, "", "select 1"), "Connection refused")?;
        server.resume().await?;
        ensure!(query(address, "", "select count(*) from t")? == (number + 1).to_string());
    }
    Ok(())
}

#[tokio::test]
async fn a_server_is_reached_through_a_link() -> Result<()> {
    let database = shared().await?.database().await?;
    let link = Link::to(database.address().port)?;
    let address = database.address().through(&link);
    ensure!(query(&address, "", "select 7")? == "7");
    link.refuse();
    refused(query(&address, "", "select 7"), "connection to server").map(drop)?;
    link.restore();
    wait_for("it is well again", PATIENCE, || std::future::ready(query(&address, "", "select 7"))).await.map(drop)
}

#[tokio::test]
async fn with_tls_plaintext_and_clients_without_a_certificate_are_refused() -> Result<()> {
    let (authority, other) = (Authority::new("good")?, Authority::new("other")?);
    let identity = authority.server(&["localhost", "127.0.0.1"])?;
    let tls = ServerTls { identity, client_authority: Some(authority.certificate()?) };
    let server = Server::start(Options { tls: Some(tls), plaintext: false, ..Options::default() }).await?;
    let database = server.database().await?;
    let address = database.address();

    let files = TempDir::new()?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = files.path().join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(path.display().to_string())
    };
    let (good_ca, other_ca) = (file("good.pem", &authority.certificate()?)?, file("other.pem", &other.certificate()?)?);
    let show = |name: &str, Identity { certificate, key }: &Identity| -> Result<String> {
        let (certificate, key) = (file(&format!("{name}.pem"), certificate)?, file(&format!("{name}.key"), key)?);
        Ok(format!("sslcert={certificate} sslkey={key}"))
    };
    let (client, stranger) = (show("c", &authority.client("tester")?)?, show("s", &other.client("tester")?)?);

    let answer = query(address, &format!("sslmode=verify-full sslrootcert={good_ca} {client}"), "select 7")?;
    ensure!(answer == "7");
    refused(query(address, "sslmode=disable", "select 7"), "no pg_hba.conf entry")?;
    refused(query(address, &format!("sslmode=verify-ca sslrootcert={other_ca} {client}"), "select 7"), "certificate")?;
    refused(query(address, "sslmode=require sslcert=/none", "select 7"), "certificate")?;
    refused(query(address, &format!("sslmode=require {stranger}"), "select 7"), "unknown ca")
}
