use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// A self-signed authority for `localhost` and 127.0.0.1; Envoy reads it when it validates a bootstrap.
const CA: &str = include_str!("tests/ca.pem");

fn params() -> BootstrapParams {
    BootstrapParams {
        xds_host: "localhost".into(),
        xds_port: 5678,
        xds_connect_timeout: Duration::from_secs(1),
        ca_pem: CA.into(),
        admin_address: "127.0.0.1".into(),
        dataplane_admin_port: None,
        default_admin_port: 9901,
        admin_unix_socket: true,
        admin_access_log_path: "/dev/null".into(),
    }
}

fn parse(request: &Value) -> BootstrapRequest {
    BootstrapRequest::parse(request.to_string().as_bytes()).unwrap()
}

/// A request with every key of the current protocol.
fn full() -> BootstrapRequest {
    parse(&json!({
        "mesh": "default",
        "name": "backend-1",
        "proxyType": "dataplane",
        "adminPort": 30001,
        "dataplaneToken": "header.claims.signature\n",
        "dataplaneTokenPath": "/run/token",
        "dataplaneResource": "{\"type\":\"Dataplane\",\"mesh\":\"default\",\"name\":\"backend-1\"}",
        "version": {
            "kumaDp": { "version": "2.14.3", "gitTag": "v2.14.3", "gitCommit": "c0ffee", "buildDate": "2026-01-01" },
            "envoy": { "version": "1.40.0", "build": "c0ffee/1.40.0/Clean/RELEASE/BoringSSL", "kumaDpCompatible": true },
        },
        "caCert": "",
        "dynamicMetadata": { "team": "blue" },
        "dnsPort": 15054,
        "readinessPort": 9902,
        "appProbeProxyDisabled": true,
        "operatingSystem": "linux",
        "features": [features::DELTA_GRPC, features::TCP_ACCESS_LOG_VIA_NAMED_PIPE],
        "resources": { "maxHeapSizeBytes": 1_000_000 },
        "workdir": "/tmp/kuma-dp",
        "metricsResources": { "certPath": "/metrics.crt", "keyPath": "/metrics.key" },
        "systemCaPath": "/etc/ssl/certs/ca-certificates.crt",
        "dataplaneConfig": { "redirect": { "inbound": { "port": 15006 } } },
        "ipv6Enabled": true,
        "spireResources": { "socketPath": "/run/spire.sock" },
        "otelEnv": { "endpoint": "collector:4317" },
    }))
}

/// What the oldest launchers send.
fn oldest() -> BootstrapRequest {
    parse(&json!({ "mesh": "default", "name": "redis-1", "dataplaneTokenPath": "/tmp/token" }))
}

/// The golden files need not repeat the certificate.
fn without_ca(mut bootstrap: Value) -> Value {
    let ca = bootstrap.pointer_mut("/staticResources/secrets/0/validationContext/trustedCa/inlineBytes").unwrap();
    assert_eq!(ca.take(), json!(STANDARD.encode(CA)));
    bootstrap
}

#[test]
fn a_full_request_becomes_a_delta_bootstrap_with_all_metadata() {
    let bootstrap = render(&full(), &params(), "backend");
    insta::assert_json_snapshot!(without_ca(bootstrap));
}

#[test]
fn the_oldest_request_becomes_a_state_of_the_world_bootstrap() {
    let mut params = params();
    params.xds_host = "192.0.2.7".into();
    params.default_admin_port = 0;
    params.xds_connect_timeout = Duration::from_millis(1500);
    let bootstrap = render(&oldest(), &params, "redis");
    insta::assert_json_snapshot!(without_ca(bootstrap));
}

#[test]
fn envoy_accepts_every_bootstrap() {
    let zone = parse(&json!({ "name": "ingress-1", "proxyType": "ingress" }));
    let mut by_ipv6 = params();
    by_ipv6.xds_host = "[::1]".into();
    let mut no_admin_log = params();
    no_admin_log.admin_access_log_path = String::new();
    for (what, bootstrap) in [
        ("full", render(&full(), &params(), "backend")),
        ("oldest", render(&oldest(), &params(), "redis")),
        ("zone ingress", render(&zone, &params(), "ingress")),
        ("IPv6 control plane", render(&oldest(), &by_ipv6, "redis")),
        ("no admin log", render(&oldest(), &no_admin_log, "redis")),
    ] {
        validate(what, &to_yaml(&bootstrap));
    }
}

#[test]
fn envoy_refuses_a_bootstrap_with_an_unknown_key() {
    let mut bootstrap = render(&full(), &params(), "backend");
    bootstrap["dynamicResource"] = json!({});
    let output = run_envoy(&to_yaml(&bootstrap));
    assert!(!output.0, "validation must fail, or the test above proves nothing: {}", output.1);
}

#[test]
fn admin_port_comes_from_the_dataplane_then_the_request_then_the_default() {
    let (mut request, mut params) = (oldest(), params());
    assert_eq!(params.admin(&request), Admin::Port(9901));
    request.admin_port = Some(30001);
    assert_eq!(params.admin(&request), Admin::Port(30001));
    params.dataplane_admin_port = Some(9999);
    assert_eq!(params.admin(&request), Admin::Port(9999));
    request.admin_port = Some(0);
    assert_eq!(params.admin(&request), Admin::Off);
    let bootstrap = render(&request, &params, "redis");
    assert_eq!(bootstrap.get("admin"), None);
    assert_eq!(bootstrap["node"]["metadata"].get("dataplane.admin.port"), None);
}

#[test]
fn a_launcher_that_names_no_port_gets_a_socket_in_its_work_directory() {
    let mut request = full();
    request.admin_port = None;
    let mut params = params();
    params.dataplane_admin_port = None;
    let bootstrap = render(&request, &params, "backend");
    let path = format!("{}/kuma-envoy-admin.sock", request.workdir);
    assert_eq!(bootstrap["admin"]["address"]["pipe"], json!({ "path": path, "mode": 0o600 }));
    assert_eq!(bootstrap["node"]["metadata"]["dataplane.admin.socketPath"], json!(path));
    validate("admin socket", &to_yaml(&bootstrap));
    params.admin_unix_socket = false;
    assert_eq!(params.admin(&request), Admin::Port(9901));
}

#[test]
fn the_authority_of_the_request_wins() {
    let mut request = full();
    request.ca_cert = "other".into();
    let bootstrap = render(&request, &params(), "backend");
    let trusted = &bootstrap["staticResources"]["secrets"][0]["validationContext"]["trustedCa"]["inlineBytes"];
    assert_eq!(trusted, &json!(STANDARD.encode("other")));
}

#[test]
fn null_means_absent() {
    let request = parse(&json!({
        "mesh": "default", "name": "a", "features": null, "dynamicMetadata": null, "dataplaneConfig": null,
        "version": null, "resources": null, "dataplaneToken": null, "adminPort": null, "otelEnv": null,
    }));
    assert!(!request.wants_delta());
    assert_eq!(request.admin_port, None);
    assert_eq!(request.version, Version::default());
}

#[test]
fn bad_requests_name_the_field() {
    let text = |body: &str| base::report(&BootstrapRequest::parse(body.as_bytes()).unwrap_err());
    assert_eq!(
        text(r#"{"proxyType":"sidecar"}"#),
        "the bootstrap request is not valid: name: cannot be empty\n\
         proxyType: must be one of: dataplane, ingress, egress"
    );
    assert!(text(r#"{"mesh":"","name":"a"}"#).contains("mesh: cannot be empty"));
    assert!(text(r#"{"mesh":"default","name":"a","adminPort":70000}"#).contains("70000"));
    assert!(text("mesh: default").contains("not valid JSON"));
}

#[test]
fn the_token_does_not_reach_a_log() {
    assert!(!format!("{:?}", full()).contains("signature"));
}

#[test]
fn the_answer_is_yaml_unless_json_is_accepted() {
    let bootstrap = render(&full(), &params(), "backend");
    for accept in [None, Some("*/*"), Some("text/x-yaml")] {
        let answer = BootstrapAnswer::new(&bootstrap, accept, "192.0.2.1");
        assert_eq!(answer.content_type, "text/x-yaml");
        assert_eq!(serde_norway::from_str::<Value>(&answer.body).unwrap(), bootstrap);
    }
    let answer = BootstrapAnswer::new(&bootstrap, Some("application/json"), "192.0.2.1");
    assert_eq!(answer.content_type, "application/json");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let yaml = STANDARD.decode(body["bootstrap"].as_str().unwrap()).unwrap();
    assert_eq!(serde_norway::from_slice::<Value>(&yaml).unwrap(), bootstrap);
    assert_eq!(body["kumaSidecarConfiguration"]["networking"]["address"], "192.0.2.1");
}

#[test]
fn access_log_paths_fit_a_unix_socket_address() {
    assert_eq!(access_log_socket("/tmp/", "backend-1", "default"), "/tmp/kuma-al-backend-1-default.sock");
    assert_eq!(access_log_socket("/tmp", &"x".repeat(300), "default").len(), 103);
    let mut launcher_of_2_3 = oldest();
    launcher_of_2_3.access_log_socket_path = "/var/run/al.sock".into();
    assert_eq!(launcher_of_2_3.access_log_socket(), "/var/run/al.sock");
}

#[test]
fn durations_have_the_protobuf_form() {
    assert_eq!(seconds(Duration::from_secs(5)), "5s");
    assert_eq!(seconds(Duration::from_millis(250)), "0.25s");
    assert_eq!(seconds(Duration::from_nanos(1)), "0.000000001s");
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(BootstrapRequest::parse(&body).is_err());
    }

    #[test]
    fn any_words_survive_the_way_into_yaml(name in ".{1,40}", resource in ".{0,80}", team in ".{0,20}", host in ".{0,20}") {
        let request = parse(&json!({
            "mesh": "default", "name": name, "dataplaneResource": resource, "dynamicMetadata": { "team": team },
        }));
        let bootstrap = render(&request, &BootstrapParams { xds_host: host, ..params() }, "s");
        prop_assert_eq!(serde_norway::from_str::<Value>(&to_yaml(&bootstrap)).unwrap(), bootstrap);
    }

    #[test]
    fn access_log_paths_never_split_a_character(name in "\\PC{0,200}", mesh in "\\PC{0,50}") {
        let path = access_log_socket("/tmp", &name, &mesh);
        prop_assert!(path.len() <= 103 && path.ends_with(".sock"));
    }
}

fn validate(what: &str, yaml: &str) {
    let (accepted, log) = run_envoy(yaml);
    assert!(accepted, "Envoy refuses the bootstrap of {what}: {log}\n{yaml}");
}

fn run_envoy(yaml: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bootstrap.yaml");
    std::fs::write(&path, yaml).unwrap();
    let envoy = envoy();
    let output = Command::new(&envoy)
        .args(["--mode", "validate", "--concurrency", "1", "-c"])
        .arg(&path)
        .output()
        .unwrap_or_else(|error| panic!("{} does not run ({error}); `make setup` provides it", envoy.display()));
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[expect(clippy::disallowed_methods, reason = "tests find Envoy through the environment")]
fn envoy() -> PathBuf {
    std::env::var("ENVOY_BINARY")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/envoy/1.40.0/envoy"), PathBuf::from)
}
