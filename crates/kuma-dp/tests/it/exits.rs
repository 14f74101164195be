//! Ends other than by request: each with its code and a message that says what to do.

use std::net::TcpListener;
use std::process::Command;

use serde_json::json;
use testkit::wait_for;

use crate::control_plane::{ControlPlane, bootstrap, wrapped};
use crate::{PATIENCE, fake_envoy, kuma_dp, run, spawn};

/// Runs `command` to its end, which must have `code` and say every part.
async fn ends(command: Command, code: i32, parts: &[&str]) {
    let mut process = spawn(command);
    let status = process.wait(PATIENCE).await.unwrap();
    let complete = || async {
        let output = process.output();
        if parts.iter().all(|part| output.contains(part)) { Ok(()) } else { Err(output) }
    };
    wait_for(&format!("the output says all of {parts:?}"), PATIENCE, complete).await.unwrap();
    assert_eq!(status.code(), Some(code), "{}", process.output());
}

/// A control plane that answers every bootstrap request alike.
async fn answering(status: u16, body: &'static str) -> ControlPlane {
    ControlPlane::secure(Box::new(move |_, _| (status, body.to_owned()))).await
}

#[tokio::test]
async fn a_refused_token_is_6() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let envoy = ["--binary-path", envoy.to_str().unwrap()];
    for (status, body) in [(401, ""), (403, "no"), (422, "a dataplane token is required")] {
        let cp = answering(status, body).await;
        let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--dataplane-token=abc"]);
        command.args(envoy);
        ends(command, 6, &["Error: the control plane refuses the dataplane token", body]).await;
        assert_eq!(cp.asked("/bootstrap").len(), 1, "no use to ask again");
        assert_eq!(cp.asked("/bootstrap")[0]["dataplaneToken"], "abc");
    }
}

#[tokio::test]
async fn an_unknown_mesh_is_7() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let cp = answering(422, "mesh: mesh \"blue\" does not exist").await;
    let mut command = run(&["--name=web-1", "--mesh=blue", "--skip-verify", "--cp-address", &cp.url]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 7, &["mesh \"blue\" does not exist"]).await;
}

#[tokio::test]
async fn an_unknown_dataplane_is_7_after_the_time_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let cp = answering(404, "").await;
    let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--retry-max-duration=500ms"]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 7, &["does not know dataplane \"web-1\" of mesh \"default\"", "--dataplane-file"]).await;
    assert!(cp.asked("/bootstrap").len() > 1, "it could have been created meanwhile");
}

#[tokio::test]
async fn an_unreachable_control_plane_is_4() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let port = testkit::free_port().unwrap();
    let address = format!("https://127.0.0.1:{port}");
    let mut command = run(&["--name=web-1", "--cp-address", &address, "--retry-max-duration=500ms"]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 4, &["Waiting for the control plane", "could not be reached within 500ms", "refused"]).await;
}

#[tokio::test]
async fn an_untrusted_certificate_is_5() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let (cp, other) = (answering(404, "").await, answering(404, "").await);
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, &other.ca).unwrap();
    let mut command = run(&["--name=web-1", "--cp-address", &cp.url]);
    command.arg("--ca-cert-file").arg(ca).arg("--binary-path").arg(envoy);
    ends(command, 5, &["is not trusted", "--ca-cert-file"]).await;
}

#[tokio::test]
async fn a_missing_envoy_is_8() {
    ends(run(&["--name=web-1", "--binary-path=/nonexistent/envoy"]), 8, &["/nonexistent/envoy", "--binary-path"]).await;
}

#[tokio::test]
async fn an_admin_port_in_use_is_9() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = run(&["--name=web-1", "--admin-port", &port]);
    command.arg("--binary-path").arg(&envoy);
    ends(command, 9, &[&port, "is in use", "--admin-port"]).await;

    // The control plane may insist on a port that the launcher did not propose.
    let insisting =
        format!("node: {{}}\nadmin: {{address: {{socketAddress: {{address: 127.0.0.1, portValue: {port}}}}}}}");
    let cp = ControlPlane::secure(Box::new(move |_, _| (200, wrapped(&insisting)))).await;
    let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url]);
    command.arg("--binary-path").arg(&envoy);
    ends(command, 9, &[&port, "is in use"]).await;

    let mut command = kuma_dp(&["run", "--name=web-1", "--readiness-port", &port]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 9, &[&port, "--readiness-port"]).await;
}

#[tokio::test]
async fn an_unusable_dataplane_file_is_3() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dp.yaml");
    let with_file = || {
        let mut command = run(&[]);
        command.arg("--dataplane-file").arg(&file);
        command
    };
    ends(with_file(), 3, &["dp.yaml", "No such file"]).await;
    std::fs::write(&file, "type: [").unwrap();
    ends(with_file(), 3, &["dp.yaml", "not valid YAML", "line 2"]).await;
    std::fs::write(&file, "type: Dataplane\nmesh: default\nname: {{ name }}\n").unwrap();
    ends(with_file(), 3, &["line 3", "variable \"name\" has no value", "--dataplane-var name="]).await;
}

#[tokio::test]
async fn bad_flags_are_2() {
    ends(run(&["--name=web-1", "--admin-port=x"]), 2, &["--admin-port"]).await;
    ends(
        run(&["--cp-address=nonsense", "--name=a", "--binary-path=/bin/true"]),
        2,
        &["--cp-address", "https://host:5678"],
    )
    .await;
    ends(run(&["--unknown"]), 2, &["--unknown"]).await;
}

#[tokio::test]
async fn an_envoy_that_does_not_stay_up_is_10_with_its_last_words() {
    let directory = tempfile::tempdir().unwrap();
    let count = directory.path().join("count");
    let envoy = fake_envoy(directory.path(), &format!("echo x >> {}; echo cannot bind >&2; exit 7", count.display()));
    let cp = ControlPlane::secure(Box::new(|_, request| (200, wrapped(&bootstrap(request, 1))))).await;
    let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--admin-port="]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 10, &["5 times in a row", "exit status: 7", "cannot bind", "Envoy ended unexpectedly"]).await;
    assert_eq!(std::fs::read_to_string(count).unwrap().lines().count(), 5);
}

#[tokio::test]
async fn an_envoy_that_ends_with_success_is_0() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 0");
    let cp = ControlPlane::secure(Box::new(|_, request| (200, wrapped(&bootstrap(request, 1))))).await;
    let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url, "--admin-port="]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 0, &["Envoy ended by itself"]).await;
}

#[tokio::test]
async fn an_answer_that_is_no_bootstrap_is_1() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = fake_envoy(directory.path(), "exit 1");
    let cp = answering(200, "<html>").await;
    let mut command = run(&["--name=web-1", "--skip-verify", "--cp-address", &cp.url]);
    command.arg("--binary-path").arg(envoy);
    ends(command, 1, &["bootstrap is not usable"]).await;
}

#[tokio::test]
async fn wait_gives_up_with_the_last_answer() {
    let cp = ControlPlane::plain(Box::new(|_, _| (503, json!("not yet").to_string()))).await;
    let url = format!("{}/ready", cp.url);
    let args = ["wait", "--timeout=200ms", "--checking-frequency=20ms", "--url", &url];
    ends(kuma_dp(&args), 1, &["not ready within 200ms", "503"]).await;
    let cp = ControlPlane::plain(Box::new(|_, _| (200, String::new()))).await;
    ends(kuma_dp(&["wait", "--url", &format!("{}/ready", cp.url)]), 0, &["ready"]).await;
    assert_eq!(cp.asked("/ready").len(), 1);
}

#[tokio::test]
async fn version_and_completion_are_printed() {
    ends(kuma_dp(&["version"]), 0, &["Higuma"]).await;
    ends(kuma_dp(&["version", "--detailed"]), 0, &["Product:", "Version:"]).await;
    ends(kuma_dp(&["completion", "bash"]), 0, &["complete -F", "--dataplane-token-file"]).await;
    ends(kuma_dp(&["run", "--help"]), 0, &["Exit codes:", "--cp-address"]).await;
}
