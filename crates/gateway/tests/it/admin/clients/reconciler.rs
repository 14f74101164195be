//! A reconciler of declarative files: reads all there is page by page, takes defaults out of schemas, writes with
//! `PUT` under ids of its own, and finds nothing to do when it looks again.

use serde_json::{Value, json};

use crate::admin::{Api, certificate, id};

/// All documents of a collection, following `offset` as the reconciler does.
async fn all(api: &Api, path: &str, size: usize) -> Vec<Value> {
    let mut documents = Vec::new();
    let mut offset = String::new();
    loop {
        let page = api.read(&format!("{path}?size={size}{offset}")).await;
        documents.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["offset"].as_str() {
            Some(token) => {
                let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
                offset = format!("&offset={token}");
            }
            None => return documents,
        }
    }
}

/// What a file of the reconciler comes to, in the order of dependencies: path, document with the id.
fn wanted() -> Vec<(String, Value)> {
    let (cert, key) = certificate();
    let consumer = json!({"id": id(5)});
    let at = |collection: &str, number: u32| format!("{collection}/{}", id(number));
    vec![
        (at("/certificates", 1), json!({"id": id(1), "cert": cert, "key": key, "tags": ["t"]})),
        (
            at("/services", 2),
            json!({"id": id(2), "name": "cart", "host": "cart", "port": 80, "protocol": "http", "tags": ["t"]}),
        ),
        (at("/upstreams", 3), json!({"id": id(3), "name": "cart", "tags": ["t"]})),
        (at("/vaults", 4), json!({"id": id(4), "name": "env", "prefix": "my-env", "config": {"prefix": "MY_"}})),
        (at("/consumers", 5), json!({"id": id(5), "username": "mobile", "custom_id": "7"})),
        (at("/snis", 6), json!({"id": id(6), "name": "a.com", "certificate": {"id": id(1)}})),
        (
            at("/routes", 7),
            json!({"id": id(7), "name": "web", "paths": ["/cart"], "service": {"id": id(2)}, "tags": ["t"]}),
        ),
        (at(&format!("/consumers/{}/key-auth", id(5)), 8), json!({"id": id(8), "key": "k", "consumer": consumer})),
        (
            at(&format!("/consumers/{}/basic-auth", id(5)), 9),
            json!({"id": id(9), "username": "m", "password": "p", "consumer": consumer}),
        ),
        (
            at(&format!("/consumers/{}/hmac-auth", id(5)), 10),
            json!({"id": id(10), "username": "m", "secret": "s", "consumer": consumer}),
        ),
        (
            at(&format!("/consumers/{}/jwt", id(5)), 11),
            json!({"id": id(11), "key": "k", "secret": "s", "consumer": consumer}),
        ),
        (at(&format!("/consumers/{}/acls", id(5)), 12), json!({"id": id(12), "group": "apps", "consumer": consumer})),
        (at("/plugins", 13), json!({"id": id(13), "name": "cors"})),
        (at("/plugins", 14), json!({"id": id(14), "name": "key-auth", "service": {"id": id(2)}})),
        (
            at("/plugins", 15),
            json!({"id": id(15), "name": "rate-limiting", "route": {"id": id(7)}, "config": {"minute": 5}}),
        ),
        (
            at("/plugins", 16),
            json!({"id": id(16), "name": "rate-limiting", "consumer": consumer, "config": {"hour": 5}}),
        ),
    ]
}

/// Whether `there` says everything that `wanted` says.
fn covers(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| there.get(name).is_some_and(|there| covers(there, wanted)))
        }
        (there, wanted) => there == wanted,
    }
}

#[tokio::test]
async fn everything_is_written_under_ids_of_the_client() {
    let api = Api::new();
    let wanted = wanted();
    for (path, document) in &wanted {
        let got = api.call("PUT", path, document.clone()).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        assert_eq!(got.json()["id"], document["id"], "{path}");
    }
    let target = json!({"id": id(20), "target": "10.0.0.1:80", "weight": 100, "upstream": {"id": id(3)}});
    let made = api.create(&format!("/upstreams/{}/targets", id(3)), target).await;
    assert_eq!(made["id"], id(20));

    for (path, document) in &wanted {
        let mut document = document.clone();
        let there = api.read(path).await;
        if path.contains("basic-auth") {
            assert_ne!(there["password"], document["password"], "only a digest is kept");
            document.as_object_mut().unwrap().remove("password");
        }
        assert!(covers(&there, &document), "{path}: {there}");
        // Writing what was read changes nothing but the time of the change.
        if !path.contains("basic-auth") {
            let again = api.call("PUT", path, there.clone()).await;
            assert_eq!((again.status, again.json()), (200, there), "{path}");
        }
    }
    for (list, count) in
        [("/key-auths", 1), ("/hmac-auths", 1), ("/jwts", 1), ("/basic-auths", 1), ("/acls", 1), ("/snis", 1)]
    {
        assert_eq!(all(&api, list, 1000).await.len(), count, "{list}");
    }
    assert_eq!(all(&api, "/plugins", 1).await.len(), 4);

    // What is no longer wanted goes in the opposite order.
    for (path, _) in wanted.iter().rev() {
        assert_eq!(api.delete(path).await.status, 204, "{path}");
    }
    for list in
        ["/services", "/routes", "/plugins", "/consumers", "/upstreams", "/certificates", "/vaults", "/key-auths"]
    {
        assert!(all(&api, list, 1000).await.is_empty(), "{list}");
    }
}

#[tokio::test]
async fn tags_select_what_is_the_clients() {
    let api = Api::new();
    for number in 0..7 {
        let tags = if number % 2 == 0 { json!(["mine", "blue"]) } else { json!(["other"]) };
        api.create("/services", json!({"name": format!("s{number}"), "host": "h", "tags": tags})).await;
    }
    let mut path = "/services?size=3&tags=mine,blue".to_owned();
    let mut names = Vec::new();
    loop {
        let page = api.read(&path).await;
        names.extend(page["data"].as_array().unwrap().iter().map(|service| service["name"].to_string()));
        let Some(token) = page["offset"].as_str() else { break };
        path = format!(
            "/services?size=3&tags=mine,blue&offset={}",
            form_urlencoded::byte_serialize(token.as_bytes()).collect::<String>()
        );
    }
    names.sort();
    assert_eq!(names, ["\"s0\"", "\"s2\"", "\"s4\"", "\"s6\""]);
}

#[tokio::test]
async fn a_thousand_come_in_one_page() {
    let api = Api::new();
    for number in 0..1001 {
        api.create("/consumers", json!({"username": format!("u{number}")})).await;
    }
    let first = api.read("/consumers?size=1000").await;
    assert_eq!(first["data"].as_array().unwrap().len(), 1000);
    assert_eq!(all(&api, "/consumers", 1000).await.len(), 1001);
}

#[tokio::test]
async fn what_only_the_other_edition_has_is_not_found() {
    let api = Api::new();
    for path in [
        "/rbac/roles",
        "/consumer_groups",
        "/licenses",
        "/mtls-auths",
        "/degraphql_routes",
        "/partials",
        "/workspaces",
        "/graphql-rate-limiting-advanced/costs",
    ] {
        let got = api.get(&format!("{path}?size=1000")).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(got.json()["message"].is_string(), "{path}");
    }
}

/// Defaults that the reconciler takes out of a schema are those that the node sets.
#[tokio::test]
async fn defaults_of_schemas_are_those_of_documents() {
    let api = Api::new();
    for (collection, body) in
        [("services", json!({"host": "h"})), ("routes", json!({"paths": ["/"]})), ("upstreams", json!({"name": "u"}))]
    {
        let made = api.create(&format!("/{collection}"), body.clone()).await;
        let schema = api.read(&format!("/schemas/{collection}")).await;
        for (name, default) in defaults(&schema) {
            if body.get(&name).is_none() {
                assert!(covers(&made[&name], &default), "{collection}.{name}: {default} in {}", made[&name]);
            }
        }
    }
    let root = api.read("/").await;
    for plugin in root["plugins"]["available_on_server"].as_object().unwrap().keys() {
        let schema = api.read(&format!("/schemas/plugins/{plugin}")).await;
        let fields = schema["fields"].as_array().unwrap();
        let config = fields.iter().find_map(|field| field.get("config")).unwrap();
        let got = api.call("POST", "/plugins", json!({"name": plugin})).await;
        // Those that cannot do without settings are told apart by what they miss.
        if got.status == 400 {
            continue;
        }
        assert_eq!(got.status, 201, "{plugin}: {}", got.text);
        for (name, default) in defaults(config) {
            let there = &got.json()["config"][&name];
            assert!(covers(there, &default), "{plugin}.{name}: {default} in {there}");
        }
    }
}

/// The defaults of a record's fields, those of records within it included.
fn defaults(record: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for field in record["fields"].as_array().unwrap() {
        let (name, field) = field.as_object().unwrap().iter().next().unwrap();
        if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
            found.push((name.clone(), default.clone()));
        } else if field["type"] == "record" && field["required"] == true {
            let within: serde_json::Map<String, Value> = defaults(field).into_iter().collect();
            found.push((name.clone(), Value::Object(within)));
        }
    }
    found
}
