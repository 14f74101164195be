//! A gateway node on free ports of the loopback interface, with a prefix directory of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::mesh::START;
use crate::postgres::Address;
use crate::{Process, bin, free_port, wait_for};

/// How long a node may take to end on a busy machine.
const END: Duration = Duration::from_secs(20);

/// A node and its directory. It runs in the foreground and ends with the value.
#[derive(Debug)]
pub struct GatewayEnv {
    /// Port for clients.
    pub proxy: u16,
    /// Port for clients, TLS and HTTP/2.
    pub proxy_tls: u16,
    /// Port of the Admin API.
    pub admin: u16,
    /// Port of the status API.
    pub status: u16,
    settings: BTreeMap<String, String>,
    dir: Option<TempDir>,
    node: Option<Process>,
    client: reqwest::Client,
}

impl GatewayEnv {
    /// A node that is not started yet. `settings` are those of `kong.conf`; they win over the ones chosen here.
    pub fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let dir = TempDir::with_prefix("gateway-")?;
        let (proxy, proxy_tls, admin, status) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let own = [
            ("prefix", dir.path().join("prefix").display().to_string()),
            ("proxy_listen", format!("127.0.0.1:{proxy} http2, 127.0.0.1:{proxy_tls} ssl http2")),
            ("admin_listen", format!("127.0.0.1:{admin}")),
            ("status_listen", format!("127.0.0.1:{status}")),
            ("nginx_worker_processes", "2".to_owned()),
            ("nginx_daemon", "off".to_owned()),
        ];
        let given = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok(Self {
            proxy,
            proxy_tls,
            admin,
            status,
            settings: own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(given).collect(),
            dir: Some(dir),
            node: None,
            client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?,
        })
    }

    /// A node that keeps its state in a PostgreSQL database, which `kong migrations bootstrap` has to have prepared; not
    /// started yet.
    pub fn on(address: &Address, settings: &[(&str, &str)]) -> Result<Self> {
        let mut env = Self::new(&[])?;
        env.settings.extend(address.kong());
        settings.iter().for_each(|(name, value)| env.set(name, value));
        Ok(env)
    }

    /// Starts a node and waits until it serves.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        let mut env = Self::new(settings)?;
        env.launch().await?;
        Ok(env)
    }

    /// Starts a node without a database that serves `declarative`, YAML, kept in [`Self::declarative_file`].
    pub async fn declarative(declarative: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let mut env = Self::new(settings)?;
        let file = env.declarative_file();
        std::fs::write(&file, declarative)?;
        env.set("database", "off");
        env.set("declarative_config", &file.display().to_string());
        env.launch().await?;
        Ok(env)
    }

    /// The file of [`Self::declarative`].
    pub fn declarative_file(&self) -> PathBuf {
        self.dir().join("kong.yml")
    }

    /// The directory of everything that belongs to this node; the prefix is `prefix` in it.
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("it is there until drop").path()
    }

    /// The prefix directory.
    pub fn prefix(&self) -> PathBuf {
        self.dir().join("prefix")
    }

    /// Changes a setting, for commands from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// A `kong` command with the settings of this node, in its directory.
    pub fn kong(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(bin("kong")?);
        let variables = self.settings.iter().map(|(name, value)| (format!("KONG_{}", name.to_uppercase()), value));
        command.args(args).envs(variables).current_dir(self.dir());
        Ok(command)
    }

    /// Runs a `kong` command to its end: what it printed, or an error with what it complained about.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let Output { status, stdout, stderr } = self.kong(args)?.output()?;
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        ensure!(status.success(), "kong {}: {status}\n{stderr}", args.join(" "));
        Ok(stdout.into_owned())
    }

    /// Starts the node (again), on the same ports and prefix, and waits until it serves.
    pub async fn launch(&mut self) -> Result<()> {
        let mut process = Process::spawn("kong", self.kong(&["start"])?)?;
        let (pid, pid_file) = (process.pid().to_string(), self.prefix().join("pids/nginx.pid"));
        let is_serving = wait_for("the node serves", START, || {
            let serves = std::fs::read_to_string(&pid_file).is_ok_and(|text| text.trim() == pid);
            let known = serves || !process.is_running();
            std::future::ready(if known { Ok(serves) } else { Err(process.output()) })
        });
        ensure!(is_serving.await?, "the node does not start:\n{}", process.output());
        self.node = Some(process);
        Ok(())
    }

    /// The node's process; it has to be started.
    pub fn node(&mut self) -> &mut Process {
        self.node.as_mut().expect("the node is started")
    }

    /// Ends the node with `signal`, as `kong stop` (`TERM`) and `kong quit` (`QUIT`) do, and waits for that.
    pub async fn stop(&mut self, signal: Signal) -> Result<()> {
        let node = self.node();
        node.signal(signal)?;
        let status = node.wait(END).await?;
        ensure!(status.success(), "the node ended with {status}\n{}", self.node().output());
        Ok(())
    }

    /// URL of a path of the Admin API.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }

    /// URL of a path as clients call it.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.proxy)
    }

    /// A client for anything else.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A call of the Admin API: status and body, which is null when there is none.
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, self.admin_url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?
        };
        Ok((status, body))
    }

    /// GETs an entity or a list.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.expect(Method::GET, path, None).await
    }

    /// POSTs an entity: as it was created.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect(Method::POST, path, Some(body)).await
    }

    /// PUTs an entity.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect(Method::PUT, path, Some(body)).await
    }

    /// PATCHes an entity.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect(Method::PATCH, path, Some(body)).await
    }

    /// DELETEs an entity.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.expect(Method::DELETE, path, None).await.map(drop)
    }

    /// Replaces the whole configuration of a node without a database; YAML.
    pub async fn post_config(&self, yaml: &str) -> Result<(StatusCode, Value)> {
        let body = serde_json::json!({ "config": yaml });
        self.admin(Method::POST, "/config", Some(&body)).await
    }

    async fn expect(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.admin(method.clone(), path, body).await?;
        ensure!(status.is_success(), "{method} {path}: {status} {answer}");
        Ok(answer)
    }
}

impl Drop for GatewayEnv {
    fn drop(&mut self) {
        self.node = None;
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("the files of this node are kept in {}", dir.keep().display());
        }
    }
}
