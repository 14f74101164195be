//! Lists: pages, tags.

use serde_json::{Value, json};

use super::{Api, id};

async fn filled() -> Vec<Api> {
    let apis: Vec<Api> = Api::on_each_store().await.collect();
    for api in &apis {
        for number in 1..=5 {
            let odd = if number % 2 == 0 { "even" } else { "odd" };
            let document = json!({ "id": id(number), "username": format!("c{number}"), "tags": [odd, "all"] });
            api.create("/consumers", document).await;
        }
    }
    apis
}

/// The usernames of all pages, and how many pages there are.
async fn walk(api: &Api, path: &str) -> (Vec<Value>, usize) {
    let (mut names, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let page = api.read(&path).await;
        names.extend(page["data"].as_array().unwrap().iter().map(|row| row["username"].clone()));
        next = page["next"].as_str().map(str::to_owned);
        assert_eq!(next.is_some(), page.get("offset").is_some());
        pages += 1;
    }
    (names, pages)
}

#[tokio::test]
async fn pages_cover_everything_in_the_order_of_ids() {
    for api in filled().await {
        let all = ["c1", "c2", "c3", "c4", "c5"].map(Value::from);
        for (path, pages) in
            [("/consumers", 1), ("/consumers?size=5", 1), ("/consumers?size=2", 3), ("/consumers?size=1", 5)]
        {
            assert_eq!(walk(&api, path).await, (all.to_vec(), pages), "{path}");
        }
        let page = api.read("/consumers?size=2&tags=odd").await;
        assert_eq!(page["offset"], "WyIwMDAwMDAwMy0xMTExLTQxMTEtODExMS0xMTExMTExMTExMTEiXQ");
        let next = "/consumers?offset=WyIwMDAwMDAwMy0xMTExLTQxMTEtODExMS0xMTExMTExMTExMTEiXQ&tags=odd&size=2";
        assert_eq!(page["next"], next);
        assert_eq!(walk(&api, "/consumers?size=2&tags=odd").await.0, ["c1", "c3", "c5"].map(Value::from));
    }
}

#[tokio::test]
async fn sizes_and_offsets_that_make_no_sense() {
    for api in Api::on_each_store().await {
        for (size, why) in [
            ("0", "size must be an integer between 1 and 1000"),
            ("1001", "size must be an integer between 1 and 1000"),
            ("1.5", "size must be an integer between 1 and 1000"),
            ("x", "size must be a number"),
            ("", "size must be a number"),
        ] {
            let (status, code, message) = api.refused("GET", &format!("/consumers?size={size}"), json!({})).await;
            assert_eq!((status, code, message.as_str()), (400, json!(9), why));
        }
        for (offset, why) in [("!", "bad base64 encoding"), ("YWJj", "bad json encoding"), ("MQ", "bad offset string")]
        {
            let (status, code, message) = api.refused("GET", &format!("/consumers?offset={offset}"), json!({})).await;
            assert_eq!((status, code, message), (400, json!(7), format!("'{offset}' is not a valid offset: {why}")));
        }
    }
}

#[tokio::test]
async fn tags_filter() {
    for api in filled().await {
        for (tags, names) in [
            ("odd", &["c1", "c3", "c5"][..]),
            ("odd,all", &["c1", "c3", "c5"]),
            ("odd,even", &[]),
            ("odd/even", &["c1", "c2", "c3", "c4", "c5"]),
            ("even/", &["c2", "c4"]),
            ("even,", &[]),
            ("none", &[]),
        ] {
            assert_eq!(api.column(&format!("/consumers?tags={tags}"), "username").await, names, "{tags}");
        }
        for (tags, why) in [
            ("", "cannot be null"),
            ("a,b/c", "invalid filter syntax"),
            ("/a", "invalid filter syntax"),
            ("a,,b", "invalid filter syntax"),
            ("a,b,c,d,e,f", "cannot query more than 5 tags"),
        ] {
            let got = api.get(&format!("/consumers?tags={tags}")).await;
            assert_eq!((got.status, &got.json()["options"]), (400, &json!({ "tags": why })), "{tags}");
        }
    }
}

#[tokio::test]
async fn all_tags() {
    for api in filled().await {
        let tags = api.read("/tags?size=1000").await;
        assert_eq!(tags["data"].as_array().unwrap().len(), 10);
        let even = api.read("/tags/even").await["data"].clone();
        let row = |number| json!({ "entity_name": "consumers", "entity_id": id(number), "tag": "even" });
        assert_eq!(even, json!([row(2), row(4)]));
        let first = api.read("/tags/even?size=1").await;
        assert_eq!((&first["data"], first["next"].is_string()), (&json!([row(2)]), true));
        assert_eq!(api.read(first["next"].as_str().unwrap()).await["data"][0], row(4));
        assert_eq!(api.refused("GET", "/tags/a,b", json!({})).await.1, json!(10));
        assert_eq!(api.refused("POST", "/tags", json!({})).await.1, json!(2));
    }
}
