//! Listeners that come and go, limits, and the end.

use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use engine::exchange::Exchange;
use engine::peer::Peer;
use engine::service::{Answer, Refusal, Service};
use engine::worker::{ListenerSpec, Settings, StartError, Worker, Workers};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{Client, LIMIT, LOOPBACK, Options, Proxy, Upstream, nowhere};

#[tokio::test]
async fn listeners_come_and_go() {
    let proxy = Proxy::start(nowhere().await).await;
    let first = ListenerSpec::plain(LOOPBACK);
    let mut second = ListenerSpec::plain(LOOPBACK);
    second.reuse_port = false;
    proxy.workers.reconfigure(vec![first, second.clone()]).await.unwrap();
    let addresses = proxy.workers.addresses().await;
    assert_eq!((addresses.len(), addresses[0]), (2, proxy.addr));
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/hello").await.text(), "hello");
    let mut client = Client::new(TcpStream::connect(addresses[1]).await.unwrap());
    assert_eq!(client.get("/hello").await.text(), "hello");

    proxy.workers.reconfigure(vec![second]).await.unwrap();
    assert_eq!(kept.get("/hello").await.text(), "hello");
    assert!(TcpStream::connect(proxy.addr).await.is_err(), "nobody listens here any more");
    assert!(TcpStream::connect(addresses[1]).await.is_ok());
}

#[tokio::test]
async fn a_listener_is_changed_in_its_place() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut spec = ListenerSpec::plain(LOOPBACK);
    spec.proxy_protocol = true;
    proxy.workers.reconfigure(vec![spec]).await.unwrap();
    assert_eq!(proxy.workers.addresses().await, [proxy.addr]);
    // The worker learns of it by a message: until then connections are served the old way.
    let served = testkit::wait_for("the change", LIMIT, || async {
        let mut client = proxy.connect().await;
        client.send("PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let response = client.read_message().await;
        response.filter(|response| response.status() == 200).ok_or("not yet")
    })
    .await;
    assert_eq!(served.unwrap().text(), "hello");
}

#[tokio::test]
async fn an_address_in_use_is_an_error_before_anything_starts() {
    let taken = TcpListener::bind(LOOPBACK).unwrap();
    let spec = ListenerSpec::plain(taken.local_addr().unwrap());
    let started = Workers::start(Settings::default(), vec![spec], |_| Reporting(None));
    assert!(matches!(started, Err(StartError::Bind(error)) if error.addr == taken.local_addr().unwrap()));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let settings = Settings { max_connections: 1, ..Options::default().settings };
    let proxy = Proxy::start_with(nowhere().await, Options { settings, ..Options::default() }).await;
    let mut first = proxy.connect().await;
    assert_eq!(first.get("/hello").await.text(), "hello");
    assert!(proxy.connect().await.rest().await.is_empty());
    let counters = proxy.workers.counters();
    assert_eq!((counters.accepted, counters.handled, counters.active), (2, 1, 1));
}

#[tokio::test]
async fn a_connection_that_had_a_rest_serves_on() {
    let settings = Settings { head_timeout: Duration::from_millis(700), ..Options::default().settings };
    let proxy = Proxy::start_with(nowhere().await, Options { settings, ..Options::default() }).await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/hello").await.text(), "hello");
    // Closed later than an idle connection goes to rest.
    let mut slow = proxy.connect().await;
    slow.send("GET /hel").await;
    assert!(slow.rest().await.is_empty());
    for _ in 0..2 {
        assert_eq!(kept.get("/hello").await.text(), "hello");
    }
    assert_eq!((proxy.workers.counters().active, proxy.workers.counters().requests), (1, 3));
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_finishes_requests() {
    let (got, mut arrived) = mpsc::channel(1);
    let (answer, may_answer) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |mut client| {
        let (got, mut may_answer) = (got.clone(), may_answer.clone());
        async move {
            client.read_message().await;
            got.send(()).await.unwrap();
            may_answer.wait_for(|may| *may).await.unwrap();
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
        }
    })
    .await;
    let settings = Settings { workers: NonZeroUsize::new(2).unwrap(), ..Settings::default() };
    let proxy = Proxy::start_with(upstream.addr, Options { settings, ..Options::default() }).await;
    let addr = proxy.addr;
    let mut idle = proxy.connect().await;
    assert_eq!(idle.get("/hello").await.text(), "hello");
    let mut busy = proxy.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    arrived.recv().await.unwrap();
    let client = async {
        assert!(idle.rest().await.is_empty());
        // Each worker closes its own listener.
        let closed = testkit::wait_for("the listeners to close", LIMIT, || async {
            TcpStream::connect(addr).await.map_or(Ok(()), |_| Err("somebody still listens"))
        });
        closed.await.unwrap();
        answer.send(true).unwrap();
        let response = busy.response().await;
        assert_eq!((response.text(), response.field("connection")), ("late", Some("close")));
    };
    tokio::join!(proxy.workers.shutdown(LIMIT), client);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let (got, mut arrived) = mpsc::channel(1);
    let upstream = Upstream::start(move |mut client| {
        let got = got.clone();
        async move {
            client.read_message().await;
            got.send(()).await.unwrap();
            client.rest().await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    arrived.recv().await.unwrap();
    tokio::time::timeout(LIMIT, proxy.workers.shutdown(Duration::from_millis(50))).await.unwrap();
    assert!(client.rest().await.is_empty());
}

/// Tells what it sees of the connection.
struct Reporting(Option<mpsc::Sender<String>>);

impl Service for Reporting {
    async fn call(&self, exchange: &mut Exchange) {
        let peer = &exchange.peer;
        let report = format!("{} {:?} {}", peer.ip_text(), peer.proxied.map(|proxied| proxied.source), peer.tag);
        drop(exchange.respond(&engine::message::ResponseHead::new(200), report.as_bytes()).await);
        if let Some(sender) = &self.0 {
            sender.send(report).await.unwrap();
        }
    }

    fn refuse(&self, refusal: Refusal, _read: &[u8], _peer: &Peer) -> Answer {
        Answer::empty(refusal.status())
    }
}

#[tokio::test]
async fn the_proxy_protocol_says_where_a_connection_came_from() {
    let mut spec = ListenerSpec::plain(LOOPBACK);
    spec.proxy_protocol = true;
    spec.tag = 7;
    let workers = Workers::start(Settings::default(), vec![spec], |_: &Rc<Worker>| Reporting(None)).unwrap();
    let addr = workers.addresses().await[0];
    let mut client = Client::new(TcpStream::connect(addr).await.unwrap());
    client.stream.set_nodelay(true).unwrap();
    for piece in ["PROXY TCP4 192.0.2.1 ", "192.0.2.2 1000 80\r", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.response().await.text(), "127.0.0.1 Some(192.0.2.1:1000) 7");
    let mut client = Client::new(TcpStream::connect(addr).await.unwrap());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.rest().await.is_empty());
}
