//! The main job: two services talk, and only if they may.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Options, Process, Sidecar, free_port, wait_for};

use crate::mesh::{Demo, SOON, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_talk_and_mutual_tls_denies_until_a_permission_allows() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.wait_allowed().await?;

    demo.mtls("24h").await?;
    demo.wait_refused().await?;

    demo.permit("web-to-backend", "web").await?;
    demo.wait_allowed().await?;
    // The application sees who called.
    let answer = demo.request("/").await?;
    let client = answer["headers"]["x-forwarded-client-cert"].as_str().unwrap_or_default();
    assert!(client.contains("URI=spiffe://default/web"), "{answer}");

    // Past the proxy's own port nobody gets in without a certificate.
    let plain = reqwest::get(format!("http://127.0.0.1:{}/", demo.backends[0].inbound)).await;
    assert!(plain.is_err(), "{plain:?}");

    demo.env.delete("/meshes/default/traffic-permissions/web-to-backend").await?;
    demo.permit("somebody-else", "somebody-else").await?;
    demo.wait_refused().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_is_denied_and_allowed_as_well() -> Result<()> {
    let demo = Demo::start(Options::default(), "tcp", &["v1"]).await?;
    demo.wait_allowed().await?;
    demo.mtls("24h").await?;
    demo.wait_refused().await?;
    demo.permit("any", "*").await?;
    demo.wait_allowed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_of_90_to_10_is_what_clients_see() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1", "v2"]).await?;
    let to = |version: &str, weight: u32| json!({ "weight": weight, "destination": { "kuma.io/service": "backend", "version": version } });
    demo.policy("TrafficRoute", "traffic-routes", json!({ "split": [to("v1", 0), to("v2", 100)] })).await?;
    wait_for("only v2 answers", SOON, || async {
        for _ in 0..10 {
            let instance = demo.call().await.map_err(|error| error.to_string())?;
            if instance != "v2" {
                return Err(format!("{instance} answered"));
            }
        }
        Ok(())
    })
    .await?;
    demo.policy("TrafficRoute", "traffic-routes", json!({ "split": [to("v1", 90), to("v2", 10)] })).await?;
    wait_for("v1 answers", SOON, || async {
        let instance = demo.call().await.map_err(|error| error.to_string())?;
        if instance == "v1" { Ok(()) } else { Err(instance) }
    })
    .await?;
    let mut counts = BTreeMap::new();
    for _ in 0..200 {
        *counts.entry(demo.call().await?).or_insert(0) += 1;
    }
    // 200 draws with p = 0.1: outside of 4..=40 once in a million runs.
    let v2 = counts.get("v2").copied().unwrap_or(0);
    assert!((4..=40).contains(&v2), "{counts:?}");
    Ok(())
}

/// Proxies of releases that do not ask for increments get the state of the world, on the same port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_wants_the_state_of_the_world_is_served_as_well() -> Result<()> {
    let mut demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.mtls("24h").await?;
    demo.permit("any", "*").await?;
    let (outbound, admin) = (free_port()?, free_port()?);
    let mut command = demo.env.launcher("default", "old-web", &client("old-web", outbound)?, admin).await?;
    command.env("KUMA_DATAPLANE_RUNTIME_ENVOY_XDS_TRANSPORT_PROTOCOL_VARIANT", "GRPC");
    let process = Process::spawn("kuma-dp old-web", command)?;
    let sidecar = Sidecar { name: "old-web".to_owned(), admin, process };
    demo.env.wait_ready(&sidecar).await?;
    let bootstrap = demo.env.envoy(&sidecar, "/config_dump").await?;
    ensure!(bootstrap.contains("\"api_type\": \"GRPC\""), "{bootstrap}");
    let answers = |version: &'static str| async move {
        wait_for(&format!("{version} answers"), SOON, || async {
            let answer =
                reqwest::get(format!("http://127.0.0.1:{outbound}/")).await.map_err(|error| error.to_string())?;
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if text.contains(version) { Ok(()) } else { Err(text) }
        })
        .await
    };
    answers("v1").await?;
    // A changed endpoint, and then a changed cluster, which warms until its endpoints come again.
    demo.add("v2").await?;
    answers("v2").await?;
    demo.policy("CircuitBreaker", "circuit-breakers", json!({ "thresholds": { "maxConnections": 77 } })).await?;
    demo.env.delete("/meshes/default/circuit-breakers/web-to-backend").await?;
    answers("v1").await
}
