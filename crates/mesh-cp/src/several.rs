//! Several control planes on one real database, without their programs.

mod outage;
mod proxies;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Clock, SystemClock};
use mesh_xds::ProxyMetadata;
use pki::jwt::{DataplaneClaims, UserClaims};
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use testkit::postgres::{Address, Database};
use testkit::wait_for;

use crate::config::Config;
use crate::identity::{self, Authority};
use crate::index::{Index, ProxyId};
use crate::insights::Insights;
use crate::resources::{Resources, Settings};
use crate::tokens::Tokens;
use crate::{defaults, secrets};

/// Patience with a busy machine.
const SOON: Duration = Duration::from_secs(15);

fn settings(address: &Address) -> store::postgres::Settings {
    let plain = store::postgres::Settings::plain(
        &address.host,
        address.port,
        &address.user,
        &address.password,
        &address.database,
    );
    store::postgres::Settings { commit_timeout: Duration::from_secs(2), ..plain }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A database with the schema.
pub(crate) async fn database() -> Database {
    let server = testkit::postgres::shared().await.unwrap();
    let prepared = server.database_from("mesh_cp", |address| async move {
        store::postgres::migrate(&settings(&address)).await?;
        Ok(())
    });
    prepared.await.unwrap()
}

/// One control plane's access to it.
pub(crate) async fn resources(address: &Address) -> Resources {
    let store = store::postgres::open(settings(address), clock()).await.unwrap();
    Resources::new(store, Settings::default())
}

pub(crate) async fn put(resources: &Resources, kind: &str, name: &str, body: &Value) {
    let kind = mesh_model::Kind::by_name(kind).unwrap();
    let mesh = if kind.name == "Mesh" { "" } else { "default" };
    resources.put(kind, mesh, name, &Default::default(), body).await.unwrap();
}

pub(crate) fn dataplane(service: &str, outbound: Option<&str>) -> Value {
    let outbound: Vec<Value> =
        outbound.iter().map(|service| json!({ "port": 9000, "tags": { "kuma.io/service": service } })).collect();
    let inbound = json!([{ "port": 1234, "tags": { "kuma.io/service": service } }]);
    json!({ "networking": { "address": "10.0.0.1", "inbound": inbound, "outbound": outbound } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_one_is_pushed_by_all_at_once() {
    let database = database().await;
    let (first, second) = (resources(database.address()).await, resources(database.address()).await);
    put(&first, "Mesh", "default", &json!({})).await;
    put(&first, "Dataplane", "web", &dataplane("web", Some("backend"))).await;
    let tasks = Tasks::new();
    let insights = Arc::new(Insights::new("cp-2".to_owned(), second.clone(), clock(), 2));
    let index = Index::start(second.clone(), clock(), insights, None, tasks.shutdown()).unwrap();
    let web = ProxyId { mesh: "default".into(), name: "web".into() };
    let mut views = index.connect(web, 1, ProxyMetadata::default()).await.unwrap();
    tokio::time::timeout(SOON, views.wait_for(|view| view.is_ready())).await.unwrap().unwrap();
    let mut delays = Vec::new();
    for number in 0..21 {
        views.borrow_and_update();
        let name = format!("backend-{number}");
        let mut body = dataplane("backend", None);
        body["networking"]["address"] = json!(format!("10.0.1.{number}"));
        put(&first, "Dataplane", &name, &body).await;
        let written = Instant::now();
        tokio::time::timeout(SOON, views.changed()).await.unwrap().unwrap();
        delays.push(written.elapsed());
    }
    delays.sort();
    assert!(delays[delays.len() / 2] < Duration::from_millis(100), "{delays:?}");
    tasks.begin_shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_have_in_common_is_made_once_however_many_start() {
    let database = database().await;
    let config = Config::with(|_| {}).unwrap();
    let start = async || {
        let resources = resources(database.address()).await;
        let tokens = Tokens::new(resources.clone(), clock());
        defaults::ensure(&resources, &config, &tokens).await.unwrap();
        let identity = identity::of_this_run(&resources).await.unwrap();
        let mut authorities = Vec::new();
        for which in [Authority::Servers, Authority::EnvoyAdmin] {
            authorities.push(identity::authority(&resources, which, &*clock()).await.unwrap().cert_pem().to_owned());
        }
        (resources, identity, authorities)
    };
    let all = futures_util::future::join_all((0..4).map(|_| start())).await;
    let (resources, identity, authorities) = &all[0];
    let secrets = resources.all(secrets::kind(""), None).await.unwrap();
    assert_eq!(secrets.len(), 3, "two keys and the administrator's token");
    for (other, its_identity, its_authorities) in &all[1..] {
        assert_eq!(its_identity.cluster_id, identity.cluster_id);
        assert_ne!(its_identity.instance_id, identity.instance_id);
        assert_eq!(its_authorities, authorities);
        for kind in [secrets::kind(""), secrets::kind("default")] {
            let own = resources.all(kind, None).await.unwrap();
            let same = wait_for("both have the same secrets", SOON, || async {
                let theirs = other.all(kind, None).await.unwrap();
                if theirs == own { Ok(()) } else { Err(format!("{theirs:?}")) }
            });
            same.await.unwrap();
        }
    }
    // The administrator's token is of the key that won.
    let token = secrets::read(resources, "", "admin-user-token").await.unwrap().unwrap();
    let tokens = Tokens::new(all[3].0.clone(), clock());
    tokens.validate_user(&String::from_utf8(token).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_revocations_written_on_one_hold_on_the_others() {
    let database = database().await;
    let (first, second) = (resources(database.address()).await, resources(database.address()).await);
    put(&first, "Mesh", "default", &json!({})).await;
    let tokens = [&first, &second].map(|resources| Tokens::new(resources.clone(), clock()));
    let hour = Duration::from_secs(3600);
    let claims = || DataplaneClaims { mesh: "default".to_owned(), ..DataplaneClaims::default() };
    let token = tokens[0].issue_dataplane(claims(), hour).await.unwrap();
    let checked = async |token: &str| {
        let none = mesh_model::Dataplane::default();
        tokens[1].validate_dataplane(token, "default", "web", &none, None).await
    };
    wait_for("the other takes the token", SOON, || checked(&token)).await.unwrap();

    let payload = token.split('.').nth(1).unwrap();
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    let id = payload["jti"].as_str().unwrap();
    secrets::write(&first, "default", "dataplane-token-revocations-default", id.as_bytes()).await.unwrap();
    let refused = async || checked(&token).await.err().ok_or("it is taken");
    wait_for("the other refuses the revoked token", Duration::from_secs(2), refused).await.unwrap();

    // A new key signs from now on, everywhere; without the old one its tokens are over.
    let key = pki::jwt::SigningKey::generate().unwrap();
    secrets::write(&first, "", "user-token-signing-key-7", key.pem().expose().as_bytes()).await.unwrap();
    let user = || UserClaims { name: "u".to_owned(), groups: Vec::new() };
    let issued = || tokens[1].issue_user(user(), hour);
    let token = wait_for("the other signs with the new key", SOON, issued).await.unwrap();
    assert_eq!(pki::jwt::key_id(&token).unwrap(), "7");
    tokens[0].validate_user(&token).await.unwrap();
    first.delete(secrets::kind(""), "", "user-token-signing-key-7").await.unwrap();
    let refused = async || tokens[1].validate_user(&token).await.err().ok_or("it is taken");
    wait_for("the other refuses tokens of the deleted key", Duration::from_secs(2), refused).await.unwrap();
}
