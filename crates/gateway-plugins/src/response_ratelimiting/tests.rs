use serde_json::json;

use super::ResponseRateLimiting;
use crate::testing::{Lab, configuration, shown, words};

fn limits() -> serde_json::Value {
    json!({ "limits": { "video": { "day": 5 } } })
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "block_on_first_violation": false, "fault_tolerant": true, "header_name": "x-kong-limit",
        "hide_client_headers": false, "limit_by": "consumer",
        "limits": { "v": { "day": null, "hour": null, "minute": 1, "month": null, "second": null, "year": null } },
        "policy": "local",
        "redis": { "database": 0, "host": null, "password": null, "port": 6379, "server_name": null, "ssl": false,
            "ssl_verify": false, "timeout": 2000, "username": null },
        "redis_database": 0, "redis_host": null, "redis_password": null, "redis_port": 6379,
        "redis_server_name": null, "redis_ssl": false, "redis_ssl_verify": false, "redis_timeout": 2000,
        "redis_username": null,
    });
    assert_eq!(shown("response-ratelimiting", json!({ "limits": { "v": { "minute": 1 } } })), expected);
}

#[test]
fn limits_are_needed() {
    for limits in [json!({}), json!({ "v": {} }), json!({ "v": { "day": 0 } })] {
        assert!(configuration("response-ratelimiting", json!({ "limits": limits })).is_err());
    }
    let limits = json!({ "v": { "second": 5, "minute": 1 } });
    let error = configuration("response-ratelimiting", json!({ "limits": limits })).unwrap_err();
    let order = "the limit for minute(1.0) cannot be lower than the limit for second(5.0)";
    assert_eq!(error["fields"]["config"]["limits"], order);
}

#[test]
fn answers_are_counted_by_what_they_say() {
    let lab = Lab::new();
    let plugin = lab.plugin(&ResponseRateLimiting, limits());
    let after = |cost: &str| {
        let mut request = lab.request("GET", "/");
        assert!(request.access(&*plugin).is_none());
        let before = request.response("X-RateLimit-Remaining-video").unwrap().to_owned();
        let head = request.filter_headers(&*plugin, &[("X-Kong-Limit", cost)]);
        assert!(!head.headers.contains("X-Kong-Limit"));
        assert_eq!(head.headers.get_str("X-RateLimit-Limit-video-day"), Some("5"));
        let left = head.headers.get_str("X-RateLimit-Remaining-video-day").unwrap().to_owned();
        (before, left, head.status)
    };
    let is = |before: &str, left: &str, status| (before.to_owned(), left.to_owned(), status);
    assert_eq!(after("video=2"), is("5", "3", 200));
    assert_eq!(after("image=9, video = 1"), is("3", "2", 200));
    for nothing in ["video", "video=x", "other=1", ""] {
        assert_eq!(after(nothing), is("2", "2", 200), "{nothing}");
    }
    assert_eq!(after("video=-1"), is("2", "3", 200));
    assert_eq!(after("video=1.5"), is("3", "1.5", 200));
    assert_eq!(after("video=99"), is("1.5", "0", 200));
    assert_eq!(after("video"), is("-97.5", "0", 200));
    assert_eq!(after("video=1"), is("-97.5", "0", 429));
    lab.clock.advance(std::time::Duration::from_secs(86_400));
    assert_eq!(after("video=1"), is("5", "4", 200));
}

#[test]
fn what_is_too_much_is_answered_without_a_body() {
    let lab = Lab::new();
    let plugin =
        lab.plugin(&ResponseRateLimiting, json!({ "limits": { "video": { "day": 1 } }, "hide_client_headers": true }));
    for (status, body) in [(200, "body"), (429, "")] {
        let mut request = lab.request("GET", "/");
        assert!(request.access(&*plugin).is_none());
        let head = request.filter_headers(&*plugin, &[("x-kong-limit", "video=1"), ("Content-Length", "4")]);
        assert_eq!(head.status, status);
        assert!(!head.headers.contains("X-RateLimit-Limit-video-day"));
        let mut part = b"body".to_vec();
        plugin.body_filter(&mut request.context, &mut part, true);
        assert_eq!(part, body.as_bytes());
    }
}

#[test]
fn requests_are_blocked_when_nothing_is_left() {
    let lab = Lab::new();
    let config = json!({ "limits": { "video": { "day": 1 } }, "block_on_first_violation": true });
    let plugin = lab.plugin(&ResponseRateLimiting, config);
    let mut request = lab.request("GET", "/");
    assert!(request.access(&*plugin).is_none());
    request.filter_headers(&*plugin, &[("x-kong-limit", "video=1")]);
    let answer = lab.request("GET", "/").access(&*plugin).unwrap();
    assert_eq!((answer.status, words(&answer)), (429, "API rate limit exceeded for 'video'"));
}

#[test]
fn answers_before_the_plugin_cost_nothing() {
    let lab = Lab::new();
    let plugin = lab.plugin(&ResponseRateLimiting, limits());
    let head = lab.request("GET", "/").filter_headers(&*plugin, &[("x-kong-limit", "video=1")]);
    assert!(!head.headers.contains("X-RateLimit-Remaining-video-day"));
}
