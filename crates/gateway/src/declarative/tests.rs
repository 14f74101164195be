use std::sync::Arc;
use std::time::Duration;

use base::clock::ManualClock;
use bytes::Bytes;
use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use store::{Event, Query, Store};

use super::*;
use crate::admin::{AdminAnswer, ConfigEndpoint};

const YAML: &str = "_format_version: '3.0'\nservices:\n- name: a\n  host: h\n  routes:\n  - name: r\n    paths: [/r]\n";

struct Lab {
    store: Store,
    loader: Loader,
    clock: Arc<ManualClock>,
}

fn lab() -> Lab {
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH + 1_000_000.hours()));
    let store = store::memory::open(clock.clone());
    let registry = Registry::new(RouterFlavor::TraditionalCompatible, gateway_plugins::schemas());
    let dao = Dao::new(store.clone(), Arc::new(registry), clock.clone());
    Lab { store, loader: Loader::new(dao.read_only()), clock }
}

impl Lab {
    async fn count(&self, collection: &str) -> usize {
        self.store.list(Query::all(collection)).await.expect("memory does not fail").total
    }

    async fn post(&self, kind: &str, body: &str, query: &[(&str, &str)]) -> AdminAnswer {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let kind = (!kind.is_empty()).then_some(kind);
        ConfigEndpoint::load(&self.loader, kind, Bytes::from(body.to_owned()), &query).await
    }
}

fn json_of(config: &str) -> String {
    json!({ "config": config }).to_string()
}

#[tokio::test]
async fn text_becomes_everything() {
    let lab = lab();
    lab.loader.load_text(YAML).await.expect("it is valid");
    assert_eq!((lab.count("services").await, lab.count("routes").await), (1, 1));
    lab.loader.load_text("{\"_format_version\": \"3.0\"}").await.expect("it is valid");
    assert_eq!((lab.count("services").await, lab.count("routes").await), (0, 0));
}

#[tokio::test]
async fn wrong_text_changes_nothing() {
    let lab = lab();
    lab.loader.load_text(YAML).await.expect("it is valid");
    let hash = lab.loader.hash();
    let error = lab.loader.load_text("{\"_format_version\": \"3.0\", \"services\": [{}]}").await;
    assert_eq!(error, Err("services.1.host: required field missing".to_owned()));
    assert_eq!((lab.count("services").await, lab.loader.hash()), (1, hash));
}

#[tokio::test]
async fn only_differences_are_changes() {
    let lab = lab();
    lab.loader.load_text(YAML).await.expect("it is valid");
    let mut watch = lab.store.watch().await.expect("memory can be watched");
    assert!(matches!(watch.next().await, Some(Event::Snapshot { .. })));
    lab.clock.advance(Duration::from_secs(5));
    lab.loader.load_text(YAML).await.expect("it is valid");
    lab.loader.load_text(&YAML.replace("[/r]", "[/other]")).await.expect("it is valid");
    let Some(Event::Changes(committed)) = watch.next().await else { panic!("there is a change") };
    let keys: Vec<String> = committed.changes.iter().map(|change| change.key().collection.to_string()).collect();
    assert_eq!(keys, ["routes"]);
}

#[tokio::test]
async fn what_somebody_else_wrote_does_not_mislead() {
    let (lab, fresh) = (lab(), lab());
    let key = |name: &str| store::Key::new("marks", "", name);
    let bodies = async |lab: &Lab| {
        let mut all = Vec::new();
        for kind in ["services", "routes", "consumers"] {
            let page = lab.store.list(Query::all(kind)).await.expect("memory does not fail");
            all.extend(page.records.iter().map(|record| record.draft.body.to_string()));
        }
        all
    };
    let more = YAML.replace("services:", "consumers:\n- username: bob\nservices:");
    let less = "_format_version: '3.0'\nservices:\n- name: a\n  host: other\n";
    fresh.loader.load_text(less).await.expect("it is valid");
    for (number, text) in [YAML, &more, YAML, &more, less].iter().enumerate() {
        lab.loader.load_text(text).await.expect("it is valid");
        if number % 2 == 1 {
            let mark = Op::Create(Draft::new(key(&number.to_string()), "{}"));
            lab.store.commit(vec![mark]).await.expect("memory does not fail");
        }
    }
    assert_eq!(bodies(&lab).await, bodies(&fresh).await);
    // A record that is missing although it was loaded is put again.
    let route = "_format_version: '3.0'\nroutes:\n- name: r\n  paths: [/r]\n";
    lab.loader.load_text(route).await.expect("it is valid");
    let routes = lab.store.list(Query::all("routes")).await.expect("memory does not fail");
    let gone = routes.records[0].draft.key.clone();
    lab.store.commit(vec![Op::Delete(gone, None)]).await.expect("memory does not fail");
    lab.loader.load_text(route).await.expect("it is valid");
    assert_eq!(lab.count("routes").await, 1);
}

#[tokio::test]
async fn hash_tells_texts_apart() {
    let lab = lab();
    assert_eq!(lab.loader.hash(), EMPTY_HASH);
    lab.loader.load_text(YAML).await.expect("it is valid");
    assert_eq!(lab.loader.hash(), declarative::hash_of_text(YAML));
}

#[tokio::test]
async fn import_keeps_what_is_there() {
    let lab = lab();
    lab.loader.load_text(YAML).await.expect("it is valid");
    let more = "_format_version: '3.0'\nconsumers:\n- username: bob\n";
    lab.loader.import_text(more).await.expect("it is valid");
    assert_eq!((lab.count("services").await, lab.count("consumers").await), (1, 1));
}

#[tokio::test]
async fn export_can_be_loaded() {
    let (from, to) = (lab(), lab());
    from.loader.load_text(YAML).await.expect("it is valid");
    let text = from.loader.export().await.expect("memory does not fail");
    assert!(text.starts_with("_format_version: '3.0'\n_transform: false\nservices:\n"), "{text}");
    to.loader.load_text(&text).await.expect("it is valid");
    assert_eq!(to.loader.export().await, Ok(text.clone()));
    assert_eq!(from.loader.current().await, AdminAnswer::json(200, json!({ "config": text })));
}

#[tokio::test]
async fn targets_are_kept_as_given_and_shown_with_a_port() {
    let lab = lab();
    let text = "_format_version: '3.0'\nupstreams:\n- name: u\n  targets:\n  - target: 10.20.30.40\n";
    lab.loader.load_text(text).await.expect("it is valid");
    let dao = &lab.loader.dao;
    let upstream = dao.select_unique(dao.entity("upstreams"), "name", "u").await.expect("memory does not fail");
    let id = upstream.expect("it was loaded")["id"].as_str().expect("ids are texts").to_owned();
    let targets = dao.targets(&id).await.expect("memory does not fail");
    assert_eq!(targets[0]["target"], "10.20.30.40:8000");
    let export = lab.loader.export().await.expect("memory does not fail");
    assert!(export.contains("  target: 10.20.30.40\n"), "{export}");
    assert!(export.contains("  host_header: null\n"), "what is not set is said: {export}");
}

#[tokio::test]
async fn every_content_type_is_read() {
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("config", YAML).finish();
    let part = format!("--b\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n{YAML}\r\n--b--\r\n");
    let document = r#"{"_format_version": "3.0", "services": [{"name": "a", "host": "h"}]}"#;
    let calls = [
        ("application/json", json_of(YAML)),
        ("application/json", document.to_owned()),
        ("application/json", json_of(document)),
        ("application/yaml", YAML.to_owned()),
        ("text/yaml; charset=utf-8", YAML.to_owned()),
        ("application/x-www-form-urlencoded", form),
        ("multipart/form-data; boundary=b", part),
    ];
    for (kind, body) in calls {
        let lab = lab();
        let answer = lab.post(kind, &body, &[]).await;
        assert_eq!(lab.count("services").await, 1, "{kind}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_configuration_is_refused() {
    let lab = lab();
    let missing = AdminAnswer::message(400, "expected a declarative configuration");
    assert_eq!(lab.post("", "", &[]).await, missing);
    let not_json = AdminAnswer::message(400, "Cannot parse JSON body");
    assert_eq!(lab.post("application/json", "", &[]).await, not_json);
    assert_eq!(lab.post("application/json", "{bad", &[]).await, not_json);
    let error = declarative::read_text("12").expect_err("it is no object");
    assert_eq!(lab.post("application/json", r#"{"config": 12}"#, &[]).await, AdminAnswer::json(400, error.body()));
}

#[tokio::test]
async fn identical_text_is_not_loaded_when_told_so() {
    let lab = lab();
    lab.loader.load_text(YAML).await.expect("it is valid");
    let same = AdminAnswer::empty(304);
    assert_eq!(lab.post("text/yaml", YAML, &[("check_hash", "1")]).await, same);
    assert_ne!(lab.post("text/yaml", YAML, &[("check_hash", "true")]).await, same);
    let body = json!({"config": YAML, "check_hash": 1}).to_string();
    assert_eq!(lab.post("application/json", &body, &[]).await, same);
    // A document is always loaded.
    let document = r#"{"_format_version": "3.0"}"#;
    let loaded = AdminAnswer::json_text(201, "{}".to_owned());
    assert_eq!(lab.post("application/json", document, &[]).await, loaded);
    assert_eq!(lab.post("application/json", document, &[("check_hash", "1")]).await, loaded);
}

#[tokio::test]
async fn errors_by_entity_are_told_when_asked_for() {
    let lab = lab();
    let body = r#"{"_format_version": "3.0", "services": 1}"#;
    let plain = lab.post("application/json", body, &[]).await;
    let by_entity = lab.post("application/json", body, &[("flatten_errors", "yes")]).await;
    let mut expected = json!({
        "code": 14, "name": "invalid declarative configuration",
        "message": "declarative config is invalid: {services=\"expected an array\"}",
        "fields": {"services": "expected an array"},
    });
    assert_eq!(plain, AdminAnswer::json(400, expected.clone()));
    expected["flattened_errors"] = json!({});
    assert_eq!(by_entity, AdminAnswer::json(400, expected));
}

#[test]
fn check_lists_everything() {
    let registry = Registry::new(RouterFlavor::TraditionalCompatible, gateway_plugins::schemas());
    assert_eq!(check(&registry, YAML), Ok(()));
    let wrong = "{\"_format_version\": \"3.0\", \"bogus\": 1, \"services\": [{}]}";
    assert_eq!(
        check(&registry, wrong),
        Err("bogus: unknown field\nservices.1.host: required field missing".to_owned())
    );
}
