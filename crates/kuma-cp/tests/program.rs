//! The program as a user meets it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Every port there is.
const VARIABLES: [&str; 7] = [
    "KUMA_DIAGNOSTICS_SERVER_PORT",
    "KUMA_API_SERVER_HTTP_PORT",
    "KUMA_API_SERVER_HTTPS_PORT",
    "KUMA_DP_SERVER_PORT",
    "KUMA_ADMIN_SERVER_LOCAL_PORT",
    "KUMA_GUI_SERVER_PORT",
    "KUMA_SDS_SERVER_GRPC_PORT",
];

/// `kuma-cp` without the environment of the test.
fn kuma_cp(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuma-cp"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output(mut command: Command) -> Output {
    command.output().expect("the program can be started")
}

#[test]
fn a_bad_configuration_is_reported_whole_and_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kuma-cp.yml");
    std::fs::write(&file, "apiServer: {htp: {port: 1}}\nstore: {type: floppy}\n").unwrap();
    let mut command = kuma_cp(&["run", "--config-file", file.to_str().unwrap()]);
    command.env("KUMA_API_SERVER_HTTP_PORT", "many");
    let run = output(command);
    let errors = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{errors}");
    assert!(errors.contains("apiServer.htp") && errors.contains("KUMA_API_SERVER_HTTP_PORT"), "{errors}");

    let mut command = kuma_cp(&["run"]);
    command.env("KUMA_STORE_TYPE", "kubernetes");
    let errors = text(&output(command).stderr);
    assert!(errors.contains("store.type") && errors.contains("not available in this build yet"), "{errors}");

    let errors = text(&output(kuma_cp(&["run", "-c", "/no/such/file.yml"])).stderr);
    assert!(errors.contains("/no/such/file.yml"), "{errors}");
}

#[test]
fn the_version_and_completions_are_printed() {
    let version = output(kuma_cp(&["version"]));
    assert!(version.status.success() && text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    assert!(text(&output(kuma_cp(&["version", "--detailed"])).stdout).lines().count() > 2);
    assert!(text(&output(kuma_cp(&["completion", "bash"])).stdout).contains("kuma-cp"));
}

#[test]
fn migrating_makes_a_store_and_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut command = kuma_cp(&["migrate", "up", "--log-level", "off"]);
        command.env("KUMA_GENERAL_WORK_DIR", dir.path());
        let migrate = output(command);
        assert!(migrate.status.success(), "{}", text(&migrate.stderr));
        assert!(dir.path().join("kuma.db").exists());
    }
    let mut command = kuma_cp(&["migrate", "up"]);
    command.env("KUMA_STORE_TYPE", "memory");
    assert!(text(&output(command).stdout).contains("Nothing to migrate"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_migrated_and_refused_with_another_schema() {
    let database = testkit::postgres::shared().await.unwrap().database().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = kuma_cp(arguments);
        command.envs(database.address().kuma()).env("KUMA_GENERAL_WORK_DIR", dir.path());
        let ports = free_ports(VARIABLES.len());
        command.envs(VARIABLES.iter().zip(ports.iter().map(ToString::to_string)));
        output(command)
    };
    let refused = |words: &[&str]| {
        let run = run(&["run"]);
        let errors = text(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{errors}");
        assert!(!errors.contains(&database.address().password), "{errors}");
    };
    refused(&["has no schema yet", "kuma-cp migrate up"]);
    for done in ["is at version", "is up to date"] {
        let migrate = run(&["migrate", "up", "--log-level", "off"]);
        assert!(migrate.status.success() && text(&migrate.stdout).contains(done), "{}", text(&migrate.stdout));
    }
    database.sql("update store_schema set version = version + 1").unwrap();
    refused(&["later program"]);
    let migrate = run(&["migrate", "up", "--log-level", "off"]);
    assert!(!migrate.status.success() && text(&migrate.stderr).contains("later program"));
    database.sql("update store_schema set version = 0").unwrap();
    refused(&["is at version 0", "kuma-cp migrate up"]);
}

/// A running program; killed when the test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already in a test that passes.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Ports that nobody listens on, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let seed = std::process::id() % 9_000;
    let candidates = (0..20_000u32).map(|step| 10_000 + ((seed + step * 7) % 20_000));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.filter_map(|port| u16::try_from(port).ok()).filter(is_free).take(count).collect()
}

/// The answer to a GET, or why there is none.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn it_serves_until_it_is_told_to_stop_and_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let ports = free_ports(VARIABLES.len());
    let mut clusters = Vec::new();
    for _ in 0..2 {
        let mut command = kuma_cp(&["run"]);
        command.env("KUMA_GENERAL_WORK_DIR", dir.path()).stderr(Stdio::null());
        command.envs(VARIABLES.iter().zip(ports.iter().map(ToString::to_string)));
        let mut running = Running(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while get(ports[0], "/ready").is_err() {
            assert!(Instant::now() < deadline, "not ready in a minute");
            assert!(running.0.try_wait().unwrap().is_none(), "ended before it was ready");
            std::thread::yield_now();
        }
        let index = get(ports[1], "/").unwrap();
        assert!(index.starts_with("HTTP/1.1 200"), "{index}");
        clusters.push(index.lines().find(|line| line.contains("clusterId")).unwrap().to_owned());

        kill_process(Pid::from_child(&running.0), Signal::TERM).unwrap();
        assert!(running.0.wait().unwrap().success());
    }
    assert_eq!(clusters[0], clusters[1]);
}
