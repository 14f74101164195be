use anyhow::bail;

use super::*;
use crate::certificates::Authority;

#[tokio::test]
async fn a_server_answers_stops_and_resumes() -> Result<()> {
    let redis = Server::start(Options { password: Some("secret".to_owned()), ..Options::default() }).await?;
    ensure!(redis.command(&["SET", "a", "1"])? == "OK");
    let output = Command::new("redis-cli").args(["-p", &redis.port().to_string(), "GET", "a"]).output()?;
    ensure!(String::from_utf8_lossy(&output.stdout).contains("NOAUTH"));
    redis.stop().await?;
    ensure!(redis.command(&["PING"]).is_err());
    redis.resume().await?;
    ensure!(redis.command(&["EXISTS", "a"])? == "0");
    Ok(())
}

#[tokio::test]
async fn over_tls_only() -> Result<()> {
    let authority = Authority::new("redis")?;
    let tls = ServerTls { identity: authority.server(&["127.0.0.1"])?, client_authority: None };
    let redis = Server::start(Options { tls: Some(tls), ..Options::default() }).await?;
    ensure!(redis.command(&["PING"]).is_err());
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, authority.certificate()?)?;
    let mut command = Command::new("redis-cli");
    command.args(["-p", &redis.port().to_string(), "--tls", "--cacert"]).arg(file.path()).arg("PING");
    let output = command.output()?;
    if output.stdout != b"PONG\n" {
        bail!("{output:?}");
    }
    Ok(())
}
