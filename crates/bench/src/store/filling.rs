//! Writers and readers over HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::gateway::client::Client;
use crate::{percentile, usage};

/// Services that the instances of the mesh are spread over.
const SERVICES: usize = 100;

/// Where entities of one kind are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    port: u16,
    half: Half,
    kind: &'static str,
    /// Begins the names.
    prefix: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Half {
    Gateway,
    Mesh,
}

/// Writes and how long each took.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) number: usize,
    pub(super) elapsed: Duration,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Processor time of the programs and of the database server in all.
    pub(super) cpu: Duration,
}

/// Processes whose processor time counts.
#[derive(Debug)]
pub(super) struct Workers(pub(super) Vec<u32>);

impl Workers {
    fn cpu(&self) -> Result<Duration> {
        self.0.iter().map(|pid| usage::family_cpu(*pid)).sum()
    }
}

/// A list that was read to its end.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) items: usize,
    pub(super) p50: Duration,
    pub(super) longest: Duration,
}

impl Place {
    pub(super) fn gateway(port: u16, kind: &'static str, prefix: &'static str) -> Self {
        Self { port, half: Half::Gateway, kind, prefix }
    }

    pub(super) fn mesh(port: u16, kind: &'static str, prefix: &'static str) -> Self {
        Self { port, half: Half::Mesh, kind, prefix }
    }

    /// Method, path and body of the creation of entity `number`.
    fn creation(&self, number: usize) -> (&'static str, String, Value) {
        let name = format!("{}-{number}", self.prefix);
        let body = match self.kind {
            "consumers" => json!({ "username": name }),
            "services" => json!({ "name": name, "url": "http://127.0.0.1:9000" }),
            "routes" => json!({ "name": name, "paths": [format!("/{name}")] }),
            "timeouts" => {
                // Of services that nobody is: what is measured is the write.
                let services = json!([{ "match": { "kuma.io/service": "none" } }]);
                let conf = json!({ "connectTimeout": "10s" });
                json!({
                    "type": "Timeout", "mesh": "default", "name": name,
                    "sources": services, "destinations": services, "conf": conf,
                })
            }
            _ => {
                let address = format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
                let service = format!("service-{}", number % SERVICES);
                let inbound = json!([{ "port": 80, "tags": { "kuma.io/service": service } }]);
                json!({
                    "type": "Dataplane", "mesh": "default", "name": name,
                    "networking": { "address": address, "inbound": inbound },
                })
            }
        };
        match self.half {
            Half::Gateway => ("POST", format!("/{}", self.kind), body),
            Half::Mesh => ("PUT", format!("/meshes/default/{}/{name}", self.kind), body),
        }
    }
}

/// Writes for some time; the clients take the places in turn.
pub(super) async fn for_some_time(
    clients: usize,
    time: Duration,
    places: &[Place],
    workers: &Workers,
) -> Result<Written> {
    let (before, end) = (workers.cpu()?, Instant::now() + time);
    let written = write(clients, places, move |_| Instant::now() < end).await?;
    Ok(Written { cpu: workers.cpu()? - before, ..written })
}

/// Writes so many.
pub(super) async fn this_many(clients: usize, number: usize, place: &Place) -> Result<Written> {
    write(clients, std::slice::from_ref(place), move |next| next < number).await
}

async fn write(
    clients: usize,
    places: &[Place],
    goes_on: impl Fn(usize) -> bool + Send + Sync + 'static,
) -> Result<Written> {
    let places = places.to_owned();
    tokio::task::spawn_blocking(move || {
        let (next, start) = (AtomicUsize::new(0), Instant::now());
        let (next, goes_on) = (&next, &goes_on);
        let times = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..clients)
                .map(|client| {
                    let place = places[client % places.len()];
                    scope.spawn(move || writer(place, next, goes_on))
                })
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().expect("a writer does not panic"))
                .collect::<Result<Vec<_>>>()
        })?;
        let elapsed = start.elapsed();
        let mut times = times.concat();
        times.sort_unstable();
        let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
        Ok(Written { number: times.len(), elapsed, p50, p99, cpu: Duration::ZERO })
    })
    .await?
}

/// One client; how long each of its writes took.
fn writer(place: Place, next: &AtomicUsize, goes_on: impl Fn(usize) -> bool) -> Result<Vec<Duration>> {
    let (mut client, mut times) = (Client::new(place.port), Vec::new());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if !goes_on(number) {
            return Ok(times);
        }
        let (method, path, body) = place.creation(number);
        let (body, start) = (body.to_string(), Instant::now());
        client.admin(method, &path, &body)?;
        times.push(start.elapsed());
    }
}

/// Reads a list to its end.
pub(super) async fn all_pages(port: u16, path: &str) -> Result<Pages> {
    let mut path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let (mut client, mut times, mut items) = (Client::new(port), Vec::new(), 0);
        loop {
            let start = Instant::now();
            let answer = client.admin("GET", &path, "")?;
            times.push(start.elapsed());
            let page: Value = serde_json::from_slice(&answer.body)?;
            items += page["data"].as_array().or(page["items"].as_array()).context("no list")?.len();
            let Some(next) = page["next"].as_str() else { break };
            // The mesh names a whole address, the gateway a path.
            path = match next.strip_prefix("http://") {
                Some(address) => address.find('/').map_or("/", |at| &address[at..]).to_owned(),
                None => next.to_owned(),
            };
            if !path.contains("size=") {
                path += "&size=1000";
            }
        }
        times.sort_unstable();
        Ok(Pages { items, p50: percentile(&times, 50), longest: times.last().copied().unwrap_or_default() })
    })
    .await?
}
