//! No input makes the API fail on its own side.

use axum::body::Body;
use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{LOCAL, SHARED, TestApi, block_on};

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z./*:\\-0-9]{0,12}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let keys = prop_oneof![
        Just("networking".to_owned()),
        Just("inbound".to_owned()),
        Just("mtls".to_owned()),
        Just("conf".to_owned()),
        Just("sources".to_owned()),
        Just("destinations".to_owned()),
        Just("match".to_owned()),
        Just("backends".to_owned()),
        Just("tags".to_owned()),
        Just("labels".to_owned()),
        ".{0,6}",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_json_for_any_kind_is_taken_or_refused(bodies in proptest::collection::vec(json_values(), 8)) {
        let api = &*SHARED;
        block_on(async {
            for (kind, mut body) in mesh_model::KINDS.iter().cycle().zip(bodies.iter().cycle().cloned()).take(40) {
                if let Value::Object(fields) = &mut body {
                    fields.insert("type".into(), kind.name.into());
                    fields.insert("name".into(), "x".into());
                    fields.insert("mesh".into(), "default".into());
                }
                let path = match kind.scope {
                    mesh_model::Scope::Mesh => format!("/meshes/default/{}/x", kind.path),
                    mesh_model::Scope::Global => format!("/{}/x", kind.path),
                };
                let status = api.put(&path, &body).await.status;
                prop_assert!([200, 201, 400, 405].contains(&status), "{status} for {path}: {body}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_path_query_and_bytes_are_answered(path in "[a-z/%+?=&_.\\-\\[\\]0-9]{0,40}", body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let api = &*SHARED;
        block_on(async {
            for method in ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"] {
                let Ok(request) = Request::builder().method(method).uri(format!("/{path}")).body(Body::from(body.clone())) else { continue };
                let answer = api.send(LOCAL, request).await;
                prop_assert!(answer.status < 500, "{} for {method} /{path}", answer.status);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_too_deep_or_no_objects_are_refused() {
    let api = TestApi::start().await;
    let put = |body: String| {
        let request = Request::builder().method("PUT").uri("/meshes/m").body(Body::from(body)).unwrap();
        api.send(LOCAL, request)
    };
    let large = put(format!("{{\"type\":\"{}\"}}", "x".repeat(5 * 1024 * 1024))).await;
    assert_eq!((large.status, &large.json["status"]), (413, &json!(413)), "{}", large.text);
    let deep = put(format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100))).await;
    assert_eq!(deep.status, 400, "{}", deep.text);
    for body in ["", "[]", "1", "{", "\"x\"", "{\"type\": \"Mesh\"} x"] {
        let refused = put(body.to_owned()).await;
        assert_eq!((refused.status, &refused.json["title"]), (400, &json!("Bad Request")), "{body}");
    }
}
