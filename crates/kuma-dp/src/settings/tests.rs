use std::io::Write as _;

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

fn settings(args: &[&str]) -> Result<Settings, Failure> {
    match Cli::try_parse_from(["kuma-dp", "run"].iter().chain(args)).unwrap().command {
        Command::Run(args) => Settings::new(*args),
        other => panic!("{other:?}"),
    }
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

const DATAPLANE: &str = "{type: Dataplane, mesh: blue, name: a-1, networking: {admin: {port: 9950}}}";

#[test]
fn defaults_fit_a_local_control_plane() {
    let settings = settings(&["--name=a"]).unwrap();
    assert_eq!(settings.control_plane.address, "https://localhost:5678");
    assert_eq!((&*settings.name, &*settings.mesh), ("a", "default"));
    assert_eq!(settings.admin_port, AdminPort::default());
    assert_eq!(settings.readiness, Readiness::IfFree(9902));
    assert_eq!(settings.control_plane.within, Duration::from_secs(300));
    assert!(settings.delta);
}

#[test]
fn the_resource_gives_identity_and_admin_port() {
    let settings = settings(&["--dataplane", DATAPLANE]).unwrap();
    assert_eq!((&*settings.name, &*settings.mesh), ("a-1", "blue"));
    assert_eq!(settings.admin_port, AdminPort::FirstOf(9950..=9950));
}

#[test]
fn a_flag_overrides_the_admin_port_of_the_resource() {
    let settings = settings(&["--dataplane", DATAPLANE, "--admin-port="]).unwrap();
    assert_eq!(settings.admin_port, AdminPort::Off);
}

#[test]
fn flags_that_contradict_the_resource_are_refused() {
    let failure = settings(&["--dataplane", DATAPLANE, "--name=b", "--mesh=red"]).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    assert_eq!(
        failure.to_string(),
        "--name: says \"b\", but the resource passed says \"a-1\"\n\
         --mesh: says \"red\", but the resource passed says \"blue\""
    );
    settings(&["--dataplane", DATAPLANE, "--name=a-1", "--mesh=blue"]).unwrap();
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = settings(&["--ca-cert-file=/nonexistent", "--dataplane-token-file=/missing", "--envoy-log-level=loud"])
        .unwrap_err()
        .to_string();
    for part in ["--name: cannot be empty", "/nonexistent", "/missing", "--envoy-log-level: must be one of"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn tokens_are_trimmed_and_checked() {
    let good = file(" abc.def.ghi\n");
    let args = ["--name=a", "--dataplane-token-file", good.path().to_str().unwrap()];
    assert_eq!(settings(&args).unwrap().token.unwrap().expose(), "abc.def.ghi");
    for content in ["", "two words", "bell\u{7}"] {
        let bad = file(content);
        let args = ["--name=a", "--dataplane-token-file", bad.path().to_str().unwrap()];
        assert_eq!(settings(&args).unwrap_err().exit_code(), 2, "{content:?}");
    }
}

#[test]
fn an_authority_that_is_no_certificate_is_refused() {
    let bad = file("not PEM");
    let text = settings(&["--name=a", "--ca-cert-file", bad.path().to_str().unwrap()]).unwrap_err().to_string();
    assert!(text.starts_with("--ca-cert-file: "), "{text}");
}

#[test]
fn zone_proxies_have_no_mesh() {
    let settings = settings(&["--name=in", "--proxy-type=ingress"]).unwrap();
    assert_eq!(settings.mesh, "");
}
