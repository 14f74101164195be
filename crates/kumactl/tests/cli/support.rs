//! Runs command lines against a control plane of canned answers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use base::clock::ManualClock;
use kumactl::{Environment, run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// The time at which all commands run.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

/// A control plane, a home directory and a place for files.
pub(crate) struct Bench {
    routes: Vec<(&'static str, u16, String)>,
    stdin: String,
    /// Bound once, so that the address stays the same for all runs.
    listener: std::net::TcpListener,
    pub(crate) home: TempDir,
}

/// What came of a command line.
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `METHOD /path?query body`, in order.
    pub(crate) requests: Vec<String>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { routes: Vec::new(), stdin: String::new(), listener, home: tempfile::tempdir().unwrap() }
    }

    /// Answers `METHOD /path?query`; `http://CP` in the body stands for the control plane's address.
    #[expect(clippy::needless_pass_by_value, reason = "callers have text and JSON values, mostly new ones")]
    pub(crate) fn on(mut self, request: &'static str, status: u16, body: impl ToString) -> Self {
        self.routes.push((request, status, body.to_string()));
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.to_owned();
        self
    }

    fn address(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Writes a file below the home directory, where `HOME` in arguments points. `http://CP` in the text stands for the
    /// control plane's address.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("http://CP", &self.address())).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.home.path().join(path)).unwrap()
    }

    /// Runs a command line against the canned control plane. In arguments and results `http://CP` stands for its address
    /// and `HOME` for the home directory.
    pub(crate) async fn run(&self, line: &str) -> Ran {
        let listener = TcpListener::from_std(self.listener.try_clone().unwrap()).unwrap();
        let address = self.address();
        let config = self.home.path().join(".kumactl/config");
        if !config.exists() {
            write_config(&config, &address);
        }
        let server = Server {
            routes: self
                .routes
                .iter()
                .map(|(at, status, body)| (*at, *status, body.replace("http://CP", &address)))
                .collect(),
            requests: Mutex::default(),
        };
        let server = Arc::new(server);
        let app = Router::new().fallback(answer).with_state(Arc::clone(&server));
        let home = self.home.path().to_str().unwrap().to_owned();
        let words =
            line.split_whitespace().map(|word| word.replace("http://CP", &address).replace("HOME", &home).into());
        let (mut stdout, mut stderr, mut stdin) = (Vec::new(), Vec::new(), self.stdin.as_bytes());
        let environment = Environment {
            stdin: &mut stdin,
            stdout: &mut stdout,
            stderr: &mut stderr,
            clock: Arc::new(ManualClock::new(NOW.parse().unwrap())),
            home: Some(self.home.path().to_owned()),
        };
        let code = tokio::select! {
            code = run(std::iter::once("kumactl".into()).chain(words), environment) => code,
            served = axum::serve(listener, app) => panic!("the control plane stopped: {served:?}"),
        };
        let clean =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&address, "http://CP").replace(&home, "HOME");
        Ran {
            // Exit codes cannot be compared otherwise.
            success: format!("{code:?}") == format!("{:?}", std::process::ExitCode::SUCCESS),
            stdout: clean(stdout),
            stderr: clean(stderr),
            requests: server.requests.lock().await.clone(),
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for request in &self.requests {
            writeln!(f, "> {request}")?;
        }
        f.write_str(&self.stdout)?;
        if !self.stdout.is_empty() && !self.stdout.ends_with('\n') {
            writeln!(f, "(no line end)")?;
        }
        for line in self.stderr.lines() {
            writeln!(f, "! {line}")?;
        }
        if self.success { Ok(()) } else { writeln!(f, "(failed)") }
    }
}

fn write_config(path: &Path, address: &str) {
    let text = format!(
        "controlPlanes: [{{name: test, coordinates: {{apiServer: {{url: '{address}'}}}}}}]\n\
         contexts: [{{name: test, controlPlane: test}}]\ncurrentContext: test\n"
    );
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

struct Server {
    routes: Vec<(&'static str, u16, String)>,
    requests: Mutex<Vec<String>>,
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let at = format!("{} {}", request.method(), request.uri());
    let secret = request.headers().get("authorization").map(|value| format!(" [{}]", value.to_str().unwrap()));
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = if body.is_empty() { String::new() } else { format!(" {}", String::from_utf8(body.into()).unwrap()) };
    server.requests.lock().await.push(format!("{at}{}{body}", secret.unwrap_or_default()));
    let route = server.routes.iter().find(|(route, ..)| *route == at);
    let (status, body) = match route {
        Some((_, status, body)) => (*status, body.clone()),
        None => (404, r#"{"title":"Could not retrieve a resource","details":"Not found"}"#.to_owned()),
    };
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(body)).unwrap()
}

/// A list as the control plane answers it.
#[expect(clippy::needless_pass_by_value, reason = "callers have new values")]
pub(crate) fn list(items: Value, next: Value) -> Value {
    let total = items.as_array().unwrap().len();
    serde_json::json!({"total": total, "items": items, "next": next})
}
