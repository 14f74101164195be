//! Proxies that are not there: delta clients that subscribe to what an Envoy would and acknowledge
//! everything, all in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use arc_swap::ArcSwap;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use http::Request;
use parking_lot::Mutex;
use prost::Message;
use proto::TypeUrl;
use proto::envoy::config::cluster::v3::Cluster;
use proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use proto::envoy::config::core::v3::Node;
use proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use runtime::Tasks;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsConnector;

/// TLS handshakes at a time.
const HANDSHAKES: usize = 32;
/// How long anything may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(180);
const METHOD: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// Where the clients go and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) port: u16,
    /// Value of the `authorization` header.
    pub(crate) token: String,
    /// Names of the secrets to subscribe to.
    pub(crate) secrets: Vec<String>,
}

/// Connected clients.
#[derive(Debug)]
pub(crate) struct Fleet {
    shared: Arc<Shared>,
    tasks: Tasks,
    size: usize,
}

struct Shared {
    destination: Destination,
    connector: TlsConnector,
    handshakes: Semaphore,
    /// The endpoint assignments to subscribe to, as the first client found them in its clusters.
    assignments: OnceLock<Vec<String>>,
    /// What the response to the present change contains.
    marker: ArcSwap<Vec<u8>>,
    settled: AtomicUsize,
    acked: AtomicUsize,
    size: usize,
    /// When the last client acknowledged, and how many bytes it was sent.
    last: Mutex<Option<(Instant, usize)>>,
    failure: Mutex<Option<anyhow::Error>>,
    progress: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Fleet {
    /// Connects the clients `default.dp-0` and so on, and waits until each has its configuration.
    pub(crate) async fn connect(size: usize, destination: Destination) -> Result<Self> {
        let config = pki::tls::client_config(pki::tls::Trust::SkipVerify, None, pki::tls::Alpn::Http2)?;
        let shared = Arc::new(Shared {
            destination,
            connector: TlsConnector::from(Arc::new(config)),
            handshakes: Semaphore::new(HANDSHAKES),
            assignments: OnceLock::new(),
            marker: ArcSwap::default(),
            settled: AtomicUsize::new(0),
            acked: AtomicUsize::new(0),
            size,
            last: Mutex::new(None),
            failure: Mutex::new(None),
            progress: Notify::new(),
        });
        let tasks = Tasks::new();
        for index in 0..size {
            let shared = shared.clone();
            let mut shutdown = tasks.shutdown();
            tasks.spawn_detached("proxy", async move {
                let end = tokio::select! {
                    end = client(&shared, index) => end,
                    () = shutdown.wait() => Ok(()),
                };
                if let Err(error) = end {
                    shared.failure.lock().get_or_insert(error.context(format!("proxy {index}")));
                    shared.progress.notify_one();
                }
            });
        }
        let fleet = Self { shared, tasks, size };
        fleet.wait("connected and configured", |shared| shared.settled.load(Ordering::SeqCst)).await?;
        Ok(fleet)
    }

    /// From now on counts the clients that acknowledge endpoints with `marker` in them.
    pub(crate) fn expect(&self, marker: &str) {
        *self.shared.last.lock() = None;
        self.shared.acked.store(0, Ordering::SeqCst);
        self.shared.marker.store(Arc::new(marker.as_bytes().to_vec()));
    }

    /// Waits for all acknowledgements: the time of the last and the bytes of its response.
    pub(crate) async fn acknowledged(&self) -> Result<(Instant, usize)> {
        let all = |shared: &Shared| if shared.last.lock().is_some() { shared.size } else { 0 };
        self.wait("acknowledged", all).await?;
        self.shared.last.lock().context("somebody acknowledged last")
    }

    async fn wait(&self, what: &str, count: impl Fn(&Shared) -> usize) -> Result<()> {
        let all = async {
            while count(&self.shared) < self.size {
                if let Some(failure) = self.shared.failure.lock().take() {
                    return Err(failure);
                }
                self.shared.progress.notified().await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, all)
            .await
            .map_err(|_| anyhow!("only {} of {} proxies have {what}", count(&self.shared), self.size))?
    }

    /// How many clients there are.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Closes all connections.
    pub(crate) async fn close(self) {
        self.tasks.begin_shutdown();
        drop(self.tasks.drain(Duration::from_secs(10)).await);
    }
}

async fn client(shared: &Shared, index: usize) -> Result<()> {
    let slot = shared.handshakes.acquire().await?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.destination.port));
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let tls = shared.connector.connect(ServerName::try_from("localhost")?, tcp).await?;
    let (mut sender, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .handshake::<_, Bytes>(tls)
        .await?;
    let stream = async {
        let request = Request::post(format!("https://localhost{METHOD}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", &shared.destination.token)
            .body(())?;
        let (response, requests) = sender.send_request(request, false)?;
        let mut proxy =
            Proxy { shared, requests, buffer: BytesMut::new(), asked: false, missing: 2, seen: Arc::default() };
        proxy.subscribe(TypeUrl::Cluster, &[], Some(format!("default.dp-{index}")))?;
        let response = response.await?;
        ensure!(response.status().is_success(), "status {}", response.status());
        let trailers = proxy.receive(response.into_body(), slot).await?;
        Err(anyhow!("the stream ended: {trailers:?}"))
    };
    tokio::select! {
        biased;
        end = stream => end,
        end = connection => end.context("the connection ended"),
    }
}

struct Proxy<'a> {
    shared: &'a Shared,
    requests: SendStream<Bytes>,
    buffer: BytesMut,
    /// Whether everything beside clusters was subscribed to.
    asked: bool,
    /// How many of the types that make a proxy configured have not come.
    missing: usize,
    /// The marker that was counted last.
    seen: Arc<Vec<u8>>,
}

/// A delta response without its resources.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

impl Proxy<'_> {
    fn subscribe(&mut self, kind: TypeUrl, names: &[String], node: Option<String>) -> Result<()> {
        self.send(&DeltaDiscoveryRequest {
            node: node.map(|id| Node { id, cluster: "bench".into(), ..Node::default() }),
            type_url: kind.as_str().into(),
            resource_names_subscribe: names.to_vec(),
            ..DeltaDiscoveryRequest::default()
        })
    }

    fn send(&mut self, request: &DeltaDiscoveryRequest) -> Result<()> {
        let length = request.encoded_len();
        let mut frame = BytesMut::with_capacity(5 + length);
        frame.put_u8(0);
        frame.put_u32(u32::try_from(length)?);
        request.encode(&mut frame)?;
        Ok(self.requests.send_data(frame.freeze(), false)?)
    }

    async fn receive<S>(&mut self, mut body: RecvStream, connected: S) -> Result<Option<http::HeaderMap>> {
        let mut connected = Some(connected);
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            self.buffer.extend_from_slice(&data);
            while let Some(prefix) = self.buffer.first_chunk::<5>() {
                let end = 5 + u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
                if self.buffer.len() < end {
                    break;
                }
                let message = self.buffer.split_to(end).freeze();
                self.response(&message[5..])?;
            }
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            if self.missing == 0 {
                // Only now the next one connects: the start is not what is measured.
                connected = None;
            }
        }
        drop(connected);
        Ok(body.trailers().await?)
    }

    fn response(&mut self, message: &[u8]) -> Result<()> {
        let head = Head::decode(message)?;
        let kind = TypeUrl::parse(&head.type_url).context("a response of an unknown type")?;
        self.send(&DeltaDiscoveryRequest {
            type_url: head.type_url,
            response_nonce: head.nonce,
            ..DeltaDiscoveryRequest::default()
        })?;
        match kind {
            TypeUrl::Cluster if !self.asked => {
                self.asked = true;
                let shared = self.shared;
                if shared.assignments.get().is_none() {
                    shared.assignments.get_or_init(|| assignments(message));
                }
                self.subscribe(TypeUrl::Endpoint, shared.assignments.get().map_or(&[], Vec::as_slice), None)?;
                if !shared.destination.secrets.is_empty() {
                    self.missing += 1;
                    self.subscribe(TypeUrl::Secret, &shared.destination.secrets, None)?;
                }
                self.subscribe(TypeUrl::Listener, &[], None)?;
            }
            TypeUrl::Endpoint | TypeUrl::Secret | TypeUrl::Listener if self.missing > 0 => {
                self.missing -= 1;
                if self.missing == 0 {
                    self.shared.settled.fetch_add(1, Ordering::SeqCst);
                    self.shared.progress.notify_one();
                }
            }
            TypeUrl::Endpoint => self.note(message),
            _ => {}
        }
        Ok(())
    }

    /// Counts the first response that shows the present change.
    fn note(&mut self, message: &[u8]) {
        let marker = self.shared.marker.load();
        if Arc::ptr_eq(&marker, &self.seen) || !message.windows(marker.len().max(1)).any(|part| part == &marker[..]) {
            return;
        }
        self.seen = marker.clone();
        if self.shared.acked.fetch_add(1, Ordering::SeqCst) + 1 == self.shared.size {
            *self.shared.last.lock() = Some((Instant::now(), message.len() + 5));
            self.shared.progress.notify_one();
        }
    }
}

/// The names under which the clusters of a response look for their endpoints.
fn assignments(message: &[u8]) -> Vec<String> {
    let Ok(response) = DeltaDiscoveryResponse::decode(message) else { return Vec::new() };
    let clusters = response.resources.into_iter().filter_map(|resource| {
        let cluster = Cluster::decode(&*resource.resource?.value).ok()?;
        let by_eds = ClusterDiscoveryType::Type(DiscoveryType::Eds as i32);
        (cluster.cluster_discovery_type == Some(by_eds)).then_some(cluster)
    });
    let name = |cluster: Cluster| {
        cluster.eds_cluster_config.map(|eds| eds.service_name).filter(|name| !name.is_empty()).unwrap_or(cluster.name)
    };
    clusters.map(name).collect()
}
