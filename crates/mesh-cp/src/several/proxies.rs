//! Proxies that register with one control plane after the other, and control planes that end.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use store::{Key, Op, Store};
use testkit::wait_for;

use super::{SOON, clock, database, dataplane, put, resources};
use crate::dp_server::{self, DpServer};
use crate::index::{Index, ProxyId};
use crate::insights::Insights;
use crate::instances::{self, Instances, Patience};
use crate::resources::{REGISTERED, Resources, Settings, spec_value};
use crate::tokens::Tokens;

/// How long proxies of a control plane that is gone are waited for here.
const COMEBACK: Duration = Duration::from_secs(3);

/// What of one control plane looks after proxies.
struct Instance {
    resources: Resources,
    insights: Arc<Insights>,
    instances: Arc<Instances>,
    tasks: Tasks,
}

impl Instance {
    fn new(id: &str, store: Store) -> Self {
        let resources = Resources::new(store.clone(), Settings::default());
        let tasks = Tasks::new();
        let insights = Arc::new(Insights::new(id.to_owned(), resources.clone(), clock(), 10));
        let index = Index::start(resources.clone(), clock(), Arc::clone(&insights), None, tasks.shutdown()).unwrap();
        let settings = dp_server::Settings {
            authenticate: false,
            deregistration_delay: Duration::ZERO,
            xds_host: None,
            xds_port: 5678,
            xds_connect_timeout: Duration::from_secs(1),
            certificate: None,
            ca_pem: String::new(),
            admin_address: "127.0.0.1".to_owned(),
            admin_port: 9901,
            admin_unix_socket: true,
            admin_access_log: String::new(),
        };
        let tokens = Tokens::new(resources.clone(), clock());
        let shared = Arc::clone(&insights);
        let dp_server = DpServer::new(settings, resources.clone(), index, shared, tokens, clock(), tasks.clone());
        let patience = Patience { comeback: COMEBACK, cleanup_age: Duration::from_secs(3600) };
        let instances = Instances::new(store, Arc::clone(&insights), dp_server, Gauge::default(), patience);
        Self { resources, insights, instances, tasks }
    }

    fn look_after_others(&self) {
        let instances = Arc::clone(&self.instances);
        self.tasks.spawn_detached("others", instances.look_after_others(self.tasks.shutdown()));
    }

    /// The Dataplane `name` as if it had registered itself here.
    async fn register(&self, name: &str, owner: &str) {
        put(&self.resources, "Dataplane", name, &dataplane(name, None)).await;
        let key = Key::new("Dataplane", "default", name);
        let mut draft = self.resources.store().get(&key).await.unwrap().unwrap().draft.clone();
        draft.labels.insert(REGISTERED.to_owned(), owner.to_owned());
        self.resources.store().commit(vec![Op::Put(draft, None)]).await.unwrap();
    }

    async fn names(&self, kind: &str) -> Vec<String> {
        let kind = mesh_model::Kind::by_name(kind).unwrap();
        let records = self.resources.all(kind, None).await.unwrap();
        records.iter().map(|record| record.draft.key.name.to_string()).collect()
    }

    async fn is_online(&self, name: &str) -> bool {
        let key = Key::new("DataplaneInsight", "default", name);
        let record = self.resources.store().get(&key).await.unwrap();
        let insight = record.as_deref().map(spec_value).unwrap_or_default();
        let subscriptions = insight["subscriptions"].as_array().cloned().unwrap_or_default();
        subscriptions.iter().any(|one| one.get("disconnectTime").is_none())
    }
}

fn proxy(name: &str) -> ProxyId {
    ProxyId { mesh: "default".into(), name: name.into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_run_left_is_tidied_up_and_what_came_back_stays() {
    let store = store::memory::open(clock());
    let now = Instance::new("now", store.clone());
    put(&now.resources, "Mesh", "default", &json!({})).await;
    // An earlier run was killed with two proxies; one comes back, one does not. A third is declared, not registered.
    let earlier = Instance::new("earlier", store.clone());
    drop(instances::join(&store, "earlier").await.unwrap());
    for name in ["back", "gone", "declared"] {
        earlier.register(name, "earlier").await;
        earlier.insights.connected(&proxy(name), 1, Value::Null);
    }
    put(&now.resources, "Dataplane", "declared", &dataplane("declared", None)).await;
    earlier.insights.flush().await;

    let _membership = instances::join(&store, "now").await.unwrap();
    now.look_after_others();
    wait_for("its connections have ended", SOON, || async {
        if now.is_online("gone").await || now.is_online("back").await { Err("they are open") } else { Ok(()) }
    })
    .await
    .unwrap();
    assert_eq!(now.names("Dataplane").await, ["back", "declared", "gone"], "they may come back");
    now.register("back", "now").await;
    now.insights.connected(&proxy("back"), 1, Value::Null);
    now.insights.flush().await;
    wait_for("who did not come back is deregistered", SOON, || async {
        let names = now.names("Dataplane").await;
        if names == ["back", "declared"] { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await
    .unwrap();
    wait_for("the earlier run is forgotten", SOON, || async {
        match store.get(&Key::new("ControlPlane", "", "earlier")).await.unwrap() {
            None => Ok(()),
            Some(record) => Err(format!("{record:?}")),
        }
    })
    .await
    .unwrap();
    assert!(now.is_online("back").await);
    now.tasks.begin_shutdown();
    earlier.tasks.begin_shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ends_is_noticed_by_the_others_and_one_that_lives_is_left_alone() {
    let database = database().await;
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(resources(database.address()).await.store().clone());
    }
    let [first, second, third] = ["cp-1", "cp-2", "cp-3"].map(|id| Instance::new(id, stores.remove(0)));
    put(&first.resources, "Mesh", "default", &json!({})).await;
    let mut memberships = Vec::new();
    for instance in [&first, &second, &third] {
        let store = instance.resources.store();
        memberships.push(instances::join(store, instance.insights.instance()).await.unwrap());
        instance.look_after_others();
    }
    for (instance, name) in [(&first, "one"), (&second, "two")] {
        instance.register(name, instance.insights.instance()).await;
        instance.insights.connected(&proxy(name), 1, Value::Null);
        instance.insights.flush().await;
    }
    wait_for("all know both", SOON, || async {
        if third.is_online("one").await && third.is_online("two").await { Ok(()) } else { Err("not yet") }
    })
    .await
    .unwrap();
    drop(memberships.remove(0));
    wait_for("the proxy of the first is shown as gone", SOON, || async {
        if third.is_online("one").await { Err("it is online") } else { Ok(()) }
    })
    .await
    .unwrap();
    assert!(third.is_online("two").await);
    // It was only away, and says so.
    let _again = instances::join(first.resources.store(), "cp-1").await.unwrap();
    first.insights.write_again();
    first.insights.flush().await;
    wait_for("the proxy of the first is shown again", SOON, || async {
        if third.is_online("one").await { Ok(()) } else { Err("it is offline") }
    })
    .await
    .unwrap();
    for instance in [first, second, third] {
        instance.tasks.begin_shutdown();
    }
}
