//! The mesh most cases use: a client that consumes one HTTP service of several instances.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::echo::HttpEcho;
use testkit::{MeshEnv, Options, Sidecar, free_port, wait_for};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Meshes at a time: an Envoy takes 70 MB and a third of a second of a core to start.
static PLACES: Semaphore = Semaphore::const_new(2);

/// How long a change may take to show in traffic on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Room for one more mesh.
pub(crate) async fn place() -> Result<SemaphorePermit<'static>> {
    Ok(PLACES.acquire().await?)
}

/// A control plane, `backend` in some versions, and `web` that consumes it.
pub(crate) struct Demo {
    pub(crate) env: MeshEnv,
    pub(crate) web: Sidecar,
    pub(crate) backends: Vec<Backend>,
    /// Where `web` reaches `backend`.
    pub(crate) outbound: u16,
    protocol: String,
    _place: SemaphorePermit<'static>,
}

pub(crate) struct Backend {
    pub(crate) sidecar: Sidecar,
    pub(crate) inbound: u16,
    dataplane: String,
    _app: HttpEcho,
}

impl Demo {
    /// With one instance of `backend` for each of `versions`; `protocol` is `http`, `tcp`, ...
    pub(crate) async fn start(options: Options, protocol: &str, versions: &[&str]) -> Result<Self> {
        let place = place().await?;
        Self::on(MeshEnv::start(options).await?, place, protocol, versions).await
    }

    /// The same on a control plane that runs.
    pub(crate) async fn on(
        env: MeshEnv,
        place: SemaphorePermit<'static>,
        protocol: &str,
        versions: &[&str],
    ) -> Result<Self> {
        let mut backends = Vec::new();
        for version in versions {
            backends.push(Backend::start(&env, protocol, version).await?);
        }
        let outbound = free_port()?;
        let web = env.sidecar("default", "web", &client("web", outbound)?).await?;
        Ok(Self { env, web, backends, outbound, protocol: protocol.to_owned(), _place: place })
    }

    /// One more instance of `backend`.
    pub(crate) async fn add(&mut self, version: &str) -> Result<()> {
        self.backends.push(Backend::start(&self.env, &self.protocol, version).await?);
        Ok(())
    }

    /// One request from `web` to `backend`: the instance that answered.
    pub(crate) async fn call(&self) -> Result<String> {
        let answer = self.request("/").await?;
        Ok(answer["instance"].as_str().unwrap_or_default().to_owned())
    }

    /// One request from `web` to `backend`, on a new connection.
    pub(crate) async fn request(&self, path: &str) -> Result<Value> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).pool_max_idle_per_host(0).build()?;
        let answer = client.get(format!("http://127.0.0.1:{}{path}", self.outbound)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) async fn wait_allowed(&self) -> Result<()> {
        wait_for("requests are answered", SOON, || self.call()).await.map(drop)
    }

    pub(crate) async fn wait_refused(&self) -> Result<()> {
        wait_for("requests are refused", SOON, || async {
            match self.call().await {
                Ok(instance) => Err(format!("{instance} answered")),
                Err(_) => Ok(()),
            }
        })
        .await
    }

    pub(crate) async fn mtls(&self, lifetime: &str) -> Result<()> {
        let backend =
            json!({ "name": "ca-1", "type": "builtin", "dpCert": { "rotation": { "expiration": lifetime } } });
        let mesh =
            json!({ "type": "Mesh", "name": "default", "mtls": { "enabledBackend": "ca-1", "backends": [backend] } });
        self.env.put("/meshes/default", &mesh).await
    }

    pub(crate) async fn permit(&self, name: &str, source: &str) -> Result<()> {
        let permission = json!({
            "type": "TrafficPermission", "mesh": "default", "name": name,
            "sources": [{ "match": { "kuma.io/service": source } }],
            "destinations": [{ "match": { "kuma.io/service": "backend" } }],
        });
        self.env.put(&format!("/meshes/default/traffic-permissions/{name}"), &permission).await
    }

    /// A policy from `web` to `backend`.
    pub(crate) async fn policy(&self, kind: &str, path: &str, conf: Value) -> Result<()> {
        let policy = json!({
            "type": kind, "mesh": "default", "name": "web-to-backend",
            "sources": [{ "match": { "kuma.io/service": "web" } }],
            "destinations": [{ "match": { "kuma.io/service": "backend" } }],
            "conf": conf,
        });
        self.env.put(&format!("/meshes/default/{path}/web-to-backend"), &policy).await
    }

    /// Whether the proxy `name` is shown as connected.
    pub(crate) async fn is_online(&self, name: &str) -> Result<bool> {
        let overview = self.env.get(&format!("/meshes/default/dataplanes+insights/{name}")).await?;
        let subscriptions = overview["dataplaneInsight"]["subscriptions"].as_array().cloned().unwrap_or_default();
        Ok(subscriptions.iter().any(|one| one.get("disconnectTime").is_none()))
    }
}

impl Backend {
    pub(crate) async fn start(env: &MeshEnv, protocol: &str, version: &str) -> Result<Self> {
        let (app, inbound) = (free_port()?, free_port()?);
        let echo = HttpEcho::start(version, app).await?;
        let yaml = format!(
            "type: Dataplane
mesh: default
name: backend-{version}
networking:
  address: 127.0.0.1
  inbound:
  - port: {inbound}
    servicePort: {app}
    tags:
      kuma.io/service: backend
      kuma.io/protocol: {protocol}
      version: {version}
"
        );
        let sidecar = env.sidecar("default", &format!("backend-{version}"), &yaml).await?;
        Ok(Self { sidecar, inbound, dataplane: yaml, _app: echo })
    }

    /// Starts its proxy anew.
    pub(crate) async fn restart(&mut self, env: &MeshEnv) -> Result<()> {
        self.sidecar = env.sidecar("default", &self.sidecar.name, &self.dataplane).await?;
        Ok(())
    }
}

/// A Dataplane of `service` that consumes `backend` on `outbound`.
pub(crate) fn client(service: &str, outbound: u16) -> Result<String> {
    let inbound = free_port()?;
    Ok(format!(
        "type: Dataplane
mesh: default
name: {service}
networking:
  address: 127.0.0.1
  inbound:
  - port: {inbound}
    tags:
      kuma.io/service: {service}
  outbound:
  - port: {outbound}
    tags:
      kuma.io/service: backend
"
    ))
}
