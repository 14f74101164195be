//! What load balancers and monitoring ask: readiness, health, metrics.

use axum::Router;
use axum::routing::get;
use runtime::metrics::Metrics;

/// `/ready`, `/healthy` and `/metrics`. It is served once everything else is, so to answer is to be ready.
pub fn router(metrics: Metrics) -> Router {
    Router::new()
        .route("/ready", get(async || ()))
        .route("/healthy", get(async || ()))
        .route("/metrics", get(async move || metrics.response()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn readiness_health_and_metrics_are_answered() {
        for (path, status) in [("/ready", 200), ("/healthy", 200), ("/metrics", 200), ("/other", 404)] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            assert_eq!(router(Metrics::new()).oneshot(request).await.unwrap().status(), status, "{path}");
        }
    }
}
