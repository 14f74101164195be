//! Whole nodes in this process, on one database.

mod away;
mod marks;
mod sharing;
mod tokens;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use gateway::conf::Conf;
use gateway::node::{LogLevel, Node, NodeError};
use gateway::offline;
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::echo::HttpEcho;
use testkit::postgres::{self, Address, Database};
use testkit::{free_port, wait_for};

/// How long a change may take to reach another node on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node that ends with the value.
struct Running {
    node: Option<Node>,
    conf: Conf,
    tasks: Tasks,
    admin: u16,
    proxy: u16,
    status: u16,
    client: reqwest::Client,
    prefix: TempDir,
}

#[derive(Debug)]
struct NoLog;

impl LogLevel for NoLog {
    fn get(&self) -> String {
        "notice".to_owned()
    }

    fn set(&self, _: &str, _: u64) {}
}

impl Running {
    async fn start(settings: &[(String, String)]) -> Self {
        Self::start_in(TempDir::with_prefix("node-").unwrap(), settings).await.unwrap()
    }

    async fn on(database: &Database) -> Self {
        Self::start(&database.address().kong()).await
    }

    async fn start_in(prefix: TempDir, settings: &[(String, String)]) -> Result<Self, NodeError> {
        let [admin, proxy, status] = [(); 3].map(|()| free_port().unwrap());
        let own = [
            ("prefix", prefix.path().display().to_string()),
            ("proxy_listen", format!("127.0.0.1:{proxy}")),
            ("admin_listen", format!("127.0.0.1:{admin}")),
            ("status_listen", format!("127.0.0.1:{status}")),
            ("proxy_access_log", "off".to_owned()),
            ("nginx_worker_processes", "1".to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let conf = Conf::load(None, [], own.into_iter().chain(settings.iter().cloned())).unwrap().conf;
        let tasks = Tasks::new();
        let node = Node::start(conf.clone(), Arc::new(SystemClock), tasks.clone(), Arc::new(NoLog)).await?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Ok(Self { node: Some(node), conf, tasks, admin, proxy, status, client, prefix })
    }

    /// Ends the node; its directory stays.
    async fn stop(mut self) -> TempDir {
        self.node.take().expect("it runs until here").stop(false).await;
        self.tasks.drain(Duration::from_secs(10)).await.unwrap();
        self.prefix
    }

    /// As `kong reload` does.
    async fn reload(&mut self) {
        let node = self.node.as_mut().expect("it runs until it is stopped");
        node.reload(self.conf.clone()).await.unwrap();
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}{path}", self.admin);
        let mut request = self.client.request(method.parse().unwrap(), url);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn create(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call("POST", path, body).await;
        assert_eq!(status, 201, "{path}: {answer}");
        answer
    }

    async fn read(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null).await
    }

    /// Whether load balancers are to send requests here.
    async fn is_ready(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/status/ready", self.status);
        self.client.get(url).send().await.unwrap().status().is_success()
    }

    /// The status of an answer to a client.
    async fn proxied(&self, path: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}{path}", self.proxy);
        self.client.get(url).send().await.unwrap().status().as_u16()
    }

    /// A service and a route of this name, which lead to this server.
    async fn publish(&self, name: &str, upstream: &HttpEcho) {
        let url = format!("http://{}", upstream.address());
        self.create("/services", json!({ "name": name, "url": url })).await;
        let route = json!({ "name": name, "paths": [format!("/{name}")] });
        self.create(&format!("/services/{name}/routes"), route).await;
    }
}

/// A database that is ready for nodes, of this test alone.
pub(super) async fn database() -> Database {
    postgres::shared().await.unwrap().database_from("gateway", prepare).await.unwrap()
}

async fn prepare(address: Address) -> anyhow::Result<()> {
    let conf = Conf::load(None, [], address.kong()).map_err(|problems| anyhow::anyhow!("{problems}"))?.conf;
    tokio::task::spawn_blocking(move || offline::migrate(&conf, PATIENCE)).await??;
    Ok(())
}

/// Waits until a call says this; anything else is shown when it does not.
async fn until<T, F>(what: &str, expected: T, mut call: impl FnMut() -> F)
where
    T: PartialEq + std::fmt::Debug,
    F: Future<Output = T>,
{
    let attempt = || {
        let call = call();
        let expected = &expected;
        async move {
            let got = call.await;
            if got == *expected { Ok(()) } else { Err(Shown(format!("{got:?}"))) }
        }
    };
    wait_for(what, PATIENCE, attempt).await.unwrap();
}

struct Shown(String);

impl Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
