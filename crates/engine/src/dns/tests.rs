use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::Clock;
use base::clock::ManualClock;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record as Rr, RecordType};
use parking_lot::Mutex;
use tokio::net::UdpSocket;

use super::hosts::Hosts;
use super::*;

/// What a question is answered with; without an entry there is no such name.
type Zone = HashMap<(&'static str, RecordType), Reply>;

#[derive(Clone)]
enum Reply {
    Records(u32, Vec<RData>),
    Code(ResponseCode),
}

fn a(ip: &str) -> RData {
    RData::A(A(ip.parse::<Ipv4Addr>().unwrap()))
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, Name::from_str(target).unwrap()))
}

/// A name server, names that ask it, and the clock they look at.
struct Bed {
    names: Arc<Names>,
    clock: Arc<ManualClock>,
    zone: Arc<Mutex<Zone>>,
    questions: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _files: tempfile::TempDir,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Bed {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("hosts"), "10.3.3.3 listed listed.test # 10.4.4.4\n").unwrap();
        std::fs::write(files.path().join("resolv.conf"), "search corp.test\noptions ndots:1 timeout:1 attempts:1\n")
            .unwrap();
        let mut settings = Settings {
            servers: vec![socket.local_addr().unwrap()],
            hosts: files.path().join("hosts"),
            resolv_conf: files.path().join("resolv.conf"),
            ..Settings::default()
        };
        change(&mut settings);
        let clock = Arc::new(ManualClock::new(base::SystemClock.now()));
        let (names, service) = Names::new(settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let zone = Arc::new(Mutex::new(Zone::new()));
        let questions = Arc::new(AtomicUsize::new(0));
        let mut local = tokio::task::JoinSet::new();
        local.spawn(service.run());
        local.spawn(serve(socket, Arc::clone(&zone), Arc::clone(&questions)));
        let mut bed = Self { names, clock, zone, questions, tasks: Vec::new(), _files: files };
        bed.tasks = hold(local);
        bed
    }

    fn set(&self, name: &'static str, kind: RecordType, reply: Reply) {
        self.zone.lock().insert((name, kind), reply);
    }

    fn set_a(&self, name: &'static str, ttl: u32, ip: &str) {
        self.set(name, RecordType::A, Reply::Records(ttl, vec![a(ip)]));
    }

    fn asked(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    async fn ip(&self, host: &str) -> Result<String, DnsError> {
        self.names.lookup(host, 80).await.map(|address| address.to_string())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Tasks that live as long as the bed: a set aborts its tasks when it is dropped.
fn hold(mut set: tokio::task::JoinSet<()>) -> Vec<tokio::task::JoinHandle<()>> {
    let keeper = async move { while set.join_next().await.is_some() {} };
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    let handle = tokio::spawn(keeper);
    vec![handle]
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>, questions: Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    loop {
        let (size, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..size]).unwrap();
        questions.fetch_add(1, Ordering::SeqCst);
        let question = query.queries[0].clone();
        let name = question.name().to_ascii();
        let name = name.trim_end_matches('.');
        let mut reply = Message::response(query.metadata.id, OpCode::Query);
        reply.add_query(question.clone());
        let zone = zone.lock().clone();
        match zone.get(&(name, question.query_type())) {
            Some(Reply::Records(ttl, data)) => {
                reply.add_answers(data.iter().map(|d| Rr::from_rdata(question.name().clone(), *ttl, d.clone())));
            }
            Some(Reply::Code(code)) => reply.metadata.response_code = *code,
            None if zone.keys().any(|(known, _)| *known == name) => {}
            None => reply.metadata.response_code = ResponseCode::NXDomain,
        }
        socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_renewed_behind_a_stale_one() {
    let bed = Bed::new(|_| {}).await;
    bed.set_a("a.test", 60, "10.1.1.1");
    assert_eq!(bed.ip("a.test").await.unwrap(), "10.1.1.1:80");
    let asked = bed.asked();
    bed.set_a("a.test", 60, "10.1.1.2");
    bed.pass(59);
    assert_eq!(bed.ip("A.Test.").await.unwrap(), "10.1.1.1:80");
    assert_eq!(bed.asked(), asked);
    bed.pass(2);
    // Stale, but at once; the question it started brings the new one.
    assert_eq!(bed.names.cached("a.test", 80).unwrap().unwrap().to_string(), "10.1.1.1:80");
    testkit::wait_for("the new address", Duration::from_secs(5), || async {
        (bed.ip("a.test").await.unwrap() == "10.1.1.2:80").then_some(()).ok_or("not yet")
    })
    .await
    .unwrap();
    bed.set_a("a.test", 60, "10.1.1.3");
    bed.pass(3600 + 61);
    assert!(bed.names.cached("a.test", 80).is_none(), "too old to be given");
    assert_eq!(bed.ip("a.test").await.unwrap(), "10.1.1.3:80");
}

#[tokio::test]
async fn many_who_wait_for_a_name_ask_once() {
    let bed = Bed::new(|s| s.order = vec![Record::A]).await;
    bed.set_a("a.test", 60, "10.1.1.1");
    let all = futures_util::future::join_all((0..100).map(|_| bed.ip("a.test"))).await;
    assert!(all.iter().all(|ip| ip.as_deref() == Ok("10.1.1.1:80")));
    assert_eq!(bed.asked(), 1);
}

#[tokio::test]
async fn literals_and_the_hosts_file_ask_nobody() {
    let bed = Bed::new(|_| {}).await;
    assert_eq!(bed.ip("10.9.8.7").await.unwrap(), "10.9.8.7:80");
    assert_eq!(bed.ip("[::1]").await.unwrap(), "[::1]:80");
    assert_eq!(bed.ip("::1").await.unwrap(), "[::1]:80");
    assert_eq!(bed.ip("Listed").await.unwrap(), "10.3.3.3:80");
    assert_eq!(bed.names.subscribe("10.9.8.7").unwrap().changed().await.unwrap().record, "A");
    assert_eq!(bed.asked(), 0);
}

#[tokio::test]
async fn srv_records_of_the_best_priority_bring_ports_and_weights() {
    let bed = Bed::new(|_| {}).await;
    let records = vec![srv(5, 0, 9001, "one.test."), srv(5, 7, 9002, "two.test."), srv(9, 1, 9003, "one.test.")];
    bed.set("svc.test", RecordType::SRV, Reply::Records(60, records));
    bed.set_a("one.test", 60, "10.1.0.1");
    let mut answer = bed.names.resolve("svc.test").await.unwrap().as_ref().clone();
    answer.endpoints.sort_by_key(|e| e.port);
    let one = Endpoint {
        name: "one.test".into(),
        port: Some(9001),
        weight: Some(1),
        ..Endpoint::of("10.1.0.1".parse().unwrap())
    };
    let two = Endpoint { name: "two.test".into(), ips: SmallVec::new(), port: Some(9002), weight: Some(7) };
    assert_eq!(answer, Answer { record: "SRV", endpoints: vec![one, two] });
    assert_eq!(bed.ip("svc.test").await.unwrap(), "10.1.0.1:9001");
}

#[tokio::test]
async fn the_last_successful_type_is_asked_first() {
    let bed = Bed::new(|s| s.valid_ttl = Some(Duration::ZERO)).await;
    bed.set_a("a.test", 60, "10.1.1.1");
    bed.ip("a.test").await.unwrap();
    assert_eq!(bed.asked(), 2, "SRV, then A");
    bed.ip("a.test").await.unwrap();
    assert_eq!(bed.asked(), 3, "without a time to live it is asked again, for A at once");
}

#[tokio::test]
async fn several_addresses_are_given_by_turns_and_short_names_are_searched() {
    let bed = Bed::new(|s| s.order = vec![Record::A]).await;
    bed.set("svc.corp.test", RecordType::A, Reply::Records(60, vec![a("10.1.1.1"), a("10.1.1.2")]));
    let mut ips = [bed.ip("svc").await.unwrap(), bed.ip("svc").await.unwrap()];
    ips.sort();
    assert_eq!(ips, ["10.1.1.1:80", "10.1.1.2:80"]);
}

#[tokio::test]
async fn failures_are_told_apart_and_remembered_for_their_time() {
    let bed = Bed::new(|s| s.order = vec![Record::A]).await;
    assert_eq!(bed.ip("gone.test").await, Err(DnsError::NotFound));
    bed.set("empty.test", RecordType::TXT, Reply::Records(60, vec![]));
    assert_eq!(bed.ip("empty.test").await, Err(DnsError::Empty));
    bed.set("broken.test", RecordType::A, Reply::Code(ResponseCode::ServFail));
    let broken = bed.ip("broken.test").await.unwrap_err();
    assert!(matches!(broken, DnsError::Server(_)) && !broken.is_absent(), "{broken:?}");
    assert_eq!(broken.to_string(), "dns server error: 2 server failure");
    assert_eq!(bed.ip(&"x".repeat(300)).await, Err(DnsError::Invalid));
    assert_eq!(bed.ip("a b").await, Err(DnsError::Invalid));
    bed.set_a("gone.test", 60, "10.1.1.1");
    bed.set_a("broken.test", 60, "10.1.1.2");
    bed.pass(2);
    assert_eq!(bed.ip("gone.test").await, Err(DnsError::NotFound));
    assert_eq!(bed.ip("broken.test").await.unwrap(), "10.1.1.2:80");
    bed.pass(30);
    assert_eq!(bed.ip("gone.test").await.unwrap(), "10.1.1.1:80");
}

#[tokio::test]
async fn a_failing_name_server_does_not_take_away_what_is_known() {
    let bed = Bed::new(|s| s.order = vec![Record::A]).await;
    bed.set_a("a.test", 10, "10.1.1.1");
    bed.ip("a.test").await.unwrap();
    bed.set("a.test", RecordType::A, Reply::Code(ResponseCode::ServFail));
    bed.pass(11);
    let asked = bed.asked();
    bed.ip("a.test").await.unwrap();
    testkit::wait_for("the question", Duration::from_secs(5), || async {
        (bed.asked() > asked).then_some(()).ok_or("not yet")
    })
    .await
    .unwrap();
    bed.pass(60);
    assert_eq!(bed.ip("a.test").await.unwrap(), "10.1.1.1:80");
}

#[tokio::test]
async fn subscribers_are_told_of_new_addresses_only() {
    let short = Duration::from_millis(1);
    let bed = Bed::new(|s| (s.order, s.valid_ttl, s.retry) = (vec![Record::A], Some(short), short)).await;
    let mut subscription = bed.names.subscribe("a.test").unwrap();
    assert_eq!(subscription.changed().await, Err(DnsError::NotFound));
    bed.set_a("a.test", 1, "10.1.1.1");
    let ip = |answer: Arc<Answer>| answer.endpoints[0].name.to_string();
    assert_eq!(ip(subscription.changed().await.unwrap()), "10.1.1.1");
    let asked = bed.asked();
    let quiet = async {
        testkit::wait_for("another question", Duration::from_secs(5), || async {
            (bed.asked() > asked + 1).then_some(()).ok_or("not yet")
        })
        .await
        .unwrap();
    };
    tokio::select! {
        result = subscription.changed() => panic!("told of the same: {result:?}"),
        () = quiet => {}
    }
    bed.set_a("a.test", 1, "10.1.1.2");
    assert_eq!(ip(subscription.changed().await.unwrap()), "10.1.1.2");
}

#[tokio::test]
async fn the_cache_has_a_limit() {
    let bed = Bed::new(|s| (s.order, s.cache_size) = (vec![Record::A], 1)).await;
    let kept = bed.names.subscribe("kept.test").unwrap();
    for number in 0..500 {
        bed.ip(&format!("n{number}.test")).await.unwrap_err();
    }
    let known = (0..500).filter(|number| bed.names.cached(&format!("n{number}.test"), 80).is_some()).count();
    assert!((1..=64).contains(&known), "{known}");
    assert!(kept.current().is_some() && bed.names.cached("kept.test", 80).is_some());
}

#[tokio::test]
async fn without_its_service_nobody_waits_for_ever() {
    let settings = Settings { servers: vec!["127.0.0.1:1".parse().unwrap()], ..Settings::default() };
    let (names, service) = Names::new(settings, Arc::new(ManualClock::new(base::SystemClock.now()))).unwrap();
    drop(service);
    assert_eq!(names.lookup("a.test", 80).await, Err(DnsError::Overloaded));
}

#[test]
fn a_hosts_file_is_read_as_others_read_it() {
    let hosts =
        Hosts::parse("127.0.0.1 localhost Local\n::1 localhost\nbad line\n# 1.1.1.1 x\n10.0.0.1 a\n10.0.0.2 a\n");
    let names = |name: &str, order: &[Record]| -> Vec<String> {
        hosts.find(name, order).map(|a| a.endpoints.iter().map(|e| e.name.to_string()).collect()).unwrap_or_default()
    };
    assert_eq!(names("localhost", &[Record::A]), ["127.0.0.1"]);
    assert_eq!(names("localhost", &[Record::Srv, Record::Aaaa, Record::A]), ["[::1]"]);
    assert_eq!(names("local", &[Record::Aaaa]), ["127.0.0.1"]);
    assert_eq!(names("a", &[]), ["10.0.0.1", "10.0.0.2"]);
    assert!(names("x", &[Record::A]).is_empty());
}
