//! Active checks: one task a group, on the main runtime.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::{Active, Outcome, ProbeKind};
use crate::balance::{Balancer, Probed};

/// A status line is read no further than this.
const STATUS_LINE_LIMIT: usize = 1024;

/// How probes speak TLS.
#[derive(Clone, Debug)]
pub struct ProbeTls {
    /// Verifies the certificate.
    pub verified: Arc<ClientConfig>,
    /// Takes any certificate.
    pub unverified: Arc<ClientConfig>,
}

/// Probes a group until the sender of its balancers is gone. A new balancer takes effect at once, with the intervals
/// starting again if its checks are others.
pub async fn run(mut balancers: watch::Receiver<Arc<Balancer>>, tls: ProbeTls) {
    let mut balancer = balancers.borrow_and_update().clone();
    let mut schedule = Schedule::new(&balancer);
    loop {
        tokio::select! {
            changed = balancers.changed() => {
                if changed.is_err() {
                    return;
                }
                let next = balancers.borrow_and_update().clone();
                if active(&next) != active(&balancer) {
                    schedule = Schedule::new(&next);
                }
                balancer = next;
            }
            healthy = schedule.next() => probe_all(&balancer, healthy, &tls).await,
        }
    }
}

fn active(balancer: &Balancer) -> Option<&Active> {
    balancer.checks()?.active.as_ref()
}

/// When which addresses are probed next.
struct Schedule {
    healthy: Option<(Instant, Duration)>,
    unhealthy: Option<(Instant, Duration)>,
}

impl Schedule {
    fn new(balancer: &Balancer) -> Self {
        let every = |interval: Duration| (!interval.is_zero()).then(|| (Instant::now() + interval, interval));
        let active = active(balancer);
        Self {
            healthy: active.and_then(|a| every(a.healthy_interval)),
            unhealthy: active.and_then(|a| every(a.unhealthy_interval)),
        }
    }

    /// Waits until addresses in a state are due, and says which.
    async fn next(&mut self) -> bool {
        let at = |entry: &Option<(Instant, Duration)>| entry.map(|(at, _)| at);
        let healthy = match (at(&self.healthy), at(&self.unhealthy)) {
            (None, None) => std::future::pending().await,
            (Some(healthy), Some(unhealthy)) => healthy <= unhealthy,
            (healthy, _) => healthy.is_some(),
        };
        let entry = if healthy { &mut self.healthy } else { &mut self.unhealthy };
        if let Some((at, interval)) = entry {
            tokio::time::sleep_until(*at).await;
            // A round that took longer than its interval is not made up for.
            *at = (*at + *interval).max(Instant::now());
        }
        healthy
    }
}

async fn probe_all(balancer: &Arc<Balancer>, healthy: bool, tls: &ProbeTls) {
    let Some(active) = active(balancer) else { return };
    let probes = futures_util::stream::iter(balancer.probed(healthy));
    probes
        .for_each_concurrent(active.concurrency.max(1), async |probed| {
            let outcome = tokio::time::timeout(active.timeout, probe(active, &probed, tls)).await;
            balancer.probe_result(probed.index, outcome.unwrap_or(Outcome::TimedOut));
        })
        .await;
}

async fn probe(active: &Active, probed: &Probed, tls: &ProbeTls) -> Outcome {
    let Ok(stream) = TcpStream::connect(probed.socket).await else { return Outcome::ConnectFailed };
    if !active.kind.is_tls() {
        return exchange(active, probed, stream).await;
    }
    let config = if active.verify { &tls.verified } else { &tls.unverified };
    let name = active.sni.as_deref().unwrap_or(&probed.target).trim_matches(['[', ']']).to_owned();
    let Ok(name) = ServerName::try_from(name) else { return Outcome::ConnectFailed };
    match TlsConnector::from(Arc::clone(config)).connect(name, stream).await {
        Ok(stream) => exchange(active, probed, stream).await,
        Err(_) => Outcome::ConnectFailed,
    }
}

async fn exchange(active: &Active, probed: &Probed, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Outcome {
    if !matches!(active.kind, ProbeKind::Http | ProbeKind::Https) {
        return Outcome::Connected;
    }
    let sent = stream.write_all(request(active, probed).as_bytes()).await;
    if sent.is_err() || stream.flush().await.is_err() {
        return Outcome::ConnectFailed;
    }
    let mut line = Vec::with_capacity(64);
    while !line.contains(&b'\n') && line.len() < STATUS_LINE_LIMIT {
        match stream.read_buf(&mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    status(&line).map_or(Outcome::ConnectFailed, Outcome::Status)
}

/// The request. Nothing in it can end a line early.
fn request(active: &Active, probed: &Probed) -> String {
    let clean = |text: &str| !text.contains(['\r', '\n', '\0']);
    let path = if clean(&active.path) && active.path.starts_with('/') { &*active.path } else { "/" };
    let host = active.host.as_deref().filter(|host| clean(host)).unwrap_or(&probed.target);
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    let mut named = false;
    for (name, value) in active.headers.iter().filter(|(name, value)| clean(name) && clean(value)) {
        named |= name.eq_ignore_ascii_case("host");
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !named {
        request.push_str(&format!("Host: {host}\r\n"));
    }
    request.push_str("\r\n");
    request
}

/// The code in `HTTP/1.x NNN ...`.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let code = rest.split(|&b| b == b' ').nth(1)?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
