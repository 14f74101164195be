//! An exchange to be logged.

use gateway_proxy::pdk::{Authenticated, Latencies, Outcome, Plugin, ResponseHead, Source, Try};

use crate::testing::{Exchange, Lab};

/// A request with a route, a service and a credential.
pub(crate) fn exchange(lab: &Lab) -> Exchange {
    let mut exchange = lab
        .request("GET", "/a?x=1&x=2&flag&q=a%20b")
        .header("Authorization", "Basic eA==")
        .header("X-Dup", "a")
        .header("x-dup", "b")
        .routed()
        .served();
    exchange.context.credential = Some(Authenticated { id: "credential-id".into(), identifier: None });
    exchange.context.source = Source::Service;
    exchange
}

/// What came of it, for an answer with this status.
pub(crate) fn with_outcome(status: u16, then: impl FnOnce(&Outcome<'_>)) {
    let mut response = ResponseHead::new(status);
    response.headers.append("Content-Type", "text/plain");
    let attempt = |port: u16, failed: Option<u16>| Try {
        address: ([127, 0, 0, 1], port).into(),
        start_ms: 1_767_323_045_001,
        balancer_latency_ns: 2_500_000,
        failed,
        keepalive: failed.is_none(),
    };
    let tries = [attempt(81, Some(502)), attempt(82, None)];
    then(&Outcome {
        response: &response,
        request_size: 100,
        response_size: 200,
        latencies: Latencies { request: 12.4, kong: 2.0, proxy: 9.6, receive: 1.0 },
        tries: &tries,
        upstream_status: Some(status),
        started_ms: 1_767_323_045_000,
    });
}

/// Lets a plugin log an exchange.
pub(crate) fn log(plugin: &dyn Plugin, exchange: &Exchange, status: u16) {
    with_outcome(status, |outcome| plugin.log(&exchange.context, outcome));
}

/// Waits for something to be there.
pub(crate) async fn until<T>(mut check: impl FnMut() -> Option<T>) -> T {
    let limit = std::time::Duration::from_secs(20);
    testkit::wait_for("something to be there", limit, || std::future::ready(check().ok_or("nothing"))).await.unwrap()
}
