//! Policies as real traffic sees them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Options, free_port, wait_for};

use crate::mesh::{Demo, SOON};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_cuts_and_a_retry_repeats() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.wait_allowed().await?;
    let retry =
        json!({ "http": { "numRetries": 3, "retriableStatusCodes": [503], "backOff": { "baseInterval": "0.01s" } } });
    demo.policy("Retry", "retries", retry).await?;
    wait_for("a failing request is retried", SOON, || async {
        drop(demo.request("/?status=503").await);
        match demo.env.stat(&demo.web, "cluster.backend.upstream_rq_retry").await {
            Ok(retries @ 3..) => Ok(retries),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_fails_its_health_check_gets_no_traffic() -> Result<()> {
    let mut demo = Demo::start(Options::default(), "http", &["v1", "v2"]).await?;
    demo.wait_allowed().await?;
    let check =
        json!({ "interval": "0.2s", "timeout": "1s", "unhealthyThreshold": 1, "healthyThreshold": 1, "tcp": {} });
    demo.policy("HealthCheck", "health-checks", check).await?;
    wait_for("checks succeed", SOON, || async {
        match demo.env.stat(&demo.web, "cluster.backend.health_check.success").await {
            Ok(count @ 2..) => Ok(count),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    // The proxy of v2 dies; its Dataplane is known for another ten seconds.
    demo.backends[1].sidecar.process.kill()?;
    wait_for("one of two instances is healthy", SOON, || async {
        match demo.env.stat(&demo.web, "cluster.backend.membership_healthy").await {
            Ok(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    for _ in 0..20 {
        ensure!(demo.call().await? == "v1");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_breaker_sets_limits() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.wait_allowed().await?;
    demo.policy(
        "CircuitBreaker",
        "circuit-breakers",
        json!({ "thresholds": { "maxConnections": 7, "maxRequests": 9 } }),
    )
    .await?;
    wait_for("the limits are in force", SOON, || async {
        let clusters = demo.env.envoy(&demo.web, "/clusters").await.map_err(|error| error.to_string())?;
        let both = ["backend::default_priority::max_connections::7", "backend::default_priority::max_requests::9"];
        if both.iter().all(|line| clusters.contains(line)) { Ok(()) } else { Err(clusters) }
    })
    .await?;
    demo.call().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_is_logged_to_a_file() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    let path = demo.env.dir().join("access.log");
    let backend = json!({
        "name": "file", "type": "file", "conf": { "path": path },
        "format": "%KUMA_SOURCE_SERVICE%>%KUMA_DESTINATION_SERVICE% in %KUMA_MESH%\n",
    });
    let mesh =
        json!({ "type": "Mesh", "name": "default", "logging": { "defaultBackend": "file", "backends": [backend] } });
    demo.env.put("/meshes/default", &mesh).await?;
    demo.policy("TrafficLog", "traffic-logs", json!({ "backend": "file" })).await?;
    logged(&demo, &path, "web>backend in default").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_is_logged_to_a_tcp_receiver() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    let port = free_port()?;
    let receiver = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let backend = json!({
        "name": "tcp", "type": "tcp", "conf": { "address": format!("127.0.0.1:{port}") },
        "format": "%KUMA_SOURCE_SERVICE%>%KUMA_DESTINATION_SERVICE%",
    });
    let mesh = json!({ "type": "Mesh", "name": "default", "logging": { "backends": [backend] } });
    demo.env.put("/meshes/default", &mesh).await?;
    demo.policy("TrafficLog", "traffic-logs", json!({ "backend": "tcp" })).await?;
    let received = async {
        use tokio::io::{AsyncBufReadExt as _, BufReader};
        let (stream, _) = receiver.accept().await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        anyhow::Ok(line)
    };
    let calls = async {
        loop {
            drop(demo.call().await);
            tokio::task::yield_now().await;
        }
    };
    let line = tokio::time::timeout(Duration::from_secs(30), async {
        tokio::select! { line = received => line, () = calls => unreachable!("it never ends") }
    })
    .await??;
    ensure!(line.trim() == "web>backend", "{line:?}");
    Ok(())
}

async fn logged(demo: &Demo, path: &std::path::Path, expected: &str) -> Result<()> {
    wait_for("a line is logged", Duration::from_secs(30), || async {
        demo.call().await.map_err(|error| error.to_string())?;
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        if text.lines().any(|line| line == expected) { Ok(()) } else { Err(text) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_routed_by_path() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1", "v2"]).await?;
    let destination = |version: &str| json!({ "kuma.io/service": "backend", "version": version });
    let conf = json!({
        "http": [{ "match": { "path": { "prefix": "/two" } }, "destination": destination("v2") }],
        "destination": destination("v1"),
    });
    demo.policy("TrafficRoute", "traffic-routes", conf).await?;
    wait_for("paths decide", SOON, || async {
        for (path, expected) in [("/", "v1"), ("/two", "v2"), ("/two/x", "v2"), ("/one", "v1")].repeat(3) {
            let answer = demo.request(path).await.map_err(|error| error.to_string())?;
            if answer["instance"] != expected {
                return Err(format!("{path}: {answer}"));
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_in_force_within_a_second_of_its_answer() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.permit("web-to-backend", "web").await?;
    demo.mtls("24h").await?;
    demo.wait_allowed().await?;
    let started = Instant::now();
    demo.env.delete("/meshes/default/traffic-permissions/web-to-backend").await?;
    demo.wait_refused().await?;
    // Not a benchmark: it tells an event from a polling interval.
    ensure!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    Ok(())
}
