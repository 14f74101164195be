//! A PostgreSQL server that is away, hangs or is slow, seen by the users of both halves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::link::{Direction, Link};
use testkit::postgres::{self, Database, Server, Stop};
use testkit::{GatewayEnv, MeshEnv, Options, wait_for};
use tokio::task::JoinSet;

use crate::databases;
use crate::gateway::{Traffic, publish, upstream};
use crate::mesh::Demo;

/// How long the server is away.
const AWAY: Duration = Duration::from_secs(60);

/// How long a write may wait for a server that is away before it is refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long everything may take to be well after the server is.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_and_reads_go_on_without_the_database_and_writes_resume() -> Result<()> {
    let server = Server::start(postgres::Options::default()).await?;
    let mesh_database = databases::of_mesh_on(&server).await?;
    let gateway_database = databases::of_gateway_on(&server).await?;
    let options = Options::on(mesh_database.address());
    let demo = Demo::start(options.clone(), "http", &["v1"]).await?;
    let other = MeshEnv::start(options).await?;
    demo.wait_allowed().await?;
    let echo = upstream("v1").await?;
    let nodes = Nodes::start(&gateway_database, None).await?;
    publish(&nodes.first, "api", &format!("http://{}", echo.address())).await?;
    let mut traffic = Vec::new();
    for node in [&nodes.first, &nodes.second] {
        crate::gateway::wait_status(node, "/api", None, 200).await?;
        traffic.push(Traffic::start(&node.url("/api"), &[])?);
    }
    traffic.push(Traffic::start(&format!("http://127.0.0.1:{}/", demo.outbound), &[])?);

    server.stop(Stop::Immediate).await?;
    let stopped = Instant::now();
    let mut refused = 0;
    while stopped.elapsed() < AWAY {
        for one in &traffic {
            one.goes_on(5).await.context("while the database is away")?;
        }
        nodes.first.get("/services/api").await?;
        nodes.second.get("/routes").await?;
        demo.env.get("/meshes/default/dataplanes/web").await?;
        other.get("/meshes").await?;
        let name = format!("away-{refused}");
        nodes.is_refused(&name).await?;
        is_refused(&demo.env, &name).await?;
        refused += 1;
    }
    server.resume().await?;

    for (number, node) in [&nodes.first, &nodes.second].into_iter().enumerate() {
        let service = json!({ "name": format!("back-{number}"), "url": "http://127.0.0.1:9000" });
        wait_for("the node takes writes", RECOVERY, || node.post("/services", &service)).await?;
    }
    for (number, env) in [&demo.env, &other].into_iter().enumerate() {
        let name = format!("back-{number}");
        let (path, timeout) = timeout(&name);
        wait_for("the control plane takes writes", RECOVERY, || env.put(&path, &timeout)).await?;
    }
    for number in 0..2 {
        let name = format!("back-{number}");
        for node in [&nodes.first, &nodes.second] {
            let service = format!("/services/{name}");
            wait_for("the nodes agree", RECOVERY, || node.get(&service)).await?;
        }
        for env in [&demo.env, &other] {
            let (path, _) = timeout(&name);
            wait_for("the control planes agree", RECOVERY, || env.get(&path)).await?;
        }
    }
    // What was refused was not done, and what is configured now reaches the proxies.
    for number in 0..refused {
        let (status, _) = nodes.second.admin(Method::GET, &format!("/services/away-{number}"), None).await?;
        ensure!(status == StatusCode::NOT_FOUND, "away-{number}: {status}");
        ensure!(other.get(&timeout(&format!("away-{number}")).0).await.is_err(), "away-{number}");
    }
    publish(&nodes.second, "later", &format!("http://{}", echo.address())).await?;
    crate::gateway::wait_status(&nodes.first, "/later", None, 200).await?;
    let calls = futures_util::future::try_join_all(traffic.into_iter().map(Traffic::finish)).await?;
    ensure!(calls.iter().all(|calls| *calls > 100), "{calls:?} calls");
    demo.mtls("24h").await?;
    demo.env.delete("/meshes/default/traffic-permissions/allow-all-default").await.ok();
    demo.wait_refused().await?;
    demo.permit("web-to-backend", "web").await?;
    demo.wait_allowed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_one_that_is_away() -> Result<()> {
    let database = databases::of_gateway().await?;
    let link = Link::to(database.address().port)?;
    let echo = upstream("v1").await?;
    let nodes = Nodes::start(&database, Some(&link)).await?;
    publish(&nodes.first, "api", &format!("http://{}", echo.address())).await?;
    let traffic = Traffic::start(&nodes.first.url("/api"), &[])?;
    link.stall();
    nodes.is_refused("hung").await?;
    traffic.goes_on(20).await?;
    nodes.first.get("/services/api").await?;
    link.cut();
    link.restore();
    let service = json!({ "name": "back", "url": "http://127.0.0.1:9000" });
    wait_for("the node takes writes", RECOVERY, || nodes.first.post("/services", &service)).await?;
    wait_for("the nodes agree", RECOVERY, || nodes.second.get("/services/back")).await?;
    traffic.finish().await.map(drop)
}

/// With 100 ms for each way to the server: what cannot be done in time is refused, and does not pile up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_database_makes_writes_slow_and_nothing_else() -> Result<()> {
    const WRITERS: usize = 200;
    let database = databases::of_gateway().await?;
    let link = Link::to(database.address().port)?;
    let mut nodes = Nodes::start(&database, Some(&link)).await?;
    let service = json!({ "name": "first", "url": "http://127.0.0.1:9000" });
    nodes.first.post("/services", &service).await?;
    let before = nodes.first.node().rss_kib()?;
    link.delay(Direction::ToServer, Duration::from_millis(100));

    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, url) = (nodes.first.client().clone(), nodes.first.admin_url("/services"));
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        writers.spawn(async move {
            let mut names = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let name = format!("s{writer}-{}", names.len());
                let body = json!({ "name": name, "url": "http://127.0.0.1:9000" });
                let answer = client.post(&url).json(&body).send().await?;
                match answer.status() {
                    StatusCode::CREATED => names.push(name),
                    StatusCode::SERVICE_UNAVAILABLE => {}
                    status => anyhow::bail!("{status}: {}", answer.text().await?),
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(names)
        });
    }
    for round in 1..=5 {
        wait_for("writes are answered", RECOVERY, || async {
            let done = done.load(Ordering::Relaxed);
            if done >= round * WRITERS { Ok(()) } else { Err(done) }
        })
        .await?;
        let asked = Instant::now();
        nodes.first.get("/services/first").await?;
        ensure!(asked.elapsed() < Duration::from_secs(1), "a read took {:?}", asked.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let names = writers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let grown = nodes.first.node().rss_kib()?.saturating_sub(before);
    ensure!(grown < 100 * 1024, "{grown} KiB more");
    link.restore();
    ensure!(names.len() > 100, "{} writes were taken", names.len());
    for name in names {
        let service = format!("/services/{name}");
        wait_for("the other node knows it", RECOVERY, || nodes.second.get(&service)).await?;
    }
    Ok(())
}

/// Two gateway nodes on one database.
struct Nodes {
    first: GatewayEnv,
    second: GatewayEnv,
}

impl Nodes {
    /// The first through `link`, if there is one.
    async fn start(database: &Database, link: Option<&Link>) -> Result<Self> {
        let address = database.address();
        let mut first = GatewayEnv::on(&link.map_or(address.clone(), |link| address.through(link)), &[])?;
        let mut second = GatewayEnv::on(address, &[])?;
        first.launch().await?;
        second.launch().await?;
        Ok(Self { first, second })
    }

    /// A write is refused, in time, and the answer says why.
    async fn is_refused(&self, name: &str) -> Result<()> {
        let service = json!({ "name": name, "url": "http://127.0.0.1:9000" });
        let asked = Instant::now();
        let (status, body) = self.first.admin(Method::POST, "/services", Some(&service)).await?;
        says_so(asked, status, &body["message"])
    }
}

/// The same of a control plane.
async fn is_refused(env: &MeshEnv, name: &str) -> Result<()> {
    let (path, timeout) = timeout(name);
    let asked = Instant::now();
    let answer = env.client().put(env.url(&path)).json(&timeout).send().await?;
    let (status, body) = (answer.status(), answer.json::<Value>().await?);
    says_so(asked, status, &body)
}

fn says_so(asked: Instant, status: StatusCode, message: &Value) -> Result<()> {
    ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {message}");
    ensure!(asked.elapsed() < PATIENCE, "the answer took {:?}", asked.elapsed());
    let text = message.to_string().to_lowercase();
    ensure!(text.contains("database") || text.contains("postgresql") || text.contains("store"), "{text}");
    Ok(())
}

/// A policy that has no effect: its path and its document.
fn timeout(name: &str) -> (String, Value) {
    let services = json!([{ "match": { "kuma.io/service": "nobody" } }]);
    let conf = json!({ "connectTimeout": "10s" });
    let body = json!({
        "type": "Timeout", "mesh": "default", "name": name, "sources": services, "destinations": services, "conf": conf,
    });
    (format!("/meshes/default/timeouts/{name}"), body)
}
