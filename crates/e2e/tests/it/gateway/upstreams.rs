//! Several targets: weights, retries, health.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::echo::HttpEcho;
use testkit::{GatewayEnv, free_port, wait_for};

use super::{SOON, Traffic, call};

/// A node with `/api` to an upstream of two targets.
struct Pair {
    env: GatewayEnv,
    ports: [u16; 2],
    targets: [Option<HttpEcho>; 2],
}

impl Pair {
    async fn start(healthchecks: Value, retries: u32) -> Result<Self> {
        let env = GatewayEnv::start(&[]).await?;
        let ports = [free_port()?, free_port()?];
        let targets = [Some(HttpEcho::start("a", ports[0]).await?), Some(HttpEcho::start("b", ports[1]).await?)];
        env.post("/upstreams", &json!({ "name": "pool", "healthchecks": healthchecks })).await?;
        for port in ports {
            env.post("/upstreams/pool/targets", &json!({ "target": format!("127.0.0.1:{port}") })).await?;
        }
        env.post("/services", &json!({ "name": "api", "host": "pool", "retries": retries })).await?;
        env.post("/services/api/routes", &json!({ "paths": ["/api"] })).await?;
        Ok(Self { env, ports, targets })
    }

    fn end(&mut self, target: usize) {
        self.targets[target] = None;
    }

    async fn begin(&mut self, target: usize) -> Result<()> {
        self.targets[target] = Some(HttpEcho::start(["a", "b"][target], self.ports[target]).await?);
        Ok(())
    }

    /// Who answers so many calls, and with what statuses.
    async fn calls(&self, number: usize) -> Result<BTreeMap<String, usize>> {
        let mut answers = BTreeMap::new();
        for _ in 0..number {
            let (status, body) = call(self.env.client(), &self.env.url("/api"), None).await?;
            let who = body["instance"].as_str().map_or_else(|| status.to_string(), str::to_owned);
            *answers.entry(who).or_insert(0) += 1;
        }
        Ok(answers)
    }

    async fn wait_health(&self, target: usize, expected: &str) -> Result<()> {
        let name = format!("127.0.0.1:{}", self.ports[target]);
        wait_for(&format!("{name} is {expected}"), SOON, || async {
            let health = self.env.get("/upstreams/pool/health").await?;
            let all = health["data"].as_array().cloned().unwrap_or_default();
            let health = all.iter().find(|one| one["target"] == name.as_str()).map(|one| one["health"].clone());
            ensure!(health == Some(json!(expected)), "{all:?}");
            Ok::<_, anyhow::Error>(())
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_one_target_does_not_take_goes_to_the_other() -> Result<()> {
    let mut pair = Pair::start(json!({}), 1).await?;
    let both = pair.calls(40).await?;
    ensure!(both == BTreeMap::from([("a".to_owned(), 20), ("b".to_owned(), 20)]), "{both:?}");
    pair.end(1);
    let rest = pair.calls(40).await?;
    ensure!(rest == BTreeMap::from([("a".to_owned(), 40)]), "{rest:?}");
    // Nothing is unhealthy without health checks.
    pair.wait_health(1, "HEALTHCHECKS_OFF").await?;
    pair.begin(1).await?;
    let both = pair.calls(40).await?;
    ensure!(both.len() == 2, "{both:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_checks_take_a_target_out_and_in_again_without_a_failed_request() -> Result<()> {
    let checks = json!({ "active": {
        "http_path": "/", "timeout": 10,
        "healthy": { "interval": 0.1, "successes": 1 },
        "unhealthy": { "interval": 0.1, "tcp_failures": 1, "http_failures": 1, "timeouts": 9 },
    } });
    let mut pair = Pair::start(checks, 2).await?;
    pair.wait_health(0, "HEALTHY").await?;
    pair.wait_health(1, "HEALTHY").await?;
    let traffic = Traffic::start(&pair.env.url("/api"), &[])?;
    traffic.goes_on(50).await?;
    traffic.finish().await?;
    pair.end(1);
    pair.wait_health(1, "UNHEALTHY").await?;
    let traffic = Traffic::start(&pair.env.url("/api"), &[])?;
    traffic.goes_on(50).await?;
    let rest = pair.calls(20).await?;
    ensure!(rest == BTreeMap::from([("a".to_owned(), 20)]), "{rest:?}");
    pair.begin(1).await?;
    pair.wait_health(1, "HEALTHY").await?;
    traffic.goes_on(50).await?;
    traffic.finish().await?;
    ensure!(pair.calls(20).await?.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passive_checks_take_a_target_out_and_a_hand_puts_it_in() -> Result<()> {
    let checks = json!({ "passive": {
        "healthy": { "successes": 1 },
        "unhealthy": { "tcp_failures": 1, "http_failures": 2, "timeouts": 9 },
    } });
    let mut pair = Pair::start(checks, 1).await?;
    pair.end(0);
    let rest = pair.calls(20).await?;
    ensure!(rest == BTreeMap::from([("b".to_owned(), 20)]), "{rest:?}");
    pair.wait_health(0, "UNHEALTHY").await?;
    pair.begin(0).await?;
    // Nobody asks it, so nobody knows that it is back.
    let rest = pair.calls(20).await?;
    ensure!(rest == BTreeMap::from([("b".to_owned(), 20)]), "{rest:?}");
    set_health(&pair, 0, "healthy").await?;
    let both = pair.calls(20).await?;
    ensure!(both.len() == 2, "{both:?}");
    set_health(&pair, 1, "unhealthy").await?;
    let rest = pair.calls(20).await?;
    ensure!(rest == BTreeMap::from([("a".to_owned(), 20)]), "{rest:?}");
    set_health(&pair, 0, "unhealthy").await?;
    let none = pair.calls(5).await?;
    ensure!(none.len() == 1 && none.contains_key("503 Service Unavailable"), "{none:?}");
    Ok(())
}

async fn set_health(pair: &Pair, target: usize, health: &str) -> Result<()> {
    let path = format!("/upstreams/pool/targets/127.0.0.1:{}/{health}", pair.ports[target]);
    let (status, body) = pair.env.admin(Method::PUT, &path, None).await?;
    ensure!(status == 204, "{path}: {status} {body}");
    Ok(())
}
