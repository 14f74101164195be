//! Nodes that count together, with a real Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_proxy::pdk::{Counters, Definition as _, Plugin};
use serde_json::{Value, json};
use testkit::certificates::{Authority, ServerTls};
use testkit::link::Link;
use testkit::redis::{Options, Server};
use testkit::wait_for;

use super::RateLimiting;
use crate::testing::{Lab, configuration, words};

const PATIENCE: Duration = Duration::from_secs(20);

/// 2026-01-02T00:00:00Z, when the day began.
const KEY: &str = "ratelimit:00000000-0000-0000-0000-000000000000:00000000-0000-0000-0000-000000000000:\
                   127.0.0.1:1767312000000:day";

fn config(port: u16, more: &Value) -> Value {
    let mut config = json!({
        "policy": "redis", "limit_by": "ip",
        "redis": { "host": "127.0.0.1", "port": port, "timeout": 5000 },
    });
    merge(&mut config, more);
    config
}

fn merge(into: &mut Value, more: &Value) {
    match more {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| merge(&mut into[name], value)),
        other => *into = other.clone(),
    }
}

/// What is left for the day, or nothing when the request was refused or not counted.
async fn left(lab: &Lab, plugin: &dyn Plugin) -> Option<u64> {
    let mut request = lab.request("GET", "/");
    let answer = request.access_in_time(plugin).await;
    let left = request.response("X-RateLimit-Remaining-Day").map(|left| left.parse().unwrap());
    if let (Some(answer), Some(_)) = (&answer, left) {
        assert_eq!((answer.status, words(answer)), (429, "API rate limit exceeded"));
        assert_eq!(left, Some(0));
        return None;
    }
    left
}

/// What a request that was not counted is answered, and what it is told.
async fn uncounted(lab: &Lab, plugin: &dyn Plugin) -> Result<Option<u16>, String> {
    let mut request = lab.request("GET", "/");
    let answer = request.access_in_time(plugin).await;
    match request.response("X-RateLimit-Remaining-Day") {
        Some(left) => Err(format!("counted: {left} left")),
        None => Ok(answer.map(|answer| answer.status)),
    }
}

async fn until_counted(lab: &Lab, plugin: &dyn Plugin) -> u64 {
    wait_for("requests are counted again", PATIENCE, async || left(lab, plugin).await.ok_or("not counted"))
        .await
        .unwrap()
}

async fn until_redis_says(redis: &Server, key: &str, value: &str) {
    let check = async || match redis.command(&["GET", key]).unwrap() {
        said if said == value => Ok(()),
        other => Err(other),
    };
    wait_for("the counter in Redis", PATIENCE, check).await.unwrap();
}

#[tokio::test]
async fn nodes_admit_no_more_than_the_limit_together() {
    let redis = Server::start(Options::default()).await.unwrap();
    let labs = [Lab::new(), Lab::new()];
    let plugins = labs.each_ref().map(|lab| lab.plugin(&RateLimiting, config(redis.port(), &json!({ "day": 50 }))));
    let requests = (0..120).map(|number: usize| left(&labs[number % 2], &*plugins[number % 2]));
    let mut admitted: Vec<u64> = futures_util::future::join_all(requests).await.into_iter().flatten().collect();
    admitted.sort_unstable();
    assert_eq!(admitted, (0..50).collect::<Vec<_>>(), "each is told a number of its own");
    assert_eq!(redis.command(&["GET", KEY]).unwrap(), "50", "a refused request does not count");
}

#[tokio::test]
async fn all_periods_are_counted_or_none_and_counters_end() {
    let redis = Server::start(Options::default()).await.unwrap();
    let lab = Lab::new();
    let plugin = lab.plugin(&RateLimiting, config(redis.port(), &json!({ "minute": 1, "day": 10, "month": 10 })));
    assert_eq!(left(&lab, &*plugin).await, Some(9));
    let mut request = lab.request("GET", "/");
    assert_eq!(request.access_in_time(&*plugin).await.unwrap().status, 429);
    let told = ["X-RateLimit-Remaining-Minute", "X-RateLimit-Remaining-Day", "RateLimit-Reset", "Retry-After"];
    assert_eq!(told.map(|name| request.response(name).unwrap()), ["0", "9", "55", "55"]);
    assert_eq!(redis.command(&["GET", KEY]).unwrap(), "1");
    lab.clock.advance(Duration::from_secs(60));
    assert_eq!(left(&lab, &*plugin).await, Some(8));

    let mut lifetimes: Vec<i64> = Vec::new();
    for key in redis.command(&["KEYS", "*"]).unwrap().lines() {
        lifetimes.push(redis.command(&["TTL", key]).unwrap().parse().unwrap());
    }
    lifetimes.sort_unstable();
    let bounds = [65, 65, 86_405, 31 * 86_400 + 5];
    assert_eq!(lifetimes.len(), bounds.len());
    assert!(
        lifetimes.iter().zip(bounds).all(|(lifetime, bound)| (bound - 30..=bound).contains(lifetime)),
        "{lifetimes:?}"
    );
}

#[tokio::test]
async fn what_another_gateway_counted_counts() {
    let redis = Server::start(Options::default()).await.unwrap();
    let lab = Lab::new();
    redis.command(&["SET", KEY, "3", "EX", "100"]).unwrap();
    let plugin = lab.plugin(&RateLimiting, config(redis.port(), &json!({ "day": 4.5 })));
    let mut request = lab.request("GET", "/");
    assert!(request.access_in_time(&*plugin).await.is_none());
    assert_eq!(request.response("X-RateLimit-Remaining-Day"), Some("0.5"));
    assert!(redis.command(&["TTL", KEY]).unwrap().parse::<i64>().unwrap() <= 100, "its end is not put off");
}

#[tokio::test]
async fn the_server_may_ask_who_counts() {
    let redis = Server::start(Options { password: Some("secret".to_owned()), ..Options::default() }).await.unwrap();
    redis.command(&["ACL", "SETUSER", "gateway", "on", ">other", "~ratelimit:*", "+@all"]).unwrap();
    let lab = Lab::new();
    for (login, admitted) in [
        (json!({ "password": "secret" }), true),
        (json!({ "username": "gateway", "password": "other", "database": 3 }), true),
        (json!({ "username": "gateway", "password": "secret" }), false),
        (json!({ "password": "wrong" }), false),
        (json!({}), false),
    ] {
        let config = config(redis.port(), &json!({ "day": 5, "fault_tolerant": false, "redis": login }));
        let plugin = lab.plugin(&RateLimiting, config);
        if admitted {
            assert_eq!(left(&lab, &*plugin).await, Some(4), "{login}");
        } else {
            assert_eq!(uncounted(&lab, &*plugin).await, Ok(Some(500)), "{login}");
        }
    }
    assert_eq!(redis.command(&["-n", "3", "GET", KEY]).unwrap(), "1");
}

#[tokio::test]
async fn certificates_are_verified_where_that_is_wanted() {
    let authority = Authority::new("redis").unwrap();
    let tls = ServerTls { identity: authority.server(&["redis.example"]).unwrap(), client_authority: None };
    let redis = Server::start(Options { tls: Some(tls), ..Options::default() }).await.unwrap();
    let trusted = authority.certificate().unwrap();
    let other = Authority::new("other").unwrap().certificate().unwrap();
    for (settings, authority, admitted) in [
        (json!({ "ssl": true }), &trusted, true),
        (json!({ "ssl": true, "ssl_verify": true, "server_name": "redis.example" }), &trusted, true),
        (json!({ "ssl": true, "ssl_verify": true }), &trusted, false),
        (json!({ "ssl": true, "ssl_verify": true, "server_name": "redis.example" }), &other, false),
        (json!({ "ssl": false }), &trusted, false),
    ] {
        let lab = Lab::new();
        crate::trust_authorities(&lab.node, authority.as_str().into());
        let config = config(redis.port(), &json!({ "day": 99, "fault_tolerant": false, "redis": settings }));
        let plugin = lab.plugin(&RateLimiting, config);
        if admitted {
            assert!(left(&lab, &*plugin).await.is_some(), "{settings}");
        } else {
            assert_eq!(uncounted(&lab, &*plugin).await, Ok(Some(500)), "{settings}");
        }
    }
    let verified =
        configuration("rate-limiting", config(1, &json!({ "day": 1, "redis": { "ssl": true, "ssl_verify": true } })));
    let nobody = RateLimiting.compile(&verified.unwrap(), &Lab::new().environment());
    assert!(nobody.unwrap_err().contains("redis.ssl_verify"), "without authorities nothing could be verified");
}

#[tokio::test]
async fn without_redis_requests_pass_or_not_as_configured_until_it_is_back() {
    let redis = Server::start(Options::default()).await.unwrap();
    let lab = Lab::new();
    let plugin = |tolerant| {
        let redis = config(redis.port(), &json!({ "day": 100, "fault_tolerant": tolerant }));
        lab.plugin(&RateLimiting, redis)
    };
    let (tolerant, strict) = (plugin(true), plugin(false));
    assert_eq!(left(&lab, &*tolerant).await, Some(99));
    redis.stop().await.unwrap();
    for _ in 0..3 {
        assert_eq!(uncounted(&lab, &*tolerant).await, Ok(None));
        assert_eq!(uncounted(&lab, &*strict).await, Ok(Some(500)));
    }
    redis.resume().await.unwrap();
    assert_eq!(until_counted(&lab, &*strict).await, 99, "it has forgotten");
    assert_eq!(left(&lab, &*tolerant).await, Some(98));
}

#[tokio::test]
async fn a_connection_that_broke_costs_no_request() {
    let redis = Server::start(Options::default()).await.unwrap();
    let link = Link::to(redis.port()).unwrap();
    let lab = Lab::new();
    let plugin = lab.plugin(&RateLimiting, config(link.port(), &json!({ "day": 100, "fault_tolerant": false })));
    for expected in [99, 98, 97] {
        assert_eq!(left(&lab, &*plugin).await, Some(expected));
        link.cut();
        wait_for("the cut", PATIENCE, async || if link.connections() == 0 { Ok(()) } else { Err("connected") })
            .await
            .unwrap();
    }
    redis.command(&["SCRIPT", "FLUSH"]).unwrap();
    assert_eq!(left(&lab, &*plugin).await, Some(96), "a server that forgot the script is told it again");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_no_longer_than_configured() {
    let redis = Server::start(Options::default()).await.unwrap();
    let link = Link::to(redis.port()).unwrap();
    let lab = Lab::new();
    let plugin = lab.plugin(&RateLimiting, config(link.port(), &json!({ "day": 100, "redis": { "timeout": 300 } })));
    assert_eq!(left(&lab, &*plugin).await, Some(99));
    link.stall();
    let begun = std::time::Instant::now();
    let answers = futures_util::future::join_all((0..20).map(|_| uncounted(&lab, &*plugin))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(None)));
    assert_eq!(uncounted(&lab, &*plugin).await, Ok(None));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    link.restore();
    until_counted(&lab, &*plugin).await;
}

#[tokio::test]
async fn equal_settings_share_a_connection_that_closes_with_the_last_plugin() {
    let redis = Server::start(Options::default()).await.unwrap();
    let link = Link::to(redis.port()).unwrap();
    let lab = Lab::new();
    let connections = async |expected: usize| {
        let check = async || match link.connections() {
            count if count == expected => Ok(()),
            other => Err(other),
        };
        wait_for("connections", PATIENCE, check).await.unwrap();
    };
    let day = lab.plugin(&RateLimiting, config(link.port(), &json!({ "day": 500 })));
    let hour = lab.plugin(&RateLimiting, config(link.port(), &json!({ "hour": 500, "day": 500 })));
    assert_eq!(link.connections(), 0, "nobody has asked yet");
    let requests = (0..200).map(|number| left(&lab, if number % 2 == 0 { &*day } else { &*hour }));
    assert!(futures_util::future::join_all(requests).await.iter().all(Option::is_some));
    connections(1).await;
    let other = lab.plugin(&RateLimiting, config(link.port(), &json!({ "day": 500, "redis": { "database": 1 } })));
    assert!(left(&lab, &*other).await.is_some());
    connections(2).await;
    drop(day);
    drop(other);
    connections(1).await;
    drop(hour);
    connections(0).await;
}

#[tokio::test]
async fn a_change_of_plugins_fails_no_request_and_forgets_nothing() {
    let redis = Server::start(Options::default()).await.unwrap();
    let lab = Lab::new();
    for sync_rate in [json!(-1), json!(0.02)] {
        redis.command(&["FLUSHALL"]).unwrap();
        let config =
            |day: u32| config(redis.port(), &json!({ "day": day, "sync_rate": sync_rate, "fault_tolerant": false }));
        let mut plugin = lab.plugin(&RateLimiting, config(1000));
        for changes in 1..=100 {
            let (ongoing, next) =
                tokio::join!(left(&lab, &*plugin), async { lab.plugin(&RateLimiting, config(1000 + changes)) });
            assert!(ongoing.is_some());
            plugin = next;
        }
        assert_eq!(left(&lab, &*plugin).await, Some(1100 - 101), "{sync_rate}");
        until_redis_says(&redis, KEY, "101").await;
    }
}

#[tokio::test]
async fn nodes_that_count_ahead_come_together() {
    let redis = Server::start(Options::default()).await.unwrap();
    let labs = [Lab::new(), Lab::new()];
    let config = config(redis.port(), &json!({ "day": 1_000_000, "sync_rate": 0.02 }));
    let plugins = labs.each_ref().map(|lab| lab.plugin(&RateLimiting, config.clone()));
    for round in 1..=3_u64 {
        for (lab, plugin) in labs.iter().zip(&plugins) {
            for _ in 0..50 {
                assert!(left(lab, &**plugin).await.is_some());
            }
        }
        until_redis_says(&redis, KEY, &(round * 100).to_string()).await;
    }
    let sent = std::cell::Cell::new(300);
    for (lab, plugin) in labs.iter().zip(&plugins) {
        let check = async || {
            sent.set(sent.get() + 1);
            match left(lab, &**plugin).await {
                Some(left) if left == 1_000_000 - sent.get() => Ok(()),
                other => Err(format!("{other:?} after {}", sent.get())),
            }
        };
        wait_for("a node knows of the other's requests", PATIENCE, check).await.unwrap();
    }
    assert!(redis.command(&["TTL", KEY]).unwrap().parse::<i64>().unwrap() > 86_000);
}

#[tokio::test]
async fn what_was_counted_ahead_is_told_when_the_plugin_or_the_node_ends() {
    let redis = Server::start(Options::default()).await.unwrap();
    let lab = Lab::new();
    let plugin = |rate: f64| lab.plugin(&RateLimiting, config(redis.port(), &json!({ "day": 100, "sync_rate": rate })));
    let short = plugin(0.05);
    for expected in [99, 98] {
        assert_eq!(left(&lab, &*short).await, Some(expected));
    }
    drop(short);
    until_redis_says(&redis, KEY, "2").await;

    let long = plugin(3600.0);
    for expected in [97, 96, 95] {
        assert_eq!(left(&lab, &*long).await, Some(expected));
    }
    assert_eq!(redis.command(&["GET", KEY]).unwrap(), "2", "an hour is not over");
    lab.node.tasks.drain(PATIENCE).await.unwrap();
    assert_eq!(redis.command(&["GET", KEY]).unwrap(), "5");
    assert_eq!(left(&lab, &*long).await, Some(94), "requests that end later are counted at once");
    assert_eq!(redis.command(&["GET", KEY]).unwrap(), "6");
}

#[tokio::test]
async fn a_node_that_counts_ahead_goes_on_while_redis_is_away_and_tells_it_later() {
    let redis = Server::start(Options::default()).await.unwrap();
    let link = Link::to(redis.port()).unwrap();
    let lab = Lab::new();
    let settings = json!({ "day": 5, "sync_rate": 0.05, "fault_tolerant": false });
    let plugin = lab.plugin(&RateLimiting, config(link.port(), &settings));
    assert_eq!(left(&lab, &*plugin).await, Some(4));
    link.refuse();
    for expected in [3, 2, 1, 0] {
        assert_eq!(left(&lab, &*plugin).await, Some(expected));
    }
    assert_eq!(left(&lab, &*plugin).await, None, "the limit holds");
    link.restore();
    until_redis_says(&redis, KEY, "5").await;
}

/// A database with these counters, until the node ends.
fn database(labs: &[&Lab]) {
    let (counters, mut additions) = Counters::new();
    for lab in labs {
        counters.clone().offer(&lab.node);
    }
    drop(counters);
    labs[0].node.tasks.spawn_detached("database", async move {
        let mut counts: HashMap<Arc<str>, u64> = HashMap::new();
        while let Some(batch) = additions.next().await {
            let mut add = |key: &Arc<str>, by| {
                let count = counts.entry(Arc::clone(key)).or_default();
                *count += by;
                *count
            };
            let after: Vec<u64> =
                batch.increments().iter().map(|increment| add(&increment.key, increment.by)).collect();
            let is_away = batch.increments().iter().any(|increment| increment.key.contains("away"));
            batch.answer((!is_away).then_some(&after));
        }
    });
}

#[tokio::test]
async fn nodes_of_a_cluster_count_in_its_database() {
    let labs = [Lab::new(), Lab::new()];
    database(&[&labs[0], &labs[1]]);
    for limits in [json!({ "day": 50 }), json!({ "day": 50, "year": 60 })] {
        let mut config = json!({ "policy": "cluster", "limit_by": "header", "header_name": "host" });
        merge(&mut config, &limits);
        let plugins = labs.each_ref().map(|lab| lab.plugin(&RateLimiting, config.clone()));
        let requests = (0..120).map(|number: usize| left(&labs[number % 2], &*plugins[number % 2]));
        let admitted = futures_util::future::join_all(requests).await.into_iter().flatten().count();
        assert_eq!(admitted, 50, "{limits}");
        labs.iter().for_each(|lab| lab.clock.advance(Duration::from_secs(86_400)));
    }
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_longer_periods_in_a_database() {
    let lab = Lab::new();
    database(&[&lab]);
    let plugin = lab.plugin(&RateLimiting, json!({ "policy": "cluster", "minute": 1, "day": 10 }));
    assert_eq!(left(&lab, &*plugin).await, Some(9));
    for _ in 0..3 {
        let mut request = lab.request("GET", "/");
        assert_eq!(request.access_in_time(&*plugin).await.unwrap().status, 429);
        assert_eq!(request.response("X-RateLimit-Remaining-Day"), Some("9"));
    }
    lab.clock.advance(Duration::from_secs(60));
    assert_eq!(left(&lab, &*plugin).await, Some(8));
}

#[tokio::test]
async fn without_the_database_requests_pass_or_not_as_configured() {
    let lab = Lab::new();
    database(&[&lab]);
    for (tolerant, answer) in [(true, None), (false, Some(500))] {
        let plugin = lab.plugin(
            &RateLimiting,
            json!({
                "policy": "cluster", "day": 5, "limit_by": "path", "path": "/away", "fault_tolerant": tolerant,
            }),
        );
        let mut request = lab.request("GET", "/away");
        assert_eq!(request.access_in_time(&*plugin).await.map(|answer| answer.status), answer);
        assert_eq!(request.response("X-RateLimit-Remaining-Day"), None);
    }
}

#[test]
fn a_node_that_shares_no_database_cannot_count_in_one() {
    let config = configuration("rate-limiting", json!({ "policy": "cluster", "day": 5 })).unwrap();
    let error = RateLimiting.compile(&config, &Lab::new().environment()).unwrap_err();
    assert!(error.starts_with("policy: 'cluster' needs a database"), "{error}");
}
