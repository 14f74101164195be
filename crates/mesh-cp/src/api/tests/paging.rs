//! Lists: pages, links and filters.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{TestApi, block_on};

async fn with_permissions(count: usize) -> TestApi {
    let api = TestApi::start().await;
    let any = json!([{ "match": { "kuma.io/service": "*" } }]);
    for index in 0..count {
        let name = format!("tp-{index:03}");
        let labels = json!({ "even": if index % 2 == 0 { "yes" } else { "no" } });
        let body = json!({
            "type": "TrafficPermission", "mesh": "default", "name": name,
            "labels": labels, "sources": any, "destinations": any,
        });
        let put = api.put(&format!("/meshes/default/traffic-permissions/{name}"), &body).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }
    api
}

fn names(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

/// The names on all pages, following `next`.
async fn walk(api: &TestApi, first: &str) -> (Vec<String>, Vec<usize>) {
    let (mut all, mut totals) = (Vec::new(), Vec::new());
    let mut link = Some(first.to_owned());
    while let Some(path) = link {
        let page = api.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        all.extend(names(&page.json));
        totals.push(usize::try_from(page.json["total"].as_u64().unwrap()).unwrap());
        link = page.json["next"].as_str().map(|next| next.strip_prefix("http://localhost:5681").unwrap().to_owned());
    }
    (all, totals)
}

static THIRTY: LazyLock<TestApi> = LazyLock::new(|| block_on(with_permissions(30)));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pages_of_any_size_together_are_the_whole_list(size in 1usize..40, tens in proptest::option::of(0usize..5)) {
        let filter = tens.map_or_else(String::new, |tens| format!("&name=tp-0{tens}"));
        let expected: Vec<String> = (0..30)
            .filter(|index| tens.is_none_or(|tens| index / 10 == tens))
            .map(|index| format!("tp-{index:03}"))
            .collect();
        let path = format!("/meshes/default/traffic-permissions?size={size}{filter}");
        let api = &*THIRTY;
        let (all, totals) = block_on(walk(api, &path));
        prop_assert_eq!(&all, &expected);
        prop_assert!(totals.iter().all(|total| *total == expected.len()));
        prop_assert_eq!(totals.len(), expected.len().div_ceil(size).max(1));
    }
}

#[tokio::test]
async fn lists_are_filtered_by_name_and_label_and_links_keep_the_filter() {
    let api = with_permissions(25).await;
    let path = "/traffic-permissions?name=tp-01&size=3";
    let (all, totals) = walk(&api, path).await;
    assert_eq!(all, (10..20).map(|index| format!("tp-{index:03}")).collect::<Vec<_>>());
    assert_eq!(totals, [10, 10, 10, 10]);
    let (all, _) = walk(&api, "/traffic-permissions?filter[labels.even]=no&size=5").await;
    assert_eq!(all.len(), 12);
    let (all, _) = walk(&api, "/traffic-permissions?filter%5Blabels.kuma.io/mesh%5D=default").await;
    assert_eq!(all.len(), 25);
}

#[tokio::test]
async fn bad_parameters_name_themselves() {
    let api = TestApi::start().await;
    for (query, reason) in [
        ("0", "must be greater than 0"),
        ("-1", "must be greater than 0"),
        ("1001", "invalid page size of 1001. Maximum page size is 1000"),
        ("many", "invalid format"),
    ] {
        let refused = api.get(&format!("/dataplanes?size={query}")).await.json;
        assert_eq!(refused["invalid_parameters"], json!([{ "field": "size", "reason": reason }]), "{query}");
    }
    for (query, field) in [
        ("size=99999999999999999999", "size"),
        ("offset=x", "offset"),
        ("tag=broken", "tag"),
        ("gateway=maybe", "gateway"),
        ("filter[name]=x", "filter"),
    ] {
        let refused = api.get(&format!("/dataplanes?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.json["invalid_parameters"][0]["field"], field, "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn dataplanes_are_filtered_by_tags_and_gateway() {
    let api = TestApi::start().await;
    let inbound = |service: &str, version: &str| json!({ "networking": { "address": "10.0.0.1", "inbound": [{ "port": 80, "tags": { "kuma.io/service": service, "version": version } }] } });
    let gateway =
        json!({ "networking": { "address": "10.0.0.1", "gateway": { "tags": { "kuma.io/service": "edge" } } } });
    for (name, mut body) in
        [("a", inbound("web", "v1")), ("b", inbound("web", "v2")), ("c", inbound("db", "v1")), ("d", gateway)]
    {
        body["type"] = json!("Dataplane");
        body["mesh"] = json!("default");
        body["name"] = json!(name);
        let put = api.put(&format!("/meshes/default/dataplanes/{name}"), &body).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }
    for (query, expected) in [
        ("tag=kuma.io/service:web", vec!["a", "b"]),
        ("tag=service:web&tag=version:v1", vec!["a"]),
        ("tag=version:v", vec!["a", "b", "c"]),
        ("gateway=true", vec!["d"]),
        ("gateway=delegated", vec!["d"]),
        ("gateway=builtin", vec![]),
        ("gateway=false&size=2", vec!["a", "b"]),
    ] {
        for path in ["dataplanes", "dataplanes+insights", "dataplanes/_overview"] {
            let list = api.get(&format!("/meshes/default/{path}?{query}")).await;
            assert_eq!(names(&list.json), expected, "{path}?{query}: {}", list.text);
        }
    }
}
