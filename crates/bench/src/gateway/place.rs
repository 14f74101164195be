//! The processes measured: an upstream, nginx as a proxy, and nodes of the gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base::Clock as _;
use pki::tls::{KeyType, Role};
use tempfile::TempDir;
use testkit::{Process, bin, free_port};

use super::client::Client;

/// How long a process may take until it serves; under valgrind that is a while.
const START: Duration = Duration::from_secs(120);

/// nginx as the proxy to compare with: what a careful administrator writes, nothing that it would not need.
const PROXY: &str = "\
daemon off; master_process off; pid DIRECTORY/proxy.pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; client_body_temp_path DIRECTORY/proxy-body; proxy_temp_path DIRECTORY/proxy-temp;
  keepalive_requests 1000000000; keepalive_time 1d; keepalive_timeout 1d;
  upstream service {
    server 127.0.0.1:UPSTREAM; keepalive 512; keepalive_requests 1000000000; keepalive_time 1d;
  }
  server {
    listen 127.0.0.1:PLAIN backlog=4096;
    listen 127.0.0.1:TLS ssl http2 backlog=4096;
    listen 127.0.0.1:H2C http2 backlog=4096;
    ssl_certificate DIRECTORY/cert.pem; ssl_certificate_key DIRECTORY/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://service; proxy_http_version 1.1;
      proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
";

/// Ports that take clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// HTTP/1.1.
    pub(crate) plain: u16,
    /// TLS, HTTP/1.1 and HTTP/2.
    pub(crate) tls: u16,
    /// HTTP/2 without TLS.
    pub(crate) h2c: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self { plain: free_port()?, tls: free_port()?, h2c: free_port()? })
    }
}

/// How a proxy is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Like any program.
    Free,
    /// On processor 0, where nothing else of the measurement runs.
    Pinned,
    /// Pinned and under callgrind, which counts nothing yet.
    Counted,
}

/// What all measurements share.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    /// Port of the upstream.
    pub(crate) upstream: u16,
    processors: usize,
    _upstream: Process,
}

impl Place {
    /// Starts the upstream. Everything but the proxies gets out of the way of processor 0.
    pub(crate) fn new() -> Result<Self> {
        let processors = thread::available_parallelism()?.get();
        if processors > 1 {
            let mut command = Command::new("taskset");
            command.args(["-a", "-c", "-p", &format!("1-{}", processors - 1), &std::process::id().to_string()]);
            let output = command.output().context("taskset; see scripts/setup.sh bench")?;
            ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
        }
        let directory = TempDir::with_prefix("bench-")?;
        let identity =
            pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &["localhost".to_owned()], base::SystemClock.now())?;
        fs::write(directory.path().join("cert.pem"), &identity.cert_pem)?;
        fs::write(directory.path().join("key.pem"), identity.key_pem.expose())?;
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["upstream", &port.to_string()]);
        let mut process = Process::spawn("upstream", command)?;
        answers(port, "/", &mut process)?;
        Ok(Self { directory, upstream: port, processors, _upstream: process })
    }

    /// A path in the directory of this run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// nginx as a proxy.
    pub(crate) fn nginx(&self, run: Run) -> Result<Proxy> {
        let ports = Ports::free()?;
        let config = PROXY
            .replace("PLAIN", &ports.plain.to_string())
            .replace("127.0.0.1:TLS", &format!("127.0.0.1:{}", ports.tls))
            .replace("H2C", &ports.h2c.to_string())
            .replace("UPSTREAM", &self.upstream.to_string());
        let command = self.wrapped(nginx(self.directory.path(), "proxy.conf", &config)?, run);
        let mut process = Process::spawn("nginx", command)?;
        answers(ports.plain, "/", &mut process)?;
        Ok(Proxy { process, ports })
    }

    /// `command` under what `run` asks for.
    fn wrapped(&self, command: Command, run: Run) -> Command {
        let mut words: Vec<String> = Vec::new();
        if self.pinned() {
            // A child inherits the processors of this program.
            let processors = if run == Run::Free { format!("0-{}", self.processors - 1) } else { "0".to_owned() };
            words.extend(["taskset".to_owned(), "-c".to_owned(), processors]);
        }
        if run == Run::Counted {
            words.extend(["valgrind", "--tool=callgrind", "--instr-atstart=no"].map(str::to_owned));
            words.push(format!("--vgdb-prefix={}", self.path("vgdb").display()));
            words.push(format!("--callgrind-out-file={}", self.path("counts").display()));
        }
        let Some((first, rest)) = words.split_first() else { return command };
        let mut wrapped = Command::new(first);
        if run == Run::Counted {
            // A node that is given these begins itself, and not a process that valgrind does not follow.
            wrapped.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:1000");
        }
        wrapped.args(rest).arg(command.get_program()).args(command.get_args());
        wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        wrapped
    }

    /// A node without configuration: `database` is `off` or `sqlite`.
    pub(crate) fn node(&self, run: Run, database: &str) -> Result<Node> {
        let mut node = self.launch(run, database, &[])?;
        answers(node.admin, "/status", &mut node.proxy.process)?;
        Ok(node)
    }

    /// The same with more settings, and without waiting until it serves.
    pub(crate) fn launch(&self, run: Run, database: &str, more: &[(&str, &str)]) -> Result<Node> {
        let prefix = TempDir::with_prefix_in("prefix-", self.directory.path())?;
        let (ports, admin) = (Ports::free()?, free_port()?);
        let listen =
            format!("127.0.0.1:{}, 127.0.0.1:{} ssl http2, 127.0.0.1:{} http2", ports.plain, ports.tls, ports.h2c);
        let workers = if run == Run::Free { self.processors } else { 1 };
        let own = [
            ("PREFIX", prefix.path().display().to_string()),
            ("DATABASE", database.to_owned()),
            ("PROXY_LISTEN", listen),
            ("ADMIN_LISTEN", format!("127.0.0.1:{admin}")),
            ("STATUS_LISTEN", "off".to_owned()),
            ("PROXY_ACCESS_LOG", "off".to_owned()),
            ("ADMIN_ACCESS_LOG", "off".to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
            ("NGINX_WORKER_PROCESSES", workers.to_string()),
            ("NGINX_DAEMON", "off".to_owned()),
            ("NGINX_HTTP_KEEPALIVE_REQUESTS", "1000000000".to_owned()),
            ("UPSTREAM_KEEPALIVE_MAX_REQUESTS", "1000000000".to_owned()),
            ("SSL_CERT", self.path("cert.pem").display().to_string()),
            ("SSL_CERT_KEY", self.path("key.pem").display().to_string()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let settings: Vec<(String, String)> =
            own.into_iter().chain(more).map(|(name, value)| (format!("KONG_{name}"), value)).collect();
        let process = self.start(run, &settings)?;
        Ok(Node { proxy: Proxy { process, ports }, admin, settings, _prefix: prefix })
    }

    /// Starts a node that was stopped with the same settings again, without waiting until it serves.
    pub(crate) fn restart(&self, run: Run, node: &mut Node) -> Result<()> {
        node.proxy.process = self.start(run, &node.settings)?;
        Ok(())
    }

    fn start(&self, run: Run, settings: &[(String, String)]) -> Result<Process> {
        let mut command = Command::new(bin("kong")?);
        command.arg("start").envs(settings.iter().cloned());
        Process::spawn("kong", self.wrapped(command, run))
    }

    /// Whether there is a processor for the proxy alone.
    pub(crate) fn pinned(&self) -> bool {
        self.processors > 1
    }
}

/// A process that takes clients.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) process: Process,
    pub(crate) ports: Ports,
}

/// A node of the gateway.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) proxy: Proxy,
    /// Port of the Admin API.
    pub(crate) admin: u16,
    settings: Vec<(String, String)>,
    _prefix: TempDir,
}

impl Node {
    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.proxy.process.pid()
    }

    /// Resident memory in MiB.
    pub(crate) fn rss_mib(&self) -> Result<f64> {
        Ok(self.proxy.process.rss_kib()? as f64 / 1024.0)
    }

    /// Loads a whole configuration by `/config`.
    pub(crate) fn load(&self, config: &str) -> Result<()> {
        Client::new(self.admin).admin("POST", "/config", config)?;
        Ok(())
    }

    /// Runs a `kong` command about this node to its end.
    pub(crate) fn kong(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new(bin("kong")?).args(arguments).envs(self.settings.iter().cloned()).output()?;
        ensure!(output.status.success(), "kong {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// What the node's log has told.
    pub(crate) fn log(&self) -> String {
        self.proxy.process.output()
    }
}

/// Waits until `port` answers a request, whatever it says.
fn answers(port: u16, path: &str, process: &mut Process) -> Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let begin = Instant::now();
    loop {
        match Client::new(port).send(request.as_bytes()) {
            Ok(_) => return Ok(()),
            Err(error) if begin.elapsed() > START || !process.is_running() => {
                bail!("port {port} does not answer: {error}; the process tells:\n{}", process.output())
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// nginx with this configuration.
fn nginx(directory: &Path, name: &str, config: &str) -> Result<Command> {
    let file = directory.join(name);
    fs::write(&file, config.replace("DIRECTORY", &directory.display().to_string()))?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file);
    Ok(command)
}
