use std::net::SocketAddr;

use tokio::io::AsyncBufReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::balance::{AddressSpec, Algorithm, Group, HealthEvent, Listener, Target};
use crate::health::{Checks, StatusSet, Thresholds};

fn settings(kind: ProbeKind) -> Active {
    Active {
        kind,
        path: "/up?x=1".to_owned(),
        host: None,
        headers: vec![("X-A".to_owned(), "b".to_owned()), ("X-Bad".to_owned(), "a\r\nb: c".to_owned())],
        concurrency: 4,
        timeout: Duration::from_millis(300),
        healthy_interval: Duration::from_millis(20),
        unhealthy_interval: Duration::from_millis(20),
        sni: None,
        verify: false,
        thresholds: Thresholds {
            successes: 1,
            http_failures: 1,
            tcp_failures: 1,
            timeouts: 1,
            healthy_statuses: StatusSet::from_iter([200]),
            unhealthy_statuses: StatusSet::from_iter([500]),
        },
    }
}

fn tls() -> ProbeTls {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let config = Arc::new(config);
    ProbeTls { verified: Arc::clone(&config), unverified: config }
}

/// A probed group of one address, and the states it is told to be in.
fn probed(
    address: SocketAddr,
    active: Active,
) -> (watch::Sender<Arc<Balancer>>, watch::Receiver<Arc<Balancer>>, mpsc::Receiver<bool>) {
    let spec = AddressSpec {
        name: "127.0.0.1".into(),
        port: address.port(),
        weight: 1,
        ips: [address.ip()].into_iter().collect(),
    };
    let target = Target { name: "up.test".into(), port: 80, weight: 1, addresses: vec![spec], source: "A".into() };
    let group = Group {
        name: "g".into(),
        algorithm: Algorithm::RoundRobin,
        slots: 1000,
        threshold: 0.0,
        seed: 1,
        targets: vec![target],
        checks: Some(Arc::new(Checks { active: Some(active), passive: Thresholds::default() })),
    };
    let (told, states) = mpsc::channel(64);
    let listener: Listener = Arc::new(move |event: &HealthEvent| told.try_send(event.healthy).unwrap());
    let (sender, receiver) = watch::channel(Balancer::new(&group, Some(listener), std::time::Instant::now()));
    (sender, receiver, states)
}

/// Answers every connection with the statuses in turn, the last one for ever, and passes on the heads of requests.
async fn answer(listener: TcpListener, statuses: &[u16], heads: mpsc::Sender<String>) {
    let mut statuses = statuses.iter().peekable();
    let mut current = 200;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        current = statuses.next().copied().unwrap_or(current);
        let mut stream = tokio::io::BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_until(b'\n', &mut head).await.unwrap() > 0 {
            // Not the start of a request: no more of it will come.
            if head.first() != Some(&b'G') {
                break;
            }
        }
        heads.try_send(String::from_utf8_lossy(&head).into_owned()).ok();
        stream.write_all(format!("HTTP/1.1 {current} X\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn answers_change_the_state_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, receiver, mut states) = probed(listener.local_addr().unwrap(), settings(ProbeKind::Http));
    let (heads, mut seen) = mpsc::channel(100);
    tokio::select! {
        _ = run(receiver, tls()) => panic!("the prober ended"),
        _ = answer(listener, &[200, 500, 404, 200], heads) => panic!("the server ended"),
        () = async {
            assert_eq!(states.recv().await, Some(false));
            assert_eq!(states.recv().await, Some(true));
        } => {}
    }
    let head = seen.recv().await.unwrap();
    assert_eq!(head, "GET /up?x=1 HTTP/1.1\r\nConnection: close\r\nX-A: b\r\nHost: up.test\r\n\r\n");
}

#[tokio::test]
async fn a_refused_connection_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (_sender, receiver, mut states) = probed(address, settings(ProbeKind::Tcp));
    tokio::select! {
        _ = run(receiver, tls()) => panic!("the prober ended"),
        state = states.recv() => assert_eq!(state, Some(false)),
    }
}

#[tokio::test]
async fn silence_is_a_time_out_and_a_connection_is_enough_for_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sender, receiver, mut states) = probed(listener.local_addr().unwrap(), settings(ProbeKind::Http));
    let prober = run(receiver, tls());
    tokio::pin!(prober);
    tokio::select! {
        _ = &mut prober => panic!("the prober ended"),
        state = states.recv() => assert_eq!(state, Some(false)),
    }
    // The listener never accepts; its queue of connections answers a probe of the connection alone.
    let (_other, tcp, mut tcp_states) = probed(listener.local_addr().unwrap(), settings(ProbeKind::Tcp));
    tcp.borrow().mark("up.test", 80, None, false).unwrap();
    assert_eq!(tcp_states.recv().await, Some(false));
    tokio::select! {
        _ = run(tcp, tls()) => panic!("the prober ended"),
        state = tcp_states.recv() => assert_eq!(state, Some(true)),
    }
    drop(sender);
    prober.await;
}

#[tokio::test]
async fn a_plain_server_fails_a_tls_probe() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, receiver, mut states) = probed(listener.local_addr().unwrap(), settings(ProbeKind::Grpcs));
    let (heads, _seen) = mpsc::channel(100);
    tokio::select! {
        _ = run(receiver, tls()) => panic!("the prober ended"),
        _ = answer(listener, &[200], heads) => panic!("the server ended"),
        state = states.recv() => assert_eq!(state, Some(false)),
    }
}

#[test]
fn a_status_line_is_read_or_refused() {
    assert_eq!(status(b"HTTP/1.1 204 No Content\r\n"), Some(204));
    assert_eq!(status(b"HTTP/1.0 500\r\n"), Some(500));
    for bad in [&b""[..], b"SSH-2.0", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 2x0 X", b"HTTP/1.1 20"] {
        assert_eq!(status(bad), None);
    }
}
