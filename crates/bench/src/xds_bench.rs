//! `bench xds`: one endpoint changes, and all proxies hear of it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testkit::{MeshEnv, Options, Process, envoy_binary, free_port, wait_for};
use tokio::time::{Instant as Timer, sleep_until};

use crate::fleet::{Destination, Fleet};
use crate::floor::{self, Floor};
use crate::mesh::{Mesh, Shape};
use crate::{XdsArgs, report, usage};

/// How long a process is left alone before its memory is read.
const CALM: Duration = Duration::from_secs(3);

/// One measurement.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) proxies: usize,
    /// All proxies from nothing to their configuration.
    pub(crate) start: Duration,
    /// From the request sent to the last acknowledgement sent, sorted.
    pub(crate) from_sent: Vec<Duration>,
    /// From the answer to the last acknowledgement; zero if that came first.
    pub(crate) from_answered: Vec<Duration>,
    /// Server's processor time for each proxy and change.
    pub(crate) cpu: Duration,
    /// Server's memory before the proxies came, in bytes.
    pub(crate) rss_before: u64,
    /// Server's memory with all of them connected and configured.
    pub(crate) rss_after: u64,
    /// Server's memory after the changes.
    pub(crate) rss_end: u64,
    /// Share of one core while nothing changes.
    pub(crate) idle: f64,
    /// Bytes of the response of a change.
    pub(crate) bytes: usize,
    pub(crate) floor: Floor,
}

impl Round {
    /// Bytes of server memory for each proxy.
    pub(crate) fn rss_per_proxy(&self) -> u64 {
        self.rss_after.saturating_sub(self.rss_before) / self.proxies.max(1) as u64
    }
}

/// Measures and reports.
pub(crate) async fn run(args: XdsArgs) -> Result<()> {
    let load = usage::load();
    let mut rounds = Vec::new();
    for proxies in &args.proxies {
        let round = measure(&args, *proxies).await.with_context(|| format!("with {proxies} proxies"))?;
        report::progress(&round);
        rounds.push(round);
    }
    let launcher = if args.toy || args.no_launcher { None } else { Some(launcher().await?) };
    report::publish(&args, &rounds, launcher, &load)
}

/// Who serves the proxies.
enum Server {
    Product(Box<Mesh>),
    Toy { process: Process, control: u16, client: reqwest::Client, destination: Destination },
}

impl Server {
    async fn start(args: &XdsArgs, proxies: usize) -> Result<Self> {
        let shape = Shape { services: args.services, instances: args.instances };
        if !args.toy {
            return Ok(Self::Product(Box::new(Mesh::start(shape, proxies, args.mtls).await?)));
        }
        let (port, control) = (free_port()?, free_port()?);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("toy").args([port, control].map(|port| port.to_string()));
        command.args([args.services, args.instances].map(|count| count.to_string()));
        let process = Process::spawn("toy", command)?;
        wait_for("the toy listens", Duration::from_secs(10), || tokio::net::TcpStream::connect(("127.0.0.1", port)))
            .await?;
        let destination = Destination { port, token: String::new(), secrets: Vec::new() };
        Ok(Self::Toy { process, control, client: reqwest::Client::new(), destination })
    }

    fn pid(&mut self) -> u32 {
        match self {
            Self::Product(mesh) => mesh.env.control_plane().pid(),
            Self::Toy { process, .. } => process.pid(),
        }
    }

    fn destination(&self) -> Destination {
        match self {
            Self::Product(mesh) => mesh.destination.clone(),
            Self::Toy { destination, .. } => destination.clone(),
        }
    }

    /// Changes the first endpoint of a service; returns when that is answered.
    async fn change(&self, service: usize, address: &str) -> Result<()> {
        match self {
            Self::Product(mesh) => mesh.put(service, address).await,
            Self::Toy { control, client, .. } => {
                let url = format!("http://127.0.0.1:{control}/{service}/{address}");
                client.put(url).send().await?.error_for_status()?;
                Ok(())
            }
        }
    }
}

async fn measure(args: &XdsArgs, proxies: usize) -> Result<Round> {
    let mut server = Server::start(args, proxies).await?;
    let pid = server.pid();
    rest(CALM).await;
    let rss_before = usage::rss(pid)?;
    let started = Instant::now();
    let fleet = Fleet::connect(proxies, server.destination()).await?;
    let start = started.elapsed();
    rest(CALM).await;
    let rss_after = usage::rss(pid)?;
    let idle = idle(pid, Duration::from_secs(args.idle)).await?;
    let changes = changes(args, &server, &fleet, pid).await?;
    let rss_end = usage::rss(pid)?;
    fleet.close().await;
    drop(server);
    let (sockets, bytes, count) = (proxies, changes.bytes, args.changes);
    let floor = tokio::task::spawn_blocking(move || floor::measure(sockets, bytes, count)).await??;
    let Changes { from_sent, from_answered, cpu, bytes } = changes;
    Ok(Round { proxies, start, from_sent, from_answered, cpu, rss_before, rss_after, rss_end, idle, bytes, floor })
}

struct Changes {
    from_sent: Vec<Duration>,
    from_answered: Vec<Duration>,
    cpu: Duration,
    bytes: usize,
}

async fn changes(args: &XdsArgs, server: &Server, fleet: &Fleet, pid: u32) -> Result<Changes> {
    let (mut from_sent, mut from_answered, mut bytes) = (Vec::new(), Vec::new(), 0);
    let cpu_before = usage::cpu(pid)?;
    for number in 0..args.changes {
        let address = format!("10.77.{}.{}", number / 250, 1 + number % 250);
        fleet.expect(&address);
        let sent = Instant::now();
        let (answered, last) = tokio::join!(
            async {
                server.change(number % args.services, &address).await?;
                anyhow::Ok(Instant::now())
            },
            fleet.acknowledged(),
        );
        let (last, length) = last.with_context(|| format!("change {number}"))?;
        from_sent.push(last - sent);
        from_answered.push(last.saturating_duration_since(answered?));
        bytes = length;
    }
    // The acknowledgements of the last change are still to be read.
    rest(Duration::from_millis(200)).await;
    let count = u32::try_from((args.changes * fleet.size()).max(1))?;
    let cpu = usage::cpu(pid)?.saturating_sub(cpu_before) / count;
    from_sent.sort_unstable();
    from_answered.sort_unstable();
    Ok(Changes { from_sent, from_answered, cpu, bytes })
}

/// Share of one core that a process uses while it is left alone.
async fn idle(pid: u32, time: Duration) -> Result<f64> {
    if time.is_zero() {
        return Ok(0.0);
    }
    let before = usage::cpu(pid)?;
    rest(time).await;
    Ok(usage::cpu(pid)?.saturating_sub(before).as_secs_f64() / time.as_secs_f64())
}

/// Memory of a launcher next to its Envoy, in bytes.
async fn launcher() -> Result<u64> {
    envoy_binary()?;
    let env = MeshEnv::start(Options { store: "memory", ..Options::default() }).await?;
    let port = free_port()?;
    let inbound = format!("[{{port: {port}, tags: {{kuma.io/service: web}}}}]");
    let dataplane =
        format!("type: Dataplane\nmesh: default\nname: web\nnetworking: {{address: 127.0.0.1, inbound: {inbound}}}\n");
    let sidecar = env.sidecar("default", "web", &dataplane).await?;
    rest(CALM).await;
    usage::rss(sidecar.process.pid())
}

/// Lets the machine calm down; nothing is waited for.
async fn rest(time: Duration) {
    sleep_until(Timer::now() + time).await;
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Product(_) => "Product",
            Self::Toy { .. } => "Toy",
        })
    }
}
