//! A controller of a cluster: all configuration in one document, errors told by entity, a hash to see what is in force.

use std::sync::Arc;

use gateway::admin::{Connections, LuaMemory, NoHealth, Node, Parts, SharedMemory, StaticNode, router};
use gateway::declarative::Loader;
use serde_json::{Map, Value, json};

use crate::admin::{Api, Got, id};

const PUSH: &str = "/config?check_hash=1&flatten_errors=1";

/// What a controller makes of a service with two pods, a route and a consumer: flat, every id given.
fn document() -> Value {
    json!({
        "_format_version": "3.0",
        "_transform": false,
        "services": [{
            "id": id(1), "name": "shop.cart.80", "host": "cart.shop.80.svc", "port": 80, "protocol": "http", "path": "/",
            "retries": 5, "connect_timeout": 60000, "read_timeout": 60000, "write_timeout": 60000,
            "tags": ["k8s-name:cart", "k8s-namespace:shop", "k8s-kind:Service", "k8s-version:v1"],
        }],
        "routes": [{
            "id": id(2), "name": "shop.cart-web.cart..80", "service": {"id": id(1)}, "paths": ["/cart/", "~/cart$"],
            "protocols": ["http", "https"], "preserve_host": true, "strip_path": false, "path_handling": "v0",
            "request_buffering": true, "response_buffering": true, "regex_priority": 0,
            "https_redirect_status_code": 426, "tags": ["k8s-name:cart-web", "k8s-kind:Ingress"],
        }],
        "upstreams": [{"id": id(3), "name": "cart.shop.80.svc", "algorithm": "round-robin"}],
        "targets": [
            {"id": id(4), "target": "10.0.0.1:8080", "weight": 1, "upstream": {"id": id(3)}},
            {"id": id(5), "target": "10.0.0.2:8080", "weight": 1, "upstream": {"id": id(3)}},
        ],
        "consumers": [{"id": id(6), "username": "mobile", "tags": ["k8s-name:mobile"]}],
        "keyauth_credentials": [{"id": id(7), "key": "k", "consumer": {"id": id(6)}}],
        "basicauth_credentials": [{"id": id(8), "username": "m", "password": "digest", "consumer": {"id": id(6)}}],
        "acls": [{"id": id(9), "group": "apps", "consumer": {"id": id(6)}}],
        "plugins": [{
            "id": id(10), "name": "key-auth", "config": {"key_names": ["apikey"]}, "enabled": true,
            "service": {"id": id(1)}, "protocols": ["http", "https"], "tags": ["k8s-name:auth"],
        }],
    })
}

/// A node whose configuration is what was loaded last.
#[derive(Debug)]
struct Loaded {
    node: StaticNode,
    loader: Arc<Loader>,
}

impl Node for Loaded {
    fn configuration_hash(&self) -> Option<String> {
        Some(self.loader.hash())
    }

    fn configuration(&self) -> Map<String, Value> {
        Map::from_iter([("database".to_owned(), json!("off"))])
    }

    fn hostname(&self) -> String {
        self.node.hostname()
    }

    fn id(&self) -> String {
        self.node.id()
    }

    fn connections(&self) -> Connections {
        self.node.connections()
    }

    fn workers(&self) -> Vec<LuaMemory> {
        self.node.workers()
    }

    fn shared_memory(&self) -> Vec<SharedMemory> {
        self.node.shared_memory()
    }

    fn timers(&self) -> (u64, u64) {
        self.node.timers()
    }

    fn database_reachable(&self) -> bool {
        self.node.database_reachable()
    }

    fn log_level(&self) -> String {
        self.node.log_level()
    }

    fn set_log_level(&self, level: &str, timeout: u64) {
        self.node.set_log_level(level, timeout);
    }

    fn metrics(&self) -> Option<String> {
        self.node.metrics()
    }
}

fn api() -> (Api, Arc<Loader>) {
    let api = Api::new().read_only();
    let (clock, dao) = (api.clock.clone(), api.dao.clone());
    let loader = Arc::new(Loader::new(dao.clone()));
    let parts = Parts {
        dao: dao.clone(),
        node: Arc::new(Loaded { node: StaticNode::default(), loader: loader.clone() }),
        health: Arc::new(NoHealth),
        config: Some(loader.clone()),
        plugins: None,
        origins: Vec::new(),
    };
    (Api { router: router(parts), clock, dao, database: None }, loader)
}

async fn push(api: &Api, document: &Value) -> Got {
    api.call("POST", PUSH, document.clone()).await
}

/// The reported errors of an entity: field (or `null`) and message.
fn errors_of(got: &Got, wanted: &str) -> Vec<(Value, String)> {
    let body = got.json();
    let all = body["flattened_errors"].as_array().expect("errors are flattened");
    let entity = all.iter().find(|entity| entity["entity_id"] == wanted).unwrap_or_else(|| panic!("none of {wanted}"));
    let errors = entity["errors"].as_array().expect("an entity has errors");
    let pair = |error: &Value| (error["field"].clone(), error["message"].as_str().unwrap_or_default().to_owned());
    errors.iter().map(pair).collect()
}

#[tokio::test]
async fn a_document_comes_into_force_and_can_be_read() {
    let (api, loader) = api();
    let empty = loader.hash();
    assert_eq!(empty, "0".repeat(32));
    let got = push(&api, &document()).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let answer: Map<String, Value> = serde_json::from_str(&got.text).unwrap();
    for (kind, entities) in document().as_object().unwrap().iter().filter(|(name, _)| !name.starts_with('_')) {
        let ids: Vec<_> = entities.as_array().unwrap().iter().map(|entity| entity["id"].as_str().unwrap()).collect();
        let answered = answer[kind].as_object().unwrap_or_else(|| panic!("{kind} is missing"));
        assert_eq!(answered.len(), ids.len(), "{kind}");
        assert!(ids.iter().all(|id| answered[*id]["id"] == *id), "{kind}");
    }
    let hash = loader.hash();
    assert_ne!(hash, empty);
    assert_eq!(api.read("/status").await["configuration_hash"], hash.as_str());

    assert_eq!(api.read("/services/shop.cart.80").await["id"], id(1));
    assert_eq!(api.read("/services/shop.cart.80/plugins").await["data"][0]["id"], id(10));
    assert_eq!(api.read("/upstreams/cart.shop.80.svc/targets").await["data"].as_array().unwrap().len(), 2);
    // Nothing is transformed: the password is what the document says.
    assert_eq!(api.read(&format!("/consumers/mobile/basic-auth/{}", id(8))).await["password"], "digest");
    // A document is loaded as often as it is sent.
    assert_eq!(push(&api, &document()).await.status, 201);
}

#[tokio::test]
async fn errors_name_the_entities_and_leave_the_rest_in_force() {
    let (api, loader) = api();
    assert_eq!(push(&api, &document()).await.status, 201);
    let hash = loader.hash();

    let mut wrong = document();
    wrong["services"][0]["port"] = json!(99_999);
    wrong["services"][0]["protocol"] = json!("tcp");
    wrong["routes"][0]["paths"] = json!(["cart"]);
    wrong["targets"][1]["weight"] = json!(-1);
    wrong["consumers"][0]["username"] = json!(7);
    wrong["plugins"][0]["config"] = json!({"key_names": "x", "nope": 1});
    wrong["plugins"].as_array_mut().unwrap().push(json!({"id": id(11), "name": "no-such", "tags": ["k8s-name:other"]}));
    let got = push(&api, &wrong).await;
    assert_eq!(got.status, 400);
    let body = got.json();
    assert_eq!((&body["code"], &body["name"]), (&json!(14), &json!("invalid declarative configuration")));
    assert_eq!(body["fields"], json!({}), "everything was attributed");
    assert_eq!(body["flattened_errors"].as_array().unwrap().len(), 6);

    let service = errors_of(&got, &id(1));
    assert!(service.contains(&(json!("port"), "value should be between 0 and 65535".to_owned())));
    assert!(service.contains(&(json!("path"), "value must be null".to_owned())));
    let whole = "failed conditional validation given value of field 'protocol'".to_owned();
    assert!(service.contains(&(Value::Null, whole)));
    let path = "should start with: / (fixed path) or ~/ (regex path)".to_owned();
    assert_eq!(errors_of(&got, &id(2)), [(json!("paths.1"), path)]);
    assert_eq!(errors_of(&got, &id(5)), [(json!("weight"), "value should be between 0 and 65535".to_owned())]);
    assert_eq!(errors_of(&got, &id(6)), [(json!("username"), "expected a string".to_owned())]);
    let mut plugin = errors_of(&got, &id(10));
    plugin.sort_by_key(|(field, _)| field.to_string());
    let expected = [("config.key_names", "expected an array"), ("config.nope", "unknown field")];
    assert_eq!(plugin, expected.map(|(field, message)| (json!(field), message.to_owned())));
    assert_eq!(errors_of(&got, &id(11))[0].0, "name");

    // By these the controller finds the object that it made the entity of.
    let flattened = body["flattened_errors"].as_array().unwrap();
    let service = flattened.iter().find(|entity| entity["entity_id"] == id(1)).unwrap();
    assert_eq!((&service["entity_type"], &service["entity_name"]), (&json!("service"), &json!("shop.cart.80")));
    assert_eq!(service["entity_tags"], wrong["services"][0]["tags"]);
    assert_eq!(service["entity"], wrong["services"][0]);

    assert_eq!(loader.hash(), hash, "what was in force stays so");
    assert_eq!(api.read("/services/shop.cart.80").await["port"], 80);
}

/// They belong to no position in the document, so only the plain form of the errors has them.
#[tokio::test]
async fn references_to_nothing_are_refused() {
    let (api, loader) = api();
    assert_eq!(push(&api, &document()).await.status, 201);
    let hash = loader.hash();
    let mut wrong = document();
    wrong["routes"][0]["service"] = json!({"id": id(99)});
    let got = push(&api, &wrong).await;
    assert_eq!((got.status, got.json()["flattened_errors"].clone()), (400, json!({})));
    let plain = api.call("POST", "/config", wrong).await;
    assert_eq!(plain.status, 400);
    let message = plain.json()["fields"]["routes"]["shop.cart-web.cart..80"][0].clone();
    assert!(message.as_str().unwrap().contains("no such entry in 'services'"), "{}", plain.text);
    assert_eq!(loader.hash(), hash);
}

#[tokio::test]
async fn an_empty_document_empties_the_node() {
    let (api, _) = api();
    assert_eq!(push(&api, &document()).await.status, 201);
    assert_eq!(push(&api, &json!({"_format_version": "3.0", "_transform": false})).await.status, 201);
    assert_eq!(api.read("/services").await, json!({"data": [], "next": null}));
}

#[tokio::test]
async fn the_node_says_what_the_controller_wants_to_know_first() {
    let (api, _) = api();
    let root = api.read("/").await;
    let version: Vec<u32> = root["version"].as_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(version.len(), 3, "four parts would be the other edition");
    assert!(version.as_slice() >= [3, 4, 1].as_slice());
    assert!(uuid::Uuid::try_parse(root["node_id"].as_str().unwrap()).is_ok());
    assert_eq!(root["configuration"]["loaded_plugins"]["key-auth"], true);
    assert!(root["plugins"]["available_on_server"]["key-auth"]["priority"].is_number());
    for plugin in root["plugins"]["available_on_server"].as_object().unwrap().keys() {
        let schema = api.read(&format!("/schemas/plugins/{plugin}")).await;
        let fields = schema["fields"].as_array().unwrap();
        let config = fields.iter().find_map(|field| field.get("config")).unwrap_or_else(|| panic!("{plugin}"));
        assert_eq!(config["type"], "record", "{plugin}");
    }
}
