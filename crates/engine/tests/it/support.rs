//! A proxy under test, scripted upstreams, and a client that shows every byte.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use engine::exchange::{BodyError, BodyFilter, Exchange};
use engine::forward::{ForwardError, Timeouts, Upload};
use engine::message::{Method, ResponseHead};
use engine::peer::Peer;
use engine::service::{Answer, Refusal, Service};
use engine::upstream::{Endpoint, TlsClient};
use engine::worker::{ListenerSpec, Settings, Worker, Workers};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Longer than anything here takes, short enough to wait for.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A service that does what the path says.
pub(crate) struct Scripted {
    endpoint: Endpoint,
    timeouts: Timeouts,
}

impl Service for Scripted {
    async fn call(&self, exchange: &mut Exchange) {
        let path = String::from_utf8_lossy(exchange.request.path()).into_owned();
        match path.as_str() {
            "/hello" => respond(exchange, 200, b"hello").await,
            "/empty" => respond(exchange, 204, b"ignored").await,
            "/ignore" => respond(exchange, 200, b"not read").await,
            "/nothing" => {}
            "/tasks" => {
                let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
                respond(exchange, 200, tasks.to_string().as_bytes()).await;
            }
            "/echo" => self.echo(exchange).await,
            "/stream" => stream(exchange).await,
            "/buffered" => match exchange.buffer_body(1000).await.map(<[u8]>::len) {
                Ok(_) => self.forward(exchange).await,
                Err(BodyError::TooLarge(_)) => respond(exchange, 413, b"").await,
                Err(error) => panic!("{error}"),
            },
            _ => self.forward(exchange).await,
        }
    }

    fn refuse(&self, refusal: Refusal, _read: &[u8], _peer: &Peer) -> Answer {
        let mut answer = Answer::empty(refusal.status());
        answer.body = format!("{refusal:?}").into_bytes();
        answer
    }
}

async fn respond(exchange: &mut Exchange, status: u16, body: &[u8]) {
    drop(exchange.respond(&ResponseHead::new(status), body).await);
}

async fn stream(exchange: &mut Exchange) {
    let mut head = ResponseHead::new(200);
    head.headers.append("Content-Type", "text/plain");
    exchange.start(&head, None).unwrap();
    for piece in ["one,", "two,", "three"] {
        exchange.write(piece.as_bytes()).await.unwrap();
        exchange.flush().await.unwrap();
    }
    let mut trailers = engine::headers::Headers::new();
    trailers.append("X-Sum", "3");
    exchange.finish(Some(&trailers)).await.unwrap();
}

struct Upper;

impl BodyFilter for Upper {
    fn filter(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>) {
        out.extend(data.iter().map(u8::to_ascii_uppercase));
        if last {
            out.extend_from_slice(b"!");
        }
    }
}

impl Scripted {
    async fn echo(&self, exchange: &mut Exchange) {
        let mut body = Vec::new();
        while let Ok(Some(data)) = exchange.read_body().await {
            body.extend_from_slice(data);
        }
        respond(exchange, 200, &body).await;
    }

    async fn forward(&self, exchange: &mut Exchange) {
        if let Err(error) = self.try_forward(exchange).await
            && !exchange.is_answered()
        {
            let text = format!(
                "{:?} {:?} sent={} consumed={}",
                error.stage, error.kind, error.request_sent, error.body_consumed
            );
            respond(exchange, 502, text.as_bytes()).await;
        }
    }

    async fn try_forward(&self, exchange: &mut Exchange) -> Result<(), ForwardError> {
        let mut request = exchange.request.clone();
        if let Some(behind) = request.target.strip_prefix(b"/via") {
            request.target = behind.to_vec();
        }
        if request.path() == b"/posted" {
            request.method = Method::Post;
        }
        if !exchange.wants_upgrade() {
            request.headers.remove("upgrade");
        }
        let mut connection = exchange.connect(&self.endpoint, self.timeouts.connect).await?;
        let responded = exchange.send(&mut connection, &request, Upload::Client, &self.timeouts).await?;
        match request.path() {
            _ if responded.tunnel => {
                exchange.tunnel(connection, responded, self.timeouts.read).await?;
                Ok(())
            }
            b"/filter" => exchange.relay(connection, responded, Some(&mut Upper), &self.timeouts).await,
            b"/collect" => {
                let body = exchange.collect(connection, 1 << 20, &self.timeouts).await?;
                drop(exchange.respond(&responded.head, &body).await);
                Ok(())
            }
            _ => exchange.relay(connection, responded, None, &self.timeouts).await,
        }
    }
}

/// How a proxy is started.
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) listener: ListenerSpec,
    pub(crate) upstream_tls: Option<TlsClient>,
    pub(crate) upstream_http2: bool,
    pub(crate) timeouts: Timeouts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings { workers: NonZeroUsize::MIN, ..Settings::default() },
            listener: ListenerSpec::plain(LOOPBACK),
            upstream_tls: None,
            upstream_http2: false,
            timeouts: Timeouts::default(),
        }
    }
}

pub(crate) struct Proxy {
    pub(crate) workers: Workers,
    pub(crate) addr: SocketAddr,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        Self::start_with(upstream, Options::default()).await
    }

    pub(crate) async fn start_with(upstream: SocketAddr, options: Options) -> Self {
        let endpoint = Endpoint::new(upstream, options.upstream_tls, options.upstream_http2);
        let timeouts = options.timeouts;
        let make = move |_: &Rc<Worker>| Scripted { endpoint: endpoint.clone(), timeouts };
        let workers = Workers::start(options.settings, vec![options.listener], make).unwrap();
        let addr = workers.addresses().await[0];
        Self { workers, addr }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.addr).await.unwrap())
    }
}

/// An address nobody listens on.
pub(crate) async fn nowhere() -> SocketAddr {
    TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap()
}

/// An upstream that runs `script` on every connection.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start<F>(script: impl Fn(Client) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(script(Client::new(stream)));
            }
        });
        Self { addr, _tasks: tasks }
    }

    /// One that answers every request on a connection with these bytes.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut client| async move {
            while let Some(_message) = client.read_message().await {
                client.send(answer).await;
            }
        })
        .await
    }

    /// One that answers with the request's head and body.
    pub(crate) async fn mirror() -> Self {
        Self::start(|mut client| async move {
            while let Some(message) = client.read_message().await {
                let text = format!("{}{}", message.head, String::from_utf8_lossy(&message.body));
                client.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
            }
        })
        .await
    }
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Message {
    /// With the empty line.
    pub(crate) head: String,
    /// Without framing.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Message {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One end of a connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        // That the other end has gone is found out by reading.
        drop(self.stream.write_all(bytes).await);
        drop(self.stream.flush().await);
    }

    pub(crate) async fn get(&mut self, path: &str) -> Message {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        self.response().await
    }

    pub(crate) async fn response(&mut self) -> Message {
        self.read_message().await.expect("a response")
    }

    /// The next message; `None` if there is none, or not all of it.
    pub(crate) async fn read_message(&mut self) -> Option<Message> {
        self.read_some_message(true).await
    }

    /// A response to HEAD: there is no body, whatever the head says.
    pub(crate) async fn response_to_head(&mut self) -> Message {
        self.read_some_message(false).await.expect("a response")
    }

    async fn read_some_message(&mut self, with_body: bool) -> Option<Message> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut message = Message { head, body: Vec::new(), trailers: String::new() };
        let response = message.head.starts_with("HTTP/");
        if !with_body || (response && matches!(message.status(), 100..200 | 204 | 304)) {
            return Some(message);
        }
        if let Some(length) = message.field("content-length") {
            let length: usize = length.parse().unwrap();
            while self.read.len() < length {
                self.more().await?;
            }
            message.body = self.read.drain(..length).collect();
        } else if message.field("transfer-encoding").is_some() {
            self.read_chunks(&mut message).await?;
        } else if response {
            while self.more().await.is_some() {}
            message.body = std::mem::take(&mut self.read);
        }
        Some(message)
    }

    async fn read_chunks(&mut self, message: &mut Message) -> Option<()> {
        loop {
            let line = self.line().await?;
            let length = usize::from_str_radix(&line, 16).unwrap();
            if length == 0 {
                break;
            }
            while self.read.len() < length + 2 {
                self.more().await?;
            }
            message.body.extend(self.read.drain(..length));
            self.read.drain(..2);
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(());
            }
            message.trailers.push_str(&line);
            message.trailers.push('\n');
        }
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        let end = loop {
            if let Some(at) = self.read.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            self.more().await?;
        };
        let line = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        self.read.drain(..2);
        Some(line)
    }

    /// Exactly so many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().await.expect("more bytes");
        }
        self.read.drain(..count).collect()
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await.is_some() {}
        std::mem::take(&mut self.read)
    }

    async fn more(&mut self) -> Option<()> {
        let read = tokio::time::timeout(LIMIT, self.stream.read_buf(&mut self.read)).await;
        match read.expect("bytes or an end in time") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}
