//! What goes wrong in production, and what must not come of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use rustix::process::Signal;
use serde_json::json;
use testkit::mesh::START;
use testkit::{MeshEnv, Options, free_port, wait_for};

use crate::mesh::{Demo, SOON, client, place};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_that_is_killed_comes_back_and_is_seen_leaving_and_coming() -> Result<()> {
    let mut demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.wait_allowed().await?;
    demo.backends[0].sidecar.process.kill()?;
    wait_for("the proxy is offline", Duration::from_secs(3), || async {
        match demo.is_online("backend-v1").await {
            Ok(false) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    demo.wait_refused().await?;
    demo.backends[0].restart(&demo.env).await?;
    demo.wait_allowed().await?;
    ensure!(demo.is_online("backend-v1").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_dies_with_its_launcher() -> Result<()> {
    let mut demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    let admin = demo.web.admin;
    demo.web.process.signal(Signal::KILL)?;
    wait_for("Envoy is gone", SOON, || async {
        match reqwest::get(format!("http://127.0.0.1:{admin}/ready")).await {
            Ok(answer) => Err(format!("it answers {}", answer.status())),
            Err(_) => Ok(()),
        }
    })
    .await?;
    demo.web.process.wait(SOON).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_leaves_is_deregistered() -> Result<()> {
    let env = [("KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY".to_owned(), "0s".to_owned())];
    let mut demo = Demo::start(Options { env: env.into(), ..Options::default() }, "http", &["v1"]).await?;
    demo.backends[0].sidecar.process.signal(Signal::TERM)?;
    let status = demo.backends[0].sidecar.process.wait(SOON).await?;
    ensure!(status.success(), "{status}");
    wait_for("the Dataplane is gone", SOON, || async {
        match demo.env.get("/meshes/default/dataplanes/backend-v1").await {
            Ok(dataplane) => Err(dataplane.to_string()),
            Err(_) => Ok(()),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_outlives_the_control_plane_and_its_state_a_restart() -> Result<()> {
    let mut demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.mtls("24h").await?;
    demo.permit("web-to-backend", "web").await?;
    demo.wait_allowed().await?;
    let meshes = demo.env.get("/meshes/default").await?;
    let secrets = demo.env.get("/meshes/default/secrets").await?;

    demo.env.control_plane().kill()?;
    for _ in 0..20 {
        demo.call().await.context("while the control plane is down")?;
    }
    demo.env.start_control_plane().await?;
    ensure!(demo.env.get("/meshes/default").await? == meshes);
    ensure!(demo.env.get("/meshes/default/secrets").await? == secrets, "keys and authority are kept");
    wait_for("the proxies are back", Duration::from_secs(45), || async {
        match (demo.is_online("web").await, demo.is_online("backend-v1").await) {
            (Ok(true), Ok(true)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    demo.call().await?;
    // And they follow again.
    demo.env.delete("/meshes/default/traffic-permissions/web-to-backend").await?;
    demo.wait_refused().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_control_plane_is_killed_during_writes() -> Result<()> {
    let _place = place().await?;
    let mut env = MeshEnv::start(Options::default()).await?;
    for round in 0..5 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (url, client) = (env.url("/meshes/default/traffic-permissions"), env.client().clone());
                let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
                write_until_failure(url, client, format!("r{round}-w{writer}"), acknowledged, stop)
            })
            .collect();
        let killed = async {
            wait_for("some writes are acknowledged", START, || async {
                let count = acknowledged.load(Ordering::SeqCst);
                if count > 100 { Ok(()) } else { Err(count.to_string()) }
            })
            .await?;
            env.control_plane().kill()?;
            stop.store(true, Ordering::SeqCst);
            anyhow::Ok(())
        };
        let (names, killed) = tokio::join!(futures_util::future::join_all(writers), killed);
        killed?;
        env.start_control_plane().await?;
        for name in names.into_iter().flatten() {
            env.get(&format!("/meshes/default/traffic-permissions/{name}")).await.context("acknowledged and lost")?;
        }
    }
    Ok(())
}

/// Names of what was acknowledged.
pub(crate) async fn write_until_failure(
    url: String,
    client: reqwest::Client,
    prefix: String,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Vec<String> {
    let mut names = Vec::new();
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        let any = json!([{ "match": { "kuma.io/service": "*" } }]);
        let body = json!({ "type": "TrafficPermission", "mesh": "default", "name": name, "sources": any, "destinations": any });
        let answer = client.put(format!("{url}/{name}")).json(&body).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => names.push(name),
            _ => break,
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_rotated_under_traffic() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.permit("web-to-backend", "web").await?;
    demo.mtls("10s").await?;
    demo.wait_allowed().await?;
    let regenerations = || async {
        let overview = demo.env.get("/meshes/default/dataplanes+insights/web").await?;
        anyhow::Ok(overview["dataplaneInsight"]["mTLS"]["certificateRegenerations"].as_u64().unwrap_or(0))
    };
    let (first, mut requests) = (regenerations().await?, 0);
    while regenerations().await? < first + 3 {
        demo.call().await.with_context(|| format!("request {requests}"))?;
        requests += 1;
    }
    ensure!(requests > 50, "{requests} requests");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_envoy_rejects_is_reported_and_the_good_ones_stay() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.wait_allowed().await?;
    let listener = |name: &str, prefix: &str| {
        let port = free_port()?;
        let proxy = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "statPrefix": prefix, "cluster": "backend",
        });
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": name,
            "address": { "socketAddress": { "address": "127.0.0.1", "portValue": port } },
            "filterChains": [{ "filters": [{ "name": "envoy.filters.network.tcp_proxy", "typedConfig": proxy }] }],
        });
        anyhow::Ok((port, json!({ "name": name, "version": "1", "resource": resource.to_string() })))
    };
    // Envoy requires a prefix, which the schema of the message alone does not.
    let (_, bad) = listener("bad", "")?;
    let (port, good) = listener("good", "raw")?;
    let template = json!({
        "type": "ProxyTemplate", "mesh": "default", "name": "raw",
        "selectors": [{ "match": { "kuma.io/service": "web" } }],
        "conf": { "imports": ["default-proxy"], "resources": [bad, good] },
    });
    demo.env.put("/meshes/default/proxytemplates/raw", &template).await?;
    let rejection = wait_for("the rejection is reported", SOON, || async {
        let overview =
            demo.env.get("/meshes/default/dataplanes+insights/web").await.map_err(|error| error.to_string())?;
        let status = overview["dataplaneInsight"]["subscriptions"][0]["status"].clone();
        if status["lds"]["responsesRejected"].is_string() { Ok(status) } else { Err(status.to_string()) }
    })
    .await?;
    ensure!(rejection["lastRejection"]["message"].as_str().unwrap_or_default().contains("bad"), "{rejection}");
    wait_for("the good listener serves", SOON, || async {
        reqwest::get(format!("http://127.0.0.1:{port}/")).await.and_then(reqwest::Response::error_for_status)
    })
    .await?;
    demo.call().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_proxies_join_and_leave() -> Result<()> {
    const PROXIES: usize = 50;
    let env = [("KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY".to_owned(), "0s".to_owned())];
    let mut demo = Demo::start(Options { env: env.into(), ..Options::default() }, "http", &["v1"]).await?;
    let outbounds: Vec<u16> = (0..PROXIES).map(|_| free_port()).collect::<Result<_>>()?;
    let mut sidecars = Vec::new();
    for (number, outbound) in outbounds.iter().enumerate() {
        let name = format!("client-{number}");
        sidecars.push(demo.env.sidecar_unready("default", &name, &client(&name, *outbound)?).await?);
    }
    try_join_all(sidecars.iter().map(|sidecar| wait_ready(&demo.env, sidecar))).await?;
    // An endpoint that comes is known to all of them.
    demo.add("v2").await?;
    let seen = |outbound: u16| async move {
        wait_for("the new instance answers", Duration::from_secs(60), || async {
            let answer =
                reqwest::get(format!("http://127.0.0.1:{outbound}/")).await.map_err(|error| error.to_string())?;
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if text.contains("v2") { Ok(()) } else { Err(text) }
        })
        .await
    };
    try_join_all(outbounds.iter().map(|outbound| seen(*outbound))).await?;
    for sidecar in &mut sidecars {
        sidecar.process.kill()?;
    }
    wait_for("all of them are gone", Duration::from_secs(60), || async {
        let left = demo.env.get("/meshes/default/dataplanes?size=1000").await.map_err(|error| error.to_string())?;
        if left["total"] == 3 { Ok(()) } else { Err(left["total"].to_string()) }
    })
    .await?;
    demo.call().await.map(drop)
}

async fn wait_ready(env: &MeshEnv, sidecar: &testkit::Sidecar) -> Result<()> {
    wait_for(&format!("{} is ready", sidecar.name), Duration::from_secs(120), || async {
        let text = env.envoy(sidecar, "/ready").await.map_err(|error| format!("{error:#}"))?;
        if text.contains("LIVE") { Ok(()) } else { Err(text) }
    })
    .await
}
