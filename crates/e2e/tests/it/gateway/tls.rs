//! Certificates by server name, made and replaced while the node runs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Certificate, Client};
use serde_json::json;
use testkit::GatewayEnv;

use super::{Traffic, publish, upstream};

/// A certificate that only those take who know it.
struct Identity {
    cert: String,
    key: String,
}

impl Identity {
    fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let cert = CertificateParams::new([name.to_owned()])?.self_signed(&key)?;
        Ok(Self { cert: cert.pem(), key: key.serialize_pem() })
    }

    /// Status of a call of `https://name/api` by somebody who takes this certificate and no other.
    async fn call(&self, env: &GatewayEnv, name: &str) -> reqwest::Result<u16> {
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_pem(self.cert.as_bytes())?])
            .resolve(name, SocketAddr::from((Ipv4Addr::LOCALHOST, env.proxy_tls)))
            .build()?;
        let answer = client.get(format!("https://{name}:{}/api", env.proxy_tls)).send().await?;
        Ok(answer.status().as_u16())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_name_chooses_the_certificate_and_changes_need_no_restart() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;

    let exact = Identity::new("a.example.com")?;
    let wildcard = Identity::new("*.example.com")?;
    for (identity, name) in [(&exact, "a.example.com"), (&wildcard, "*.example.com")] {
        let body = json!({ "cert": identity.cert, "key": identity.key, "snis": [name] });
        env.post("/certificates", &body).await?;
    }
    ensure!(exact.call(&env, "a.example.com").await? == 200);
    ensure!(wildcard.call(&env, "b.example.com").await? == 200);
    ensure!(exact.call(&env, "b.example.com").await.is_err(), "only its own name gets it");
    ensure!(wildcard.call(&env, "a.example.com").await.is_err(), "the exact name comes first");

    // Replaced under traffic that does not look at certificates.
    let traffic = Traffic::start(&format!("https://127.0.0.1:{}/api", env.proxy_tls), &[])?;
    traffic.goes_on(20).await?;
    let id = env.get("/snis/a.example.com").await?["certificate"]["id"].clone();
    let path = format!("/certificates/{}", id.as_str().unwrap_or_default());
    let renewed = Identity::new("a.example.com")?;
    env.patch(&path, &json!({ "cert": renewed.cert, "key": renewed.key })).await?;
    ensure!(renewed.call(&env, "a.example.com").await? == 200);
    ensure!(exact.call(&env, "a.example.com").await.is_err(), "the old certificate is still shown");

    // Without its name the wildcard takes over.
    env.delete("/snis/a.example.com").await?;
    ensure!(wildcard.call(&env, "a.example.com").await? == 200);
    traffic.goes_on(20).await?;
    traffic.finish().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_does_not_belong_together_is_refused_and_changes_nothing() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;
    let (one, other) = (Identity::new("a.example.com")?, Identity::new("a.example.com")?);
    let body = json!({ "cert": one.cert, "key": one.key, "snis": ["a.example.com"] });
    let id = env.post("/certificates", &body).await?["id"].clone();
    let path = format!("/certificates/{}", id.as_str().unwrap_or_default());
    let wrong = json!({ "cert": one.cert, "key": other.key });
    let (status, answer) = env.admin(reqwest::Method::PATCH, &path, Some(&wrong)).await?;
    ensure!(status == 400 && answer["message"].as_str().is_some_and(|text| text.contains("certificate")), "{answer}");
    ensure!(one.call(&env, "a.example.com").await? == 200);
    Ok(())
}
