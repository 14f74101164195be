use std::sync::Arc;
use std::time::Duration;

use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;
use gateway_proxy::pdk::{Authenticated, Plugin};
use serde_json::{Value, json};

use super::RateLimiting;
use crate::testing::{Exchange, Lab, Numbers, configuration, shown, words};

fn complaint(config: Value) -> Value {
    configuration("rate-limiting", config).unwrap_err()["fields"].clone()
}

/// Sends a request; what is left for the day, or nothing when it is refused.
fn left(plugin: &dyn Plugin, mut request: Exchange) -> Option<String> {
    let answer = request.access(plugin);
    let left = request.response("X-RateLimit-Remaining-Day").unwrap().to_owned();
    answer.is_none().then_some(left)
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "second": null, "minute": 5, "hour": null, "day": null, "month": null, "year": null, "limit_by": "consumer",
        "header_name": null, "path": null, "policy": "local", "fault_tolerant": true,
        "redis": {
            "host": null, "port": 6379, "timeout": 2000, "username": null, "password": null, "database": 0,
            "ssl": false, "ssl_verify": false, "server_name": null,
        },
        "hide_client_headers": false, "error_code": 429, "error_message": "API rate limit exceeded", "sync_rate": -1,
        "redis_host": null, "redis_port": 6379, "redis_password": null, "redis_username": null, "redis_ssl": false,
        "redis_ssl_verify": false, "redis_server_name": null, "redis_timeout": 2000, "redis_database": 0,
    });
    assert_eq!(shown("rate-limiting", json!({ "minute": 5 })), expected);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told() {
    let none = "at least one of these fields must be non-empty: 'config.second', 'config.minute', 'config.hour', \
                'config.day', 'config.month', 'config.year'";
    assert_eq!(complaint(json!({}))["@entity"], json!([none]));
    let order = "The limit for minute(5.0) cannot be lower than the limit for second(10.0)";
    assert_eq!(complaint(json!({ "minute": 5, "second": 10 })), json!({ "config": order }));
    let redis = json!({
        "config": { "redis": { "host": "required field missing" } },
        "@entity": ["failed conditional validation given value of field 'config.policy'"],
    });
    assert_eq!(complaint(json!({ "minute": 5, "policy": "redis" })), redis);
    let header = complaint(json!({ "minute": 5, "limit_by": "header" }));
    assert_eq!(header["config"]["header_name"], "required field missing");
}

#[test]
fn without_a_database_there_is_no_cluster_to_count_with() {
    let registry = |schemas| Registry::new(RouterFlavor::TraditionalCompatible, schemas);
    for (plugin, limits) in [
        ("rate-limiting", json!({ "minute": 5 })),
        ("response-ratelimiting", json!({ "limits": { "video": { "minute": 5 } } })),
    ] {
        let mut config = limits;
        config["policy"] = json!("cluster");
        let Value::Object(document) = json!({ "name": plugin, "config": config }) else { unreachable!("an object") };
        let judge = |registry: Registry| {
            let written = registry.entity("plugins").unwrap().insert(document.clone(), &mut Numbers);
            written.map(|_| ()).map_err(|error| error.body()["fields"]["config"]["policy"].clone())
        };
        assert_eq!(judge(registry(crate::schemas())), Ok(()));
        let refused = judge(registry(crate::schemas_without_database()));
        assert_eq!(refused, Err(json!("expected one of: local, redis")));
    }
}

#[test]
fn requests_beyond_the_limit_are_refused_until_the_window_ends() {
    let lab = Lab::new();
    let plugin = lab.plugin(&RateLimiting, json!({ "minute": 2, "hour": 100 }));
    let ask = || {
        let mut request = lab.request("GET", "/");
        let answer = request.access(&*plugin);
        (answer, request)
    };
    let (answer, request) = ask();
    assert!(answer.is_none());
    for (name, value) in [
        ("X-RateLimit-Limit-Minute", "2"),
        ("X-RateLimit-Remaining-Minute", "1"),
        ("X-RateLimit-Limit-Hour", "100"),
        ("X-RateLimit-Remaining-Hour", "99"),
        ("RateLimit-Limit", "2"),
        ("RateLimit-Remaining", "1"),
        ("RateLimit-Reset", "55"),
    ] {
        assert_eq!(request.response(name), Some(value), "{name}");
    }
    assert_eq!(request.response("Retry-After"), None);
    assert!(ask().0.is_none());

    let (answer, request) = ask();
    let answer = answer.unwrap();
    assert_eq!((answer.status, words(&answer)), (429, "API rate limit exceeded"));
    assert_eq!(request.response("X-RateLimit-Remaining-Minute"), Some("0"));
    assert_eq!(request.response("X-RateLimit-Remaining-Hour"), Some("98"), "a refused request does not count");
    assert_eq!(request.response("Retry-After"), Some("55"));

    lab.clock.advance(Duration::from_secs(55));
    let (answer, request) = ask();
    assert!(answer.is_none());
    assert_eq!(request.response("X-RateLimit-Remaining-Hour"), Some("97"));
}

#[test]
fn of_equal_limits_the_longer_is_told() {
    let lab = Lab::new();
    let plugin = lab.plugin(&RateLimiting, json!({ "day": 2, "month": 2 }));
    let mut request = lab.request("GET", "/");
    assert!(request.access(&*plugin).is_none());
    // 30 days from 2026-01-01, at 2026-01-02T03:04:05Z.
    assert_eq!(request.response("RateLimit-Reset"), Some("2494555"));
}

#[test]
fn limits_may_have_a_fraction() {
    let lab = Lab::new();
    let plugin = lab.plugin(&RateLimiting, json!({ "day": 1.5 }));
    assert_eq!(left(&*plugin, lab.request("GET", "/")).unwrap(), "0.5");
    assert_eq!(left(&*plugin, lab.request("GET", "/")).unwrap(), "0");
    assert_eq!(left(&*plugin, lab.request("GET", "/")), None);
}

#[test]
fn refusals_may_be_quiet_and_worded() {
    let lab = Lab::new();
    let config = json!({ "day": 1, "hide_client_headers": true, "error_code": 420, "error_message": "calm" });
    let plugin = lab.plugin(&RateLimiting, config);
    assert!(lab.request("GET", "/").access(&*plugin).is_none());
    let mut request = lab.request("GET", "/");
    let answer = request.access(&*plugin).unwrap();
    assert_eq!((answer.status, words(&answer)), (420, "calm"));
    assert!(request.context.response_headers.is_empty() && answer.headers.is_empty());
    let plugin = lab.plugin(&RateLimiting, json!({ "day": 1, "limit_by": "service", "error_code": 302 }));
    lab.request("GET", "/").access(&*plugin);
    assert_eq!(lab.request("GET", "/").access(&*plugin).unwrap().status, 500, "no refusal has this status");
}

#[test]
fn requests_are_counted_by_what_is_configured() {
    let mut lab = Lab::new();
    lab.consumer("bob");
    let bob = Arc::clone(lab.directory.consumer_by_id_or_name("bob").unwrap());
    let with = |credential: &str| {
        let mut request = lab.request("GET", "/").served();
        request.context.consumer = Some(Arc::clone(&bob));
        request.context.credential = Some(Authenticated { id: credential.into(), identifier: None });
        request
    };
    // Each is alone: counters outlive plugins, so the identifiers of one must not be those of another.
    let alone = |by: Value| {
        let mut config = json!({ "day": 2 });
        config.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
        Lab::new().plugin(&RateLimiting, config)
    };
    let by_consumer = alone(json!({}));
    assert_eq!(left(&*by_consumer, with("1")).unwrap(), "1");
    assert_eq!(left(&*by_consumer, with("2")).unwrap(), "0");
    assert_eq!(left(&*by_consumer, lab.request("GET", "/")).unwrap(), "1", "by address");

    let by_credential = alone(json!({ "limit_by": "credential" }));
    assert_eq!(left(&*by_credential, with("1")).unwrap(), "1");
    assert_eq!(left(&*by_credential, with("2")).unwrap(), "1");

    let by_service = alone(json!({ "limit_by": "service" }));
    assert_eq!(left(&*by_service, with("1")).unwrap(), "1");
    assert_eq!(left(&*by_service, lab.request("GET", "/").served()).unwrap(), "0");

    let by_header = alone(json!({ "limit_by": "header", "header_name": "X-Tenant" }));
    let tenant = |name: &str| lab.request("GET", "/").header("X-Tenant", name);
    assert_eq!(left(&*by_header, tenant("a")).unwrap(), "1");
    assert_eq!(left(&*by_header, tenant("A")).unwrap(), "1");
    assert_eq!(left(&*by_header, tenant("")).unwrap(), "1");
    assert_eq!(left(&*by_header, lab.request("GET", "/")).unwrap(), "1");
    assert_eq!(left(&*by_header, tenant("a").header("X-Tenant", "b")).unwrap(), "0", "the first counts");

    let by_path = alone(json!({ "limit_by": "path", "path": "/path/lim" }));
    assert_eq!(left(&*by_path, lab.request("GET", "/path/lim?x=1")).unwrap(), "1");
    assert_eq!(left(&*by_path, lab.request("GET", "/path/lim/x")).unwrap(), "1");
    assert_eq!(left(&*by_path, lab.request("GET", "/path/x/../%6Cim")).unwrap(), "0", "as routes see it");
}

#[test]
fn plugins_at_the_same_place_share_counters_and_others_do_not() {
    let lab = Lab::new();
    let config = configuration("rate-limiting", json!({ "day": 2, "limit_by": "ip" })).unwrap();
    let on = |route: Option<&str>| {
        let mut environment = lab.environment();
        environment.route = route.map(Into::into);
        gateway_proxy::pdk::Definition::compile(&RateLimiting, &config, &environment).unwrap()
    };
    assert_eq!(left(&*on(Some("a")), lab.request("GET", "/")).unwrap(), "1");
    assert_eq!(left(&*on(Some("b")), lab.request("GET", "/")).unwrap(), "1");
    assert_eq!(left(&*on(Some("a")), lab.request("GET", "/")).unwrap(), "0", "compiled anew");
}
