//! Several control planes on one PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::link::Link;
use testkit::mesh::START;
use testkit::postgres::Database;
use testkit::{MeshEnv, Options, Process, free_port, wait_for};

use crate::databases;
use crate::gateway::Traffic;
use crate::mesh::{Backend, Demo, SOON, place};
use crate::resilience::write_until_failure;

/// How long the work of a control plane that is killed may lie.
const TAKEOVER: Duration = Duration::from_secs(5);

/// Two control planes; the mesh's proxies are on the first one, and those that are added on the second.
struct Pair {
    demo: Demo,
    second: MeshEnv,
    _database: Database,
}

impl Pair {
    /// `web` on the first, `backend` in version `v1` on the first and in `v2` on the second.
    async fn start() -> Result<Self> {
        let database = databases::of_mesh().await?;
        let options = Options::on(database.address());
        let mut demo = Demo::start(options.clone(), "http", &["v1"]).await?;
        let second = MeshEnv::start(options).await?;
        demo.backends.push(Backend::start(&second, "http", "v2").await?);
        Ok(Self { demo, second, _database: database })
    }
}

/// Whether this control plane shows the proxy as connected.
async fn is_online(env: &MeshEnv, name: &str) -> Result<bool> {
    let overview = env.get(&format!("/meshes/default/dataplanes+insights/{name}")).await?;
    let subscriptions = overview["dataplaneInsight"]["subscriptions"].as_array().cloned().unwrap_or_default();
    Ok(subscriptions.iter().any(|one| one.get("disconnectTime").is_none()))
}

async fn wait_online(env: &MeshEnv, name: &str, expected: bool, timeout: Duration) -> Result<()> {
    let what = format!("{name} is shown as {}", if expected { "online" } else { "offline" });
    wait_for(&what, timeout, || async {
        match is_online(env, name).await {
            Ok(is_online) if is_online == expected => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_control_plane_is_told_the_others_push() -> Result<()> {
    let pair = Pair::start().await?;
    // The first one's proxy learns of an endpoint that came to the second.
    wait_for("v2 answers", SOON, || async {
        let instance = pair.demo.call().await?;
        ensure!(instance == "v2", "{instance} answered");
        Ok(())
    })
    .await?;
    // A policy, a mesh and its authority, told to one and obeyed by the proxies of both.
    let backend = json!({ "name": "ca-1", "type": "builtin" });
    let mtls = json!({ "enabledBackend": "ca-1", "backends": [backend] });
    pair.second.put("/meshes/default", &json!({ "type": "Mesh", "name": "default", "mtls": mtls })).await?;
    pair.second.delete("/meshes/default/traffic-permissions/allow-all-default").await.ok();
    pair.demo.wait_refused().await?;
    let permission = json!({
        "type": "TrafficPermission", "mesh": "default", "name": "web-to-backend",
        "sources": [{ "match": { "kuma.io/service": "web" } }],
        "destinations": [{ "match": { "kuma.io/service": "backend" } }],
    });
    pair.second.put("/meshes/default/traffic-permissions/web-to-backend", &permission).await?;
    pair.demo.wait_allowed().await?;
    pair.demo.env.delete("/meshes/default/traffic-permissions/web-to-backend").await?;
    pair.demo.wait_refused().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_are_seen_from_either() -> Result<()> {
    let pair = Pair::start().await?;
    for env in [&pair.demo.env, &pair.second] {
        for name in ["web", "backend-v1", "backend-v2"] {
            wait_online(env, name, true, SOON).await?;
            let path = format!("/meshes/default/dataplanes/{name}/xds");
            let xds = wait_for("what the proxy was told is shown", SOON, || env.get_text(&path)).await?;
            ensure!(xds.contains("clusters"), "{name}: {xds}");
        }
        // What is counted over all proxies counts each once.
        wait_for("all proxies are counted", SOON, || async {
            let insight = env.get("/mesh-insights/default").await.map_err(|error| format!("{error:#}"))?;
            let (total, online) = (&insight["dataplanes"]["total"], &insight["dataplanes"]["online"]);
            if *total == 3 && *online == 3 { Ok(()) } else { Err(insight.to_string()) }
        })
        .await?;
    }
    Ok(())
}

/// Whether this control plane does what only one does.
async fn leads(env: &MeshEnv) -> Result<bool> {
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", env.diagnostics)).await?.text().await?;
    let value = metrics.lines().find_map(|line| line.strip_prefix("leader ")).context("no metric says who leads")?;
    Ok(value == "1")
}

/// What only one control plane does at a time goes on when that one is killed: here, that proxies which nobody speaks
/// for are shown as gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn background_work_is_taken_over() -> Result<()> {
    let mut pair = Pair::start().await?;
    wait_online(&pair.second, "web", true, SOON).await?;
    ensure!(leads(&pair.demo.env).await? && !leads(&pair.second).await?, "the first one leads");
    pair.demo.env.control_plane().kill()?;
    wait_for("the second one leads", TAKEOVER, || async {
        ensure!(leads(&pair.second).await?, "it does not");
        Ok(())
    })
    .await?;
    wait_online(&pair.second, "web", false, TAKEOVER).await?;
    ensure!(is_online(&pair.second, "backend-v2").await?);
    // Traffic goes on; and the proxies of the first come back to it with what the second was told meanwhile.
    pair.demo.call().await.context("without the control plane")?;
    pair.demo.env.start_control_plane().await?;
    wait_online(&pair.second, "web", true, Duration::from_secs(45)).await
}

/// Proxies that are sent to any control plane, as by a load balancer, go on with another one when theirs is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_move_to_another_control_plane() -> Result<()> {
    let place = place().await?;
    let database = databases::of_mesh().await?;
    let balancer = Link::to(free_port()?)?;
    let mut options = Options::on(database.address());
    options.env.insert("KUMA_BOOTSTRAP_SERVER_PARAMS_XDS_PORT".to_owned(), balancer.port().to_string());
    let mut first = MeshEnv::start(options.clone()).await?;
    let second = MeshEnv::start(options).await?;
    balancer.lead_to(first.dp);
    first.dp = balancer.port();
    let mut demo = Demo::on(first, place, "http", &["v1"]).await?;
    let traffic = Traffic::start(&format!("http://127.0.0.1:{}/", demo.outbound), &[])?;
    demo.env.control_plane().kill()?;
    wait_online(&second, "web", false, TAKEOVER).await?;
    balancer.lead_to(second.dp);
    for name in ["web", "backend-v1"] {
        wait_online(&second, name, true, Duration::from_secs(45)).await?;
    }
    traffic.goes_on(20).await?;
    traffic.finish().await?;
    demo.backends.push(Backend::start(&second, "http", "v2").await?);
    wait_for("v2 answers", SOON, || async {
        let instance = demo.call().await?;
        ensure!(instance == "v2", "{instance} answered");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_one_is_killed_during_writes() -> Result<()> {
    let _place = place().await?;
    let database = databases::of_mesh().await?;
    let mut first = MeshEnv::start(Options::on(database.address())).await?;
    let second = MeshEnv::start(Options::on(database.address())).await?;
    for round in 0..5 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..4).map(|writer| {
            let (url, client) = (first.url("/meshes/default/traffic-permissions"), first.client().clone());
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            write_until_failure(url, client, format!("r{round}-w{writer}"), acknowledged, stop)
        });
        let writers = futures_util::future::join_all(writers.collect::<Vec<_>>());
        let killed = async {
            wait_for("some writes are acknowledged", START, || async {
                let count = acknowledged.load(Ordering::SeqCst);
                if count > 100 { Ok(()) } else { Err(count) }
            })
            .await?;
            first.control_plane().kill()?;
            stop.store(true, Ordering::SeqCst);
            anyhow::Ok(())
        };
        let (names, killed) = tokio::join!(writers, killed);
        killed?;
        first.start_control_plane().await?;
        for name in names.into_iter().flatten() {
            let path = format!("/meshes/default/traffic-permissions/{name}");
            first.get(&path).await.context("acknowledged and lost")?;
            wait_for("the other control plane knows it", SOON, || second.get(&path)).await?;
        }
    }
    Ok(())
}

/// A write on one is there on the other within a tenth of a second, when the machine has nothing else to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_there_at_once() -> Result<()> {
    let _place = place().await?;
    let database = databases::of_mesh().await?;
    let (first, second) = (
        MeshEnv::start(Options::on(database.address())).await?,
        MeshEnv::start(Options::on(database.address())).await?,
    );
    let mut delays = Vec::new();
    for number in 0..20 {
        let (to, from) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let path = format!("/meshes/default/timeouts/t{number}");
        let any: Value = json!([{ "match": { "kuma.io/service": "*" } }]);
        let conf = json!({ "connectTimeout": "10s" });
        let name = format!("t{number}");
        let timeout = json!({ "type": "Timeout", "mesh": "default", "name": name, "sources": any, "destinations": any, "conf": conf });
        to.put(&path, &timeout).await?;
        let written = Instant::now();
        wait_for("it is there", SOON, || from.get(&path)).await?;
        delays.push(written.elapsed());
    }
    delays.sort();
    ensure!(delays[delays.len() / 2] < Duration::from_millis(100), "{delays:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_planes_that_start_at_the_same_time_agree() -> Result<()> {
    let _place = place().await?;
    let server = testkit::postgres::shared().await?;
    let database = server.database().await?;
    let options = Options::on(database.address());
    // All of them prepare the empty database at once.
    let mut migrations = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let env = MeshEnv::new(options.clone())?;
        migrations.spawn_blocking(move || databases::run(env.kuma_cp(&["migrate", "up"])?));
    }
    while let Some(done) = migrations.join_next().await {
        done??;
    }
    let starts = (0..3).map(|_| MeshEnv::start(options.clone()));
    let envs = futures_util::future::try_join_all(starts).await?;
    // A token that any of them gave out is good at all of them, and there is one default mesh.
    let secrets = envs[0].get("/secrets").await?;
    for env in &envs {
        ensure!(env.get("/meshes").await?["total"] == 1);
        wait_for("all have the same secrets", SOON, || async {
            let own = env.get("/secrets").await.map_err(|error| format!("{error:#}"))?;
            if own == secrets { Ok(()) } else { Err(own.to_string()) }
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_refused_with_the_command_to_run() -> Result<()> {
    let database = testkit::postgres::shared().await?.database().await?;
    let env = MeshEnv::new(Options::on(database.address()))?;
    let mut process = Process::spawn("kuma-cp", env.kuma_cp(&["run"])?)?;
    let status = process.wait(START).await?;
    let refusal = process.output();
    ensure!(!status.success() && refusal.contains("kuma-cp migrate up"), "{status}: {refusal}");
    Ok(())
}
