use base::{Clock as _, SystemClock};
use engine::tls::{Certificate, CertificateTable, Certificates, ServerIdentity};
use gateway_proxy::pdk::Node;
use gateway_proxy::{References, Surroundings};
use pki::tls::{KeyType, Role};
use runtime::tasks::Tasks;
use store::{Committed, Draft};

use super::super::certificates::probe_tls;
use super::*;

fn compiler() -> Compiler {
    let clock = Arc::new(SystemClock);
    let names = ["localhost".to_owned()];
    let own = pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &names, clock.now()).unwrap();
    let own = Certificate::from_pem(&own.cert_pem, own.key_pem.expose()).unwrap();
    let default_identity = ServerIdentity::new(own, None);
    Compiler::new(Surroundings {
        settings: Arc::default(),
        node: Arc::new(Node::new("host", "id", "1", "/nowhere", clock.clone(), Tasks::new())),
        definitions: Vec::new(),
        names: engine::dns::Names::new(engine::dns::Settings::default(), clock).unwrap().0,
        certificates: Certificates::new(CertificateTable::new(default_identity.clone())),
        default_identity,
        probe_tls: probe_tls(),
        references: References::new([]),
    })
}

fn upstream(name: &str) -> Arc<Record> {
    let document = serde_json::json!({ "id": name, "name": name });
    let draft = Draft::new(Key::new("upstreams", "", name), document.to_string());
    let now = SystemClock.now();
    Arc::new(Record { draft, version: 1, revision: 1, created: now, modified: now })
}

fn snapshot(revision: Revision, names: &[&str]) -> Event {
    Event::Snapshot { revision, records: names.iter().map(|name| upstream(name)).collect() }
}

#[tokio::test]
async fn what_a_later_snapshot_lacks_is_gone_however_it_came() {
    let (_replace, replacements) = mpsc::channel(1);
    let store = store::memory::open(Arc::new(SystemClock));
    let (mut applier, in_force) = Applier::new(store, compiler(), replacements);
    let there = || {
        let config = in_force.config.load();
        let mut names: Vec<_> = config.upstreams().map(|(name, _)| name.to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    applier.apply(&snapshot(1, &["a", "b"]));
    let changes = vec![store::Change::Put(upstream("c")), store::Change::Put(upstream("d"))];
    applier.apply(&Event::Changes(Arc::new(Committed { revision: 2, changes })));
    assert_eq!(there(), "a b c d");
    applier.apply(&snapshot(3, &["b", "d", "e"]));
    assert_eq!(there(), "b d e");
    in_force.wait(3).await;
}
