//! A real Envoy from start to end.

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use testkit::{Process, envoy_binary, free_port, wait_for};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::control_plane::{ControlPlane, bootstrap, wrapped};
use crate::{PATIENCE, fake_envoy, kuma_dp, run, spawn};

/// Status line and body of `GET path`.
async fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn until_answer(port: u16, path: &str, part: &str) -> String {
    let check = || async {
        let answer = get(port, path).await.unwrap_or_else(|error| error.to_string());
        if answer.contains(part) { Ok(answer) } else { Err(answer) }
    };
    wait_for(&format!("port {port} answers {part:?} to {path}"), PATIENCE, check).await.unwrap()
}

async fn until_gone(pid: Pid) {
    let check = || async { test_kill_process(pid).map_or(Ok(()), |()| Err("it still runs")) };
    wait_for("the process is gone", PATIENCE, check).await.unwrap();
}

/// The id of the Envoy that `process` reported last, which is not `before`.
async fn envoy_pid(process: &Process, before: Option<Pid>) -> Pid {
    let reported = || async {
        let output = process.output();
        let last =
            output.lines().rfind(|line| line.contains("Envoy started")).and_then(|line| line.rsplit_once("pid="));
        let pid = last.and_then(|(_, pid)| Pid::from_raw(pid.parse().ok()?));
        pid.filter(|pid| Some(*pid) != before).ok_or(output)
    };
    wait_for("an Envoy is started", PATIENCE, reported).await.unwrap()
}

async fn proxies(listener: u16) -> ControlPlane {
    ControlPlane::secure(Box::new(move |_, request| (200, wrapped(&bootstrap(request, listener))))).await
}

fn with_envoy(mut command: Command) -> Process {
    command.env("NO_COLOR", "1").arg("--binary-path").arg(envoy_binary().unwrap());
    command.args(["--concurrency=1", "--envoy-log-level=warning"]);
    spawn(command)
}

#[tokio::test]
async fn envoy_serves_is_ready_drains_and_ends() {
    let (listener, admin, ready) = (free_port().unwrap(), free_port().unwrap(), free_port().unwrap());
    let cp = proxies(listener).await;
    let directory = tempfile::tempdir().unwrap();
    let (ca, token, work) =
        (directory.path().join("ca"), directory.path().join("token"), directory.path().join("work"));
    std::fs::write(&ca, &cp.ca).unwrap();
    std::fs::write(&token, "a.b.c\n").unwrap();
    let mut command = kuma_dp(&["run", "--cp-address", &cp.url, "--drain-time=1s"]);
    command.args([format!("--admin-port={admin}"), format!("--readiness-port={ready}")]);
    command.arg("--ca-cert-file").arg(&ca).arg("--dataplane-token-file").arg(&token).arg("--work-dir").arg(&work);
    command.args(["--dataplane", "{type: Dataplane, mesh: default, name: {{ name }}}", "-v", "name=web-1"]);
    let mut process = with_envoy(command);
    until_answer(ready, "/ready", "200 OK").await;
    until_answer(listener, "/", "hello").await;
    check_request(&cp, &work, admin, ready);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(work.join("bootstrap.yaml")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let envoy = envoy_pid(&process, None).await;
    process.signal(Signal::TERM).unwrap();
    until_answer(ready, "/ready", "TERMINATING").await;
    until_answer(admin, "/ready", "DRAINING").await;
    assert!(process.wait(PATIENCE).await.unwrap().success());
    until_gone(envoy).await;
    assert!(!work.join("kuma-al-web-1-default.sock").exists());
}

fn check_request(cp: &ControlPlane, work: &Path, admin: u16, ready: u16) {
    let request = &cp.asked("/bootstrap")[0];
    assert_eq!(request["mesh"], "default");
    assert_eq!(request["name"], "web-1");
    assert_eq!(request["proxyType"], "dataplane");
    assert_eq!(request["adminPort"], admin);
    assert_eq!(request["readinessPort"], ready);
    assert_eq!(request["dataplaneToken"], "a.b.c");
    assert_eq!(request["caCert"], cp.ca);
    assert_eq!(request["version"]["envoy"]["version"], "1.40.0");
    assert_eq!(request["version"]["envoy"]["kumaDpCompatible"], true);
    assert_eq!(request["features"], json!(["feature-tcp-accesslog-via-named-pipe", "feature-delta-grpc"]));
    assert_eq!(request["workdir"], work.to_str().unwrap());
    let resource: Value = serde_json::from_str(request["dataplaneResource"].as_str().unwrap()).unwrap();
    assert_eq!(resource, json!({ "type": "Dataplane", "mesh": "default", "name": "web-1" }));
}

#[tokio::test]
async fn envoy_is_restarted_when_it_crashes() {
    let listener = free_port().unwrap();
    let cp = proxies(listener).await;
    let mut process = with_envoy(run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--drain-time=0s"]));
    until_answer(listener, "/", "hello").await;
    let first = envoy_pid(&process, None).await;
    kill_process(first, Signal::ABORT).unwrap();
    process.wait_for_line("Envoy ended unexpectedly", PATIENCE).await.unwrap();
    until_answer(listener, "/", "hello").await;
    envoy_pid(&process, Some(first)).await;
    process.signal(Signal::INT).unwrap();
    assert!(process.wait(PATIENCE).await.unwrap().success());
}

#[tokio::test]
async fn no_envoy_outlives_a_killed_launcher() {
    let listener = free_port().unwrap();
    let cp = proxies(listener).await;
    let process = with_envoy(run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url]));
    until_answer(listener, "/", "hello").await;
    let envoy = envoy_pid(&process, None).await;
    process.signal(Signal::KILL).unwrap();
    until_gone(envoy).await;
}

#[tokio::test]
async fn a_second_signal_ends_the_drain() {
    let listener = free_port().unwrap();
    let cp = proxies(listener).await;
    let mut process = with_envoy(run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--drain-time=1h"]));
    until_answer(listener, "/", "hello").await;
    let envoy = envoy_pid(&process, None).await;
    process.signal(Signal::TERM).unwrap();
    process.wait_for_line("Draining", PATIENCE).await.unwrap();
    process.signal(Signal::TERM).unwrap();
    assert!(process.wait(PATIENCE).await.unwrap().success());
    until_gone(envoy).await;
}

#[tokio::test]
async fn access_logs_of_envoy_reach_a_tcp_receiver() {
    let (listener, receiver) = (free_port().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let cp = proxies(listener).await;
    // The test's bootstrap logs to the receiver that the proxy is called after.
    let name = format!("--name={}", receiver.local_addr().unwrap());
    let mut process = with_envoy(run(&[&name, "--skip-verify", "--cp-address", &cp.url, "--drain-time=0s"]));
    until_answer(listener, "/logged", "hello").await;
    let accepted = tokio::time::timeout(PATIENCE, receiver.accept()).await.expect("in time").unwrap().0;
    let mut lines = BufReader::new(accepted).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").unwrap();
    assert_eq!(line.as_deref(), Some("/logged 200"));
    process.signal(Signal::TERM).unwrap();
    assert!(process.wait(PATIENCE).await.unwrap().success());
}

#[tokio::test]
async fn launchers_that_start_together_take_different_admin_ports() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exec tail -f /dev/null");
    let cp = proxies(1).await;
    let range = free_port().unwrap();
    let range = format!("--admin-port={range}-{}", range + 200);
    let mut processes: Vec<Process> = (0..5)
        .map(|index| {
            let name = format!("--name=web-{index}");
            let mut command = run(&[&name, &range, "--skip-verify", "--cp-address", &cp.url, "--drain-time=0s"]);
            command.arg("--binary-path").arg(&envoy);
            spawn(command)
        })
        .collect();
    for process in &mut processes {
        process.wait_for_line("Envoy started", PATIENCE).await.unwrap();
    }
    let ports: std::collections::BTreeSet<u64> =
        cp.asked("/bootstrap").iter().map(|request| request["adminPort"].as_u64().unwrap()).collect();
    assert_eq!(ports.len(), 5, "{ports:?}");
}

#[tokio::test]
async fn the_oldest_way_goes_through_the_catalog_and_bare_yaml() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exec tail -f /dev/null");
    let bootstrap_server = ControlPlane::plain(Box::new(|_, request| (200, bootstrap(request, 1)))).await;
    let url = bootstrap_server.url.clone();
    let api = ControlPlane::plain(Box::new(move |path, _| match path {
        "/catalog" => (200, json!({ "apis": { "bootstrap": { "url": url } } }).to_string()),
        _ => (404, String::new()),
    }))
    .await;
    let mut command = run(&["--name=redis-1", "--drain-time=0s"]);
    command.env("KUMA_CONTROL_PLANE_API_SERVER_URL", &api.url).arg("--binary-path").arg(envoy);
    let mut process = spawn(command);
    process.wait_for_line("Envoy started", PATIENCE).await.unwrap();
    assert_eq!(bootstrap_server.asked("/bootstrap")[0]["name"], "redis-1");
    process.signal(Signal::TERM).unwrap();
    assert!(process.wait(PATIENCE).await.unwrap().success());
}

#[tokio::test]
async fn the_launcher_waits_for_a_control_plane_that_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exec tail -f /dev/null");
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let cp = ControlPlane::secure(Box::new(move |_, request| {
        match attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => (503, "starting".to_owned()),
            1 => (404, String::new()),
            _ => (200, wrapped(&bootstrap(request, 1))),
        }
    }))
    .await;
    let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--drain-time=0s"]);
    command.arg("--binary-path").arg(envoy);
    let mut process = spawn(command);
    process.wait_for_line("Envoy started", PATIENCE).await.unwrap();
    assert_eq!(cp.asked("/bootstrap").len(), 3);
    assert!(process.output().contains("starting (503)"), "{}", process.output());
}
