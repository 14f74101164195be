//! The gateway as its users run it: the program `kong`, its files and its APIs.

mod answers;
mod bad_input;
mod command_line;
mod database;
mod declarative;
mod documents;
mod moves;
mod several;
mod streams;
mod tls;
mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use testkit::echo::HttpEcho;
use testkit::{GatewayEnv, free_port, wait_for};
use tokio::task::JoinSet;

/// How long a change that nobody waits for may take on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// A service that calls itself `name`.
pub(crate) async fn upstream(name: &str) -> Result<HttpEcho> {
    HttpEcho::start(name, free_port()?).await
}

/// `/api` to the upstream, for a consumer with this key.
fn with_key(upstream: &HttpEcho, key: &str) -> String {
    format!(
        "_format_version: '3.0'
services:
- name: api
  url: http://{}
  routes:
  - name: api
    paths: [/api]
  plugins:
  - name: key-auth
consumers:
- username: ann
  keyauth_credentials:
  - key: {key}
",
        upstream.address()
    )
}

/// A service and a route to it by the path `/name`; in force when this returns.
pub(crate) async fn publish(env: &GatewayEnv, name: &str, url: &str) -> Result<()> {
    env.post("/services", &json!({ "name": name, "url": url })).await?;
    let route = json!({ "name": name, "paths": [format!("/{name}")] });
    env.post(&format!("/services/{name}/routes"), &route).await.map(drop)
}

/// A call: the status, and the body if it is JSON.
async fn call(client: &Client, url: &str, key: Option<&str>) -> Result<(StatusCode, Value)> {
    let request = key.into_iter().fold(client.get(url), |request, key| request.header("apikey", key));
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Waits until a call with this key has this status.
pub(crate) async fn wait_status(env: &GatewayEnv, path: &str, key: Option<&str>, expected: u16) -> Result<()> {
    wait_for(&format!("{path} answers {expected}"), SOON, || async {
        let (status, body) = call(env.client(), &env.url(path), key).await?;
        ensure!(status == expected, "{status} {body}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// Calls without a pause, on connections that are kept and on new ones, of which every one has to be answered.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: JoinSet<Result<()>>,
}

impl Traffic {
    /// Begins, with each of the keys in turn: one of them has to be let in.
    pub(crate) fn start(url: &str, keys: &[&str]) -> Result<Self> {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for is_kept in [true, false, true, false] {
            let idle = if is_kept { 1 } else { 0 };
            let client = Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .pool_max_idle_per_host(idle)
                .danger_accept_invalid_certs(true)
                .build()?;
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let (url, stop, answered) = (url.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    one_answers(&client, &url, &keys).await.with_context(|| format!("connections kept: {is_kept}"))?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Ok(Self { stop, answered, callers })
    }

    /// Returns when so many more calls were answered.
    pub(crate) async fn goes_on(&self, calls: usize) -> Result<()> {
        let before = self.answered.load(Ordering::Relaxed);
        wait_for("calls are answered", SOON, || async {
            let now = self.answered.load(Ordering::Relaxed) - before;
            if now >= calls { Ok(()) } else { Err(format!("{now} of {calls}")) }
        })
        .await
    }

    /// Ends it: the number of calls, or how the first that failed did.
    pub(crate) async fn finish(mut self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(caller) = self.callers.join_next().await {
            caller??;
        }
        Ok(self.answered.load(Ordering::Relaxed))
    }
}

/// A call with each key until one is let in; without keys, a call.
async fn one_answers(client: &Client, url: &str, keys: &[String]) -> Result<()> {
    if keys.is_empty() {
        let (status, body) = call(client, url, None).await?;
        ensure!(status == 200, "{status} {body}");
        return Ok(());
    }
    // A key may go while the other, which came with it, was tried already.
    for key in keys.iter().chain(keys) {
        let (status, body) = call(client, url, Some(key)).await?;
        if status == 200 {
            return Ok(());
        }
        ensure!(status == 401, "{status} {body}");
    }
    anyhow::bail!("no key is let in")
}
