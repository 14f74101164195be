//! A whole mesh of real programs on free ports: control plane, launchers, Envoys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::postgres::Address;
use crate::{Process, bin, envoy_binary, free_port, wait_for};

/// How long starting programs may take on a busy machine.
pub const START: Duration = Duration::from_secs(30);

/// How a mesh is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// `KUMA_STORE_TYPE`
    pub store: &'static str,
    /// Further `KUMA_*` variables of the control plane.
    pub env: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { store: "sqlite", env: BTreeMap::new() }
    }
}

/// A control plane and its work directory.
#[derive(Debug)]
pub struct MeshEnv {
    /// Port of the HTTP API.
    pub api: u16,
    /// Port of the data plane server.
    pub dp: u16,
    /// Port of the oldest dialect's bootstrap server and of the API over TLS.
    pub bootstrap: u16,
    /// Port of the token server.
    pub admin: u16,
    /// Port of the diagnostics server.
    pub diagnostics: u16,
    options: Options,
    dir: Option<TempDir>,
    control_plane: Option<Process>,
    client: reqwest::Client,
}

/// A launcher with its Envoy.
#[derive(Debug)]
pub struct Sidecar {
    /// Name of the Dataplane.
    pub name: String,
    /// Port of Envoy's admin interface.
    pub admin: u16,
    /// The launcher.
    pub process: Process,
}

impl Options {
    /// State in a PostgreSQL database, which `kuma-cp migrate up` has to have prepared.
    pub fn on(address: &Address) -> Self {
        Self { store: "postgres", env: address.kuma() }
    }
}

impl MeshEnv {
    /// A control plane that is not started yet.
    pub fn new(options: Options) -> Result<Self> {
        Ok(Self {
            api: free_port()?,
            dp: free_port()?,
            bootstrap: free_port()?,
            admin: free_port()?,
            diagnostics: free_port()?,
            options,
            dir: Some(TempDir::with_prefix("mesh-")?),
            control_plane: None,
            client: reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?,
        })
    }

    /// Starts a control plane and waits until it is ready.
    pub async fn start(options: Options) -> Result<Self> {
        let mut env = Self::new(options)?;
        env.start_control_plane().await?;
        Ok(env)
    }

    /// The directory of everything that belongs to this mesh.
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("it is there until drop").path()
    }

    /// Starts the control plane (again), on the same ports and work directory.
    pub async fn start_control_plane(&mut self) -> Result<()> {
        self.control_plane = Some(Process::spawn("kuma-cp", self.kuma_cp(&["run"])?)?);
        let url = format!("http://127.0.0.1:{}/ready", self.diagnostics);
        let process = self.control_plane.as_ref().context("just started")?;
        wait_for("the control plane is ready", START, || async {
            let answer =
                self.client.get(&url).send().await.map_err(|error| format!("{error}\n{}", process.output()))?;
            answer.error_for_status().map_err(|error| error.to_string())
        })
        .await?;
        Ok(())
    }

    /// A `kuma-cp` command with the configuration of this control plane.
    pub fn kuma_cp(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(bin("kuma-cp")?);
        command.args(args).envs(self.variables()).envs(&self.options.env);
        Ok(command)
    }

    fn variables(&self) -> BTreeMap<&'static str, String> {
        let port = |port: u16| port.to_string();
        BTreeMap::from([
            ("KUMA_STORE_TYPE", self.options.store.to_owned()),
            ("KUMA_GENERAL_WORK_DIR", self.dir().join("cp").display().to_string()),
            ("KUMA_API_SERVER_HTTP_PORT", port(self.api)),
            ("KUMA_API_SERVER_HTTPS_PORT", port(self.bootstrap)),
            ("KUMA_BOOTSTRAP_SERVER_PORT", port(self.bootstrap)),
            ("KUMA_DP_SERVER_PORT", port(self.dp)),
            ("KUMA_ADMIN_SERVER_LOCAL_PORT", port(self.admin)),
            ("KUMA_DIAGNOSTICS_SERVER_PORT", port(self.diagnostics)),
        ])
    }

    /// The control plane's process.
    pub fn control_plane(&mut self) -> &mut Process {
        self.control_plane.as_mut().expect("started by `start`")
    }

    /// URL of an API path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.api)
    }

    /// A client for anything else.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// GETs an API path.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get_text(path).await?)?)
    }

    /// GETs an API path: the body as it is.
    pub async fn get_text(&self, path: &str) -> Result<String> {
        let answer = self.client.get(self.url(path)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "GET {path}: {status} {text}");
        Ok(text)
    }

    /// PUTs a resource under the path segment of its kind (`meshes` for a mesh itself).
    pub async fn put(&self, path: &str, body: &Value) -> Result<()> {
        let answer = self.client.put(self.url(path)).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "PUT {path}: {status} {text}");
        Ok(())
    }

    /// DELETEs an API path.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let answer = self.client.delete(self.url(path)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "DELETE {path}: {status} {text}");
        Ok(())
    }

    /// A kumactl command on this control plane.
    pub fn kumactl(&self) -> Result<Command> {
        let mut command = Command::new(bin("kumactl")?);
        let config = self.dir().join("kumactl.yaml");
        if !config.exists() {
            let coordinates = json!({ "apiServer": { "url": format!("http://127.0.0.1:{}", self.api) } });
            let document = json!({
                "controlPlanes": [{ "name": "test", "coordinates": coordinates }],
                "contexts": [{ "name": "test", "controlPlane": "test" }],
                "currentContext": "test",
            });
            std::fs::write(&config, document.to_string())?;
        }
        command.arg("--config-file").arg(config);
        Ok(command)
    }

    /// Applies resources, YAML, with kumactl.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        let file = self.dir().join("apply.yaml");
        std::fs::write(&file, yaml)?;
        let output = self.kumactl()?.args(["apply", "-f"]).arg(&file).output()?;
        ensure!(output.status.success(), "kumactl apply: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// A dataplane token.
    pub async fn token(&self, mesh: &str, name: &str) -> Result<String> {
        let body = json!({ "mesh": mesh, "name": name, "validFor": "24h" });
        let answer = self.client.post(self.url("/tokens/dataplane")).json(&body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "token: {status} {text}");
        Ok(text)
    }

    /// A launcher command for the proxy `name` with its own Dataplane (YAML), not yet started.
    pub async fn launcher(&self, mesh: &str, name: &str, dataplane: &str, admin: u16) -> Result<Command> {
        let dir = self.sidecar_dir(name)?;
        let (token, resource) = (dir.join("token"), dir.join("dataplane.yaml"));
        std::fs::write(&token, self.token(mesh, name).await?)?;
        std::fs::write(&resource, dataplane)?;
        let mut command = Command::new(bin("kuma-dp")?);
        command
            .arg("run")
            .arg(format!("--name={name}"))
            .arg(format!("--mesh={mesh}"))
            .arg(format!("--cp-address=https://localhost:{}", self.dp))
            .arg(format!("--dataplane-token-file={}", token.display()))
            .arg(format!("--dataplane-file={}", resource.display()))
            .arg(format!("--admin-port={admin}"))
            .arg(format!("--work-dir={}", dir.display()))
            .arg("--concurrency=1")
            .arg("--drain-time=1s")
            .arg(format!("--binary-path={}", envoy_binary()?.display()))
            .env("KUMA_READINESS_PORT", free_port()?.to_string());
        Ok(command)
    }

    /// Starts a proxy with its own Dataplane and waits until Envoy has its listeners.
    pub async fn sidecar(&self, mesh: &str, name: &str, dataplane: &str) -> Result<Sidecar> {
        let sidecar = self.sidecar_unready(mesh, name, dataplane).await?;
        self.wait_ready(&sidecar).await?;
        Ok(sidecar)
    }

    /// Starts a proxy with its own Dataplane.
    pub async fn sidecar_unready(&self, mesh: &str, name: &str, dataplane: &str) -> Result<Sidecar> {
        let admin = free_port()?;
        let command = self.launcher(mesh, name, dataplane, admin).await?;
        Ok(Sidecar { name: name.to_owned(), admin, process: Process::spawn(format!("kuma-dp {name}"), command)? })
    }

    /// Waits until a proxy's Envoy has its listeners.
    pub async fn wait_ready(&self, sidecar: &Sidecar) -> Result<()> {
        wait_for(&format!("{} is ready", sidecar.name), START, || async {
            match self.envoy(sidecar, "/ready").await {
                Ok(text) if text.contains("LIVE") => Ok(()),
                Ok(text) => Err(text),
                Err(error) => Err(format!("{error:#}\n{}", sidecar.process.output())),
            }
        })
        .await
    }

    /// GETs a path of a proxy's admin interface.
    pub async fn envoy(&self, sidecar: &Sidecar, path: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{}{path}", sidecar.admin);
        Ok(self.client.get(url).send().await?.text().await?)
    }

    /// A number of Envoy's statistics; 0 when it is not there.
    pub async fn stat(&self, sidecar: &Sidecar, name: &str) -> Result<u64> {
        let text = self.envoy(sidecar, &format!("/stats?filter=^{}$", name.replace('.', "\\."))).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.map_or(Ok(0), |value| value.trim().parse())?)
    }

    fn sidecar_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir().join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }
}

impl Drop for MeshEnv {
    fn drop(&mut self) {
        self.control_plane = None;
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("the files of this mesh are kept in {}", dir.keep().display());
        }
    }
}
