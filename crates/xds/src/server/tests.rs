use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use prost::Message;
use proto::Resource;
use proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use proto::google::rpc;
use runtime::{Listener, Options, Tasks};
use tokio::sync::mpsc;

use super::*;
use crate::status::Code;
use crate::view::TypeSet;

const SOON: Duration = Duration::from_secs(10);

/// Gives every proxy the same views and remembers what its streams did.
struct Toy {
    views: Mutex<watch::Sender<Arc<View>>>,
    log: Arc<watch::Sender<Vec<String>>>,
}

struct ToySession {
    views: watch::Receiver<Arc<View>>,
    log: Arc<watch::Sender<Vec<String>>>,
}

impl Directory for Toy {
    type Session = ToySession;

    async fn open(&self, hello: Hello) -> Result<ToySession, Status> {
        if hello.authorization.as_deref() != Some("good") {
            return Err(Status::new(Code::Unauthenticated, "authorization: no valid token"));
        }
        assert!(hello.peer.is_some_and(|peer| peer.ip() == Ipv4Addr::LOCALHOST));
        self.log.send_modify(|log| log.push(format!("open {} {:?}", hello.node.id, hello.variant)));
        Ok(ToySession { views: self.views.lock().subscribe(), log: self.log.clone() })
    }
}

impl Session for ToySession {
    fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    fn event(&self, event: StreamEvent<'_>) {
        let line = match event {
            StreamEvent::Sent { kind, .. } => format!("sent {}", kind.short()),
            StreamEvent::Acked { kind, .. } => format!("acked {}", kind.short()),
            StreamEvent::Nacked { kind, message, .. } => format!("nacked {} {message}", kind.short()),
        };
        self.log.send_modify(|log| log.push(line));
    }
}

impl Drop for ToySession {
    fn drop(&mut self) {
        self.log.send_modify(|log| log.push("closed".into()));
    }
}

/// A served toy and a way to it.
struct Fixture {
    tasks: Tasks,
    address: SocketAddr,
    toy: Arc<Toy>,
}

impl Fixture {
    fn start() -> Self {
        let toy = Arc::new(Toy { views: Mutex::default(), log: Arc::default() });
        let tasks = Tasks::new();
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), "TEST_PORT").unwrap();
        let address = listener.local_addr();
        let server = runtime::serve::serve_http(listener, router(toy.clone()), Options::default(), tasks.clone());
        tasks.spawn("server", server);
        Self { tasks, address, toy }
    }

    fn publish(&self, kind: TypeUrl, texts: &[&str]) {
        let resources = texts.iter().map(|text| {
            let value = Bytes::from((*text).to_owned());
            Arc::new(Resource { kind, name: text[..1].into(), version: Version::of(&value), value })
        });
        let set = Arc::new(TypeSet::new(resources.collect()));
        self.toy.views.lock().send_modify(|view| Arc::make_mut(view).set(kind, set));
    }

    async fn open(&self, headers: &[(&'static str, &'static str)]) -> Client {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn_detached("client", async {
            connection.await.ok();
        });
        let (requests, mut outgoing) = mpsc::channel::<Bytes>(16);
        let frames = futures_util::stream::poll_fn(move |cx| {
            outgoing.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok::<_, std::io::Error>(Frame::data(bytes))))
        });
        let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(StreamBody::new(frames)).unwrap();
        let response = tokio::time::timeout(SOON, sender.send_request(request)).await.unwrap().unwrap();
        Client {
            requests,
            status: response.status(),
            body: response.into_body(),
            buffer: BytesMut::new(),
            nonce: String::new(),
        }
    }

    async fn connect(&self) -> Client {
        self.open(&[("content-type", "application/grpc"), ("authorization", "good")]).await
    }

    async fn logged(&self, what: &str) {
        let mut log = self.toy.log.subscribe();
        let seen = log.wait_for(|log| log.iter().any(|line| line == what));
        let in_time = tokio::time::timeout(SOON, seen).await.is_ok();
        assert!(in_time, "no {what:?} in {:?}", self.toy.log.borrow());
    }
}

struct Client {
    requests: mpsc::Sender<Bytes>,
    status: StatusCode,
    body: Incoming,
    buffer: BytesMut,
    nonce: String,
}

impl Client {
    async fn send(&self, request: DeltaDiscoveryRequest) {
        let message = request.encode_to_vec();
        let mut frame = vec![0];
        frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&message);
        self.requests.send(frame.into()).await.unwrap();
    }

    async fn subscribe(&self, node: &str, kind: TypeUrl) {
        let node = Some(Node { id: node.into(), ..Default::default() });
        self.send(DeltaDiscoveryRequest { node, type_url: kind.as_str().into(), ..Default::default() }).await;
    }

    async fn answer(&self, kind: TypeUrl, error: Option<&str>) {
        let error_detail = error.map(|message| rpc::Status { message: message.into(), ..Default::default() });
        let response_nonce = self.nonce.clone();
        let type_url = kind.as_str().into();
        self.send(DeltaDiscoveryRequest { type_url, response_nonce, error_detail, ..Default::default() }).await;
    }

    /// The contents of the next response.
    async fn response(&mut self) -> Vec<String> {
        loop {
            if let Some(prefix) = self.buffer.first_chunk::<5>() {
                let end = 5 + u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
                if self.buffer.len() >= end {
                    let message = DeltaDiscoveryResponse::decode(&self.buffer.split_to(end)[5..]).unwrap();
                    self.nonce = message.nonce;
                    let values = message.resources.into_iter().map(|resource| resource.resource.unwrap().value);
                    return values.map(|value| String::from_utf8(value).unwrap()).collect();
                }
            }
            let frame = tokio::time::timeout(SOON, self.body.frame()).await.unwrap().unwrap().unwrap();
            self.buffer.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// The end of the stream: code and message.
    async fn end(&mut self) -> (String, String) {
        let frame = tokio::time::timeout(SOON, self.body.frame()).await.unwrap().unwrap().unwrap();
        let trailers = frame.into_trailers().unwrap();
        let text = |name| trailers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (text("grpc-status"), text("grpc-message"))
    }
}

#[tokio::test]
async fn a_stream_from_first_request_to_last() {
    let fixture = Fixture::start();
    let mut client = fixture.connect().await;
    assert_eq!(client.status, StatusCode::OK);
    client.subscribe("default.web", TypeUrl::Cluster).await;
    fixture.logged("open default.web Delta").await;
    fixture.publish(TypeUrl::Cluster, &["a1", "b1"]);
    assert_eq!(client.response().await, ["a1", "b1"]);
    client.answer(TypeUrl::Cluster, None).await;
    fixture.logged("acked cds").await;
    fixture.publish(TypeUrl::Cluster, &["a1", "b2"]);
    assert_eq!(client.response().await, ["b2"]);
    client.answer(TypeUrl::Cluster, Some("b2 is bad")).await;
    fixture.logged("nacked cds b2 is bad").await;
    drop(client);
    fixture.logged("closed").await;
    let log = fixture.toy.log.borrow().clone();
    assert_eq!(log, ["open default.web Delta", "sent cds", "acked cds", "sent cds", "nacked cds b2 is bad", "closed"]);
}

#[tokio::test]
async fn a_large_response_arrives_whole() {
    let fixture = Fixture::start();
    let large: Vec<String> = (b'a'..=b'z').map(|letter| char::from(letter).to_string().repeat(50_000)).collect();
    fixture.publish(TypeUrl::Cluster, &large.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = fixture.connect().await;
    client.subscribe("default.web", TypeUrl::Cluster).await;
    assert_eq!(client.response().await, large);
}

#[tokio::test]
async fn a_proxy_without_a_token_is_refused() {
    let fixture = Fixture::start();
    let mut client = fixture.open(&[("content-type", "application/grpc")]).await;
    client.subscribe("default.web", TypeUrl::Cluster).await;
    assert_eq!(client.end().await, ("16".into(), "authorization: no valid token".into()));
}

#[tokio::test]
async fn the_first_request_must_carry_a_node() {
    let fixture = Fixture::start();
    let mut client = fixture.connect().await;
    client.send(DeltaDiscoveryRequest::default()).await;
    let (code, message) = client.end().await;
    assert_eq!((code.as_str(), &message[..8]), ("3", "node.id:"));
}

#[tokio::test]
async fn the_node_must_not_change() {
    let fixture = Fixture::start();
    let mut client = fixture.connect().await;
    client.subscribe("default.web", TypeUrl::Cluster).await;
    fixture.publish(TypeUrl::Cluster, &["a1"]);
    client.response().await;
    client.subscribe("default.db", TypeUrl::Endpoint).await;
    let (code, message) = client.end().await;
    assert_eq!(code, "3");
    assert_eq!(message, "node.id: changed from \"default.web\" to \"default.db\" during the stream");
    fixture.logged("closed").await;
}

#[tokio::test]
async fn requests_are_bounded_and_plain() {
    let fixture = Fixture::start();
    for (frame, code) in [(&[0, 0, 0x40, 0, 1][..], "8"), (&[1, 0, 0, 0, 1, 0], "12"), (&[0, 0, 0, 0, 1, 0xff], "3")] {
        let mut client = fixture.connect().await;
        client.requests.send(Bytes::from_static(frame)).await.unwrap();
        assert_eq!(client.end().await.0, code);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_client_or_with_its_views() {
    let fixture = Fixture::start();
    fixture.publish(TypeUrl::Cluster, &["a1"]);
    let mut client = fixture.connect().await;
    client.subscribe("default.web", TypeUrl::Cluster).await;
    client.response().await;
    // Closes the sending side only.
    client.requests = mpsc::channel(1).0;
    assert_eq!(client.end().await.0, "0");

    let mut client = fixture.connect().await;
    client.subscribe("default.web", TypeUrl::Cluster).await;
    client.response().await;
    *fixture.toy.views.lock() = watch::Sender::default();
    assert_eq!(client.end().await.0, "14");
}

#[tokio::test]
async fn other_contents_than_grpc_are_refused() {
    let fixture = Fixture::start();
    let client = fixture.open(&[("content-type", "application/json")]).await;
    assert_eq!(client.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
