//! What load balancers and monitoring ask: readiness, health, metrics.

use axum::Router;
use axum::routing::get;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::Metrics;
use store::Store;

/// `/ready`, `/healthy` and `/metrics`. It is served once everything else is, so to answer is to be ready. A control
/// plane whose store is away is still ready, and says so: it serves its proxies and answers what it knows, and so do
/// the others that share the store, none of which could do better.
pub fn router(metrics: Metrics, store: Store) -> Router {
    let reachable = Gauge::<i64>::default();
    let help = "1 while the store can be reached";
    metrics.register(|registry| registry.register("store_reachable", help, reachable.clone()));
    let state = {
        let store = store.clone();
        move || if store.reachable() { "" } else { "The store cannot be reached: writes are refused\n" }
    };
    Router::new().route("/ready", get(async move || state())).route("/healthy", get(async || ())).route(
        "/metrics",
        get(async move || {
            reachable.set(i64::from(store.reachable()));
            metrics.response()
        }),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use base::SystemClock;
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn readiness_health_and_metrics_are_answered() {
        let store = store::memory::open(Arc::new(SystemClock));
        for (path, status) in [("/ready", 200), ("/healthy", 200), ("/metrics", 200), ("/other", 404)] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            assert_eq!(
                router(Metrics::new(), store.clone()).oneshot(request).await.unwrap().status(),
                status,
                "{path}"
            );
        }
    }
}
