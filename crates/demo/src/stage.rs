//! The processes of the demo.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::echo::HttpEcho;
use testkit::mesh::START;
use testkit::{Process, bin, envoy_binary, paths, wait_for};

use crate::ports::{Ports, ServicePorts};
use crate::screen::Screen;
use crate::shell::{Line, from_here};

/// The gateway's configuration, an example.
const GATEWAY: &str = "gateway/mesh.yml";

/// How long all processes together may take to end when asked to.
const END: Duration = Duration::from_secs(8);

/// A control plane, the services, their proxies, and a gateway. Fields end in the order in which they stand here.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) ports: Ports,
    pub(crate) client: reqwest::Client,
    gateway: Option<Process>,
    pub(crate) sidecars: Vec<Sidecar>,
    control_plane: Process,
    _echo: Process,
    _backends: [HttpEcho; 2],
    /// Everything on disk.
    dir: TempDir,
}

/// A launcher with its Envoy.
#[derive(Debug)]
pub(crate) struct Sidecar {
    pub(crate) name: &'static str,
    /// How it was started.
    pub(crate) line: Line,
    admin: u16,
    process: Process,
}

impl Stage {
    /// Starts everything, with neither mutual TLS nor policies.
    pub(crate) async fn build(ports: Ports, screen: &Screen) -> Result<Self> {
        screen.title("0. A control plane, three services, a proxy next to each")?;
        let dir = TempDir::with_prefix("higuma-demo-")?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let control_plane = start_control_plane(&ports, &dir, &client, screen).await?;
        let backends =
            [HttpEcho::start("v1", ports.backend_v1.app).await?, HttpEcho::start("v2", ports.backend_v2.app).await?];
        let echo = start_echo(&ports, screen)?;
        let mut stage = Self {
            ports,
            client,
            gateway: None,
            sidecars: Vec::new(),
            control_plane,
            _echo: echo,
            _backends: backends,
            dir,
        };
        stage.start_sidecars(screen).await?;
        Ok(stage)
    }

    async fn start_sidecars(&mut self, screen: &Screen) -> Result<()> {
        let begun = Instant::now();
        let Ports { web, backend_v1, backend_v2, echo, to_backend, to_echo, .. } = self.ports;
        let outbounds = [("backendPort", to_backend), ("echoPort", to_echo)];
        self.start_sidecar("web", "dataplane-web.yaml", web, &outbounds.map(|(key, port)| (key, port.to_string())))?;
        for (name, version, ports) in [("backend-v1", "v1", backend_v1), ("backend-v2", "v2", backend_v2)] {
            self.start_sidecar(name, "dataplane-backend.yaml", ports, &[("version", version.to_owned())])?;
        }
        self.start_sidecar("echo", "dataplane-echo.yaml", echo, &[])?;
        screen.command(&self.sidecars[0].line.to_string())?;
        screen.say("    and the same for backend-v1, backend-v2 and echo")?;
        for sidecar in &mut self.sidecars {
            sidecar.wait_ready(&self.client).await?;
        }
        screen.outcome("4 proxies", &format!("ready after {:.1} s", begun.elapsed().as_secs_f64()))
    }

    /// Fetches a token and starts a proxy, in the way a user would.
    fn start_sidecar(
        &mut self,
        name: &'static str,
        resource: &str,
        ports: ServicePorts,
        variables: &[(&str, String)],
    ) -> Result<()> {
        let token = self.dir.path().join(format!("{name}.token"));
        let generate = self.kumactl()?.arg("generate").arg("dataplane-token").arg(format!("--name={name}"));
        std::fs::write(&token, generate.arg("--mesh=default").arg("--valid-for=24h").run()?)?;
        let own =
            [("name", name.to_owned()), ("port", ports.inbound.to_string()), ("servicePort", ports.app.to_string())];
        let values: Vec<_> = own.iter().chain(variables).map(|(key, value)| format!("{key}={value}")).collect();
        let line = Line::new(&bin("kuma-dp")?)
            .arg("run")
            .arg(format!("--cp-address=https://localhost:{}", self.ports.dp))
            .arg(format!("--dataplane-file={}", example(resource)))
            .arg(format!("--dataplane-var={}", values.join(",")))
            .arg(format!("--dataplane-token-file={}", token.display()))
            .arg(format!("--binary-path={}", from_here(&envoy_binary()?)))
            .arg(format!("--admin-port={}", ports.admin))
            .arg("--readiness-port=0")
            .arg("--concurrency=1")
            .arg("--drain-time=1s");
        let process = Process::spawn(format!("kuma-dp of {name}"), line.command())?;
        self.sidecars.push(Sidecar { name, line, admin: ports.admin, process });
        Ok(())
    }

    /// Starts the gateway with a declarative configuration, which is shown.
    pub(crate) async fn start_gateway(&mut self, screen: &Screen) -> Result<()> {
        let (file, prefix) = (self.gateway_file()?, self.dir.path().join("gateway"));
        let mut line = Line::new(&bin("kong")?)
            .arg("start")
            .variable("KONG_DATABASE", "off")
            .variable("KONG_DECLARATIVE_CONFIG", &file)
            .variable("KONG_PREFIX", prefix.display())
            // In the foreground, where it ends with the demo.
            .variable("KONG_NGINX_DAEMON", "off");
        let Ports { gateway, gateway_tls, gateway_admin, gateway_admin_tls, gateway_status, .. } = self.ports;
        if !self.ports.documented {
            line = line
                .variable("KONG_PROXY_LISTEN", format!("127.0.0.1:{gateway}, 127.0.0.1:{gateway_tls} ssl http2"))
                .variable("KONG_ADMIN_LISTEN", format!("127.0.0.1:{gateway_admin}, 127.0.0.1:{gateway_admin_tls} ssl"))
                .variable("KONG_STATUS_LISTEN", format!("127.0.0.1:{gateway_status}"));
        }
        screen.file(&example_text(GATEWAY)?)?;
        screen.command(&line.to_string())?;
        let begun = Instant::now();
        let process = Process::spawn("kong", line.command())?;
        let url = format!("http://127.0.0.1:{gateway_status}/status/ready");
        wait_for("the gateway is ready", START, || async {
            let answer = self.client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
            answer.map_err(|error| format!("{error}\n{}", process.output()))
        })
        .await?;
        self.gateway = Some(process);
        screen.outcome("gateway", &format!("ready after {} ms", begun.elapsed().as_millis()))
    }

    /// The example, or a copy of it for other ports than the documented ones.
    fn gateway_file(&self) -> Result<String> {
        if self.ports.documented {
            return Ok(example(GATEWAY));
        }
        let path = self.dir.path().join("kong.yml");
        let documented = Ports::documented().to_backend.to_string();
        std::fs::write(&path, example_text(GATEWAY)?.replace(&documented, &self.ports.to_backend.to_string()))?;
        Ok(path.display().to_string())
    }

    /// A kumactl command on this control plane.
    pub(crate) fn kumactl(&self) -> Result<Line> {
        let line = Line::new(&bin("kumactl")?);
        if !self.ports.documented {
            return Ok(line.arg("--config-file").arg(self.kumactl_config()?.display()));
        }
        // Without a configuration of the user's the local control plane is the default.
        let own = std::env::home_dir().is_some_and(|home| home.join(".kumactl/config").exists());
        Ok(if own { line.arg("--no-config") } else { line })
    }

    fn kumactl_config(&self) -> Result<PathBuf> {
        let path = self.dir.path().join("kumactl.yaml");
        if !path.exists() {
            let add = Line::new(&bin("kumactl")?).arg("--config-file").arg(path.display());
            add.arg("config")
                .arg("control-planes")
                .arg("add")
                .arg("--name=demo")
                .arg(format!("--address=http://127.0.0.1:{}", self.ports.api))
                .run()?;
        }
        Ok(path)
    }

    /// The sidecar `name`, which the stage has.
    pub(crate) fn sidecar(&mut self, name: &str) -> &mut Sidecar {
        self.sidecars.iter_mut().find(|sidecar| sidecar.name == name).expect("every service has one")
    }

    /// Asks all processes to end, and waits for that.
    pub(crate) async fn stop(&mut self) {
        let mut processes: Vec<_> = self.sidecars.iter_mut().map(|sidecar| &mut sidecar.process).collect();
        processes.extend(&mut self.gateway);
        processes.push(&mut self.control_plane);
        for process in &processes {
            // One that has ended needs no signal, and what does not end now is killed when the stage is dropped.
            process.signal(Signal::TERM).ok();
        }
        let deadline = Instant::now() + END;
        for process in processes {
            process.wait(deadline.saturating_duration_since(Instant::now())).await.ok();
        }
    }
}

impl Sidecar {
    /// Waits until its Envoy has its listeners.
    pub(crate) async fn wait_ready(&mut self, client: &reqwest::Client) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/ready", self.admin);
        wait_for(&format!("the proxy of {} is ready", self.name), START, || async {
            let answer = client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
            answer.map_err(|error| format!("{error}\n{}", self.process.output()))
        })
        .await
        .map(drop)
    }

    /// Process id of the launcher.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends launcher and Envoy at once, as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it as it was started before.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.process = Process::spawn(format!("kuma-dp of {}", self.name), self.line.command())?;
        Ok(())
    }
}

async fn start_control_plane(
    ports: &Ports,
    dir: &TempDir,
    client: &reqwest::Client,
    screen: &Screen,
) -> Result<Process> {
    let begun = Instant::now();
    let work_dir = dir.path().join("control-plane");
    let mut line = Line::new(&bin("kuma-cp")?).arg("run").variable("KUMA_GENERAL_WORK_DIR", work_dir.display());
    if !ports.documented {
        line = line
            .variable("KUMA_API_SERVER_HTTP_PORT", ports.api)
            .variable("KUMA_API_SERVER_HTTPS_PORT", ports.api_tls)
            .variable("KUMA_BOOTSTRAP_SERVER_PORT", ports.api_tls)
            .variable("KUMA_DP_SERVER_PORT", ports.dp)
            .variable("KUMA_ADMIN_SERVER_LOCAL_PORT", ports.admin)
            .variable("KUMA_DIAGNOSTICS_SERVER_PORT", ports.diagnostics);
    }
    screen.command(&line.to_string())?;
    let process = Process::spawn("kuma-cp", line.command())?;
    let url = format!("http://127.0.0.1:{}/ready", ports.diagnostics);
    wait_for("the control plane is ready", START, || async {
        let answer = client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| format!("{error}\n{}", process.output()))
    })
    .await?;
    screen.outcome("control plane", &format!("ready after {:.1} s", begun.elapsed().as_secs_f64()))?;
    Ok(process)
}

fn start_echo(ports: &Ports, screen: &Screen) -> Result<Process> {
    let line = Line::new(&bin("kuma-tcp-echo")?).arg("-port").arg(ports.echo.app).arg("--address").arg("127.0.0.1");
    screen.command(&line.to_string())?;
    screen.outcome("services", "backend in versions v1 and v2 (HTTP), echo (TCP); web calls them")?;
    Process::spawn("kuma-tcp-echo", line.command())
}

/// The example `name`, as a command names it.
pub(crate) fn example(name: &str) -> String {
    from_here(&paths::root().join("examples").join(name))
}

/// The content of the example `name`.
pub(crate) fn example_text(name: &str) -> Result<String> {
    let path = paths::root().join("examples").join(name);
    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
}
