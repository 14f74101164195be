use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::bootstrap::AdminInterface;
use super::*;

const YAML: &str = "node: {id: default.a}\nadmin: {address: {socketAddress: {address: 127.0.0.1, portValue: 30001}}}\n";

fn origin(secure: bool, host: &str, port: u16) -> Origin {
    Origin { secure, host: host.into(), port }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

#[test]
fn only_a_control_plane_on_this_machine_goes_unverified_unasked() {
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1"] {
        assert!(origin(true, host, 5678).is_this_machine(), "{host}");
    }
    for host in ["cp.example", "10.0.0.1", "localhost.example", "::2", "0.0.0.0"] {
        assert!(!origin(true, host, 5678).is_this_machine(), "{host}");
    }
}

#[test]
fn both_forms_of_address_are_understood() {
    assert_eq!(parse_address("https://cp.example:5678"), Ok(origin(true, "cp.example", 5678)));
    assert_eq!(parse_address("http://127.0.0.1:5681/"), Ok(origin(false, "127.0.0.1", 5681)));
    assert_eq!(parse_address("https://cp"), Ok(origin(true, "cp", 5678)));
    assert_eq!(parse_address("http://cp"), Ok(origin(false, "cp", 5681)));
    assert_eq!(parse_address("https://[::1]:5678"), Ok(origin(true, "::1", 5678)));
    assert_eq!(parse_address("https://[::1]"), Ok(origin(true, "::1", 5678)));
}

#[test]
fn other_addresses_are_refused() {
    for text in [
        "",
        "localhost:5678",
        "grpcs://cp:5685",
        "https://",
        "https://cp:0",
        "https://cp:99999",
        "https://cp/mesh",
        "https://u:p@cp:1",
        "https://cp:x",
    ] {
        assert!(parse_address(text).is_err(), "{text}: {:?}", parse_address(text));
    }
}

#[test]
fn a_bootstrap_is_read_from_json_and_from_bare_yaml() {
    let admin = Some(AdminInterface::Tcp { address: "127.0.0.1".into(), port: 30001 });
    let expected = Bootstrap { yaml: YAML.into(), admin };
    let wrapped = json!({ "bootstrap": STANDARD.encode(YAML), "kumaSidecarConfiguration": {} }).to_string();
    assert_eq!(Bootstrap::parse(wrapped.as_bytes()), Ok(expected.clone()));
    assert_eq!(Bootstrap::parse(YAML.as_bytes()), Ok(expected));
}

#[test]
fn the_admin_interface_is_found_in_every_form() {
    let admin = |yaml: &str| Bootstrap::parse(format!("node: {{}}\n{yaml}").as_bytes()).unwrap().admin;
    assert_eq!(admin(""), None);
    let socket = admin("admin: {address: {pipe: {path: /run/admin.sock}}}").unwrap();
    assert_eq!(socket, AdminInterface::Unix("/run/admin.sock".into()));
    assert_eq!(socket.socket_address(), None);
    let any = admin("admin: {address: {socket_address: {address: 0.0.0.0, port_value: 9901}}}").unwrap();
    assert!(matches!(any.server(), Server::Tcp { host, port: 9901 } if host == "127.0.0.1"));
}

#[test]
fn an_unusable_bootstrap_says_why() {
    let reason = |body: &[u8]| Bootstrap::parse(body).unwrap_err();
    assert_eq!(reason(b"{\"bootstrap\": 5}"), "its key bootstrap is no text");
    assert!(reason(b"{\"bootstrap\": \"*\"}").contains("base64"));
    assert_eq!(reason(b"<html>"), "it names no node");
    assert_eq!(reason(b"\xff\xfe"), "it is not UTF-8");
    assert!(reason(b"a: [").contains("it is not YAML"));
}

#[test]
fn refusals_are_told_apart() {
    let code = |status, body| match judge(&answer(status, body), 5678).err().unwrap() {
        Attempt::Final(failure) => i32::from(failure.exit_code()),
        Attempt::Again(_) => -1,
        Attempt::Unknown => -2,
    };
    assert_eq!(code(422, "a dataplane token is required"), 6);
    assert_eq!(code(401, ""), 6);
    assert_eq!(code(403, "nope"), 6);
    assert_eq!(code(422, "mesh: mesh \"blue\" does not exist"), 7);
    assert_eq!(code(400, "networking: cannot be empty"), 7);
    assert_eq!(code(404, "404 page not found\n"), 7);
    assert_eq!(code(404, ""), -2);
    assert_eq!(code(404, "Dataplane \"a\" of mesh \"default\" does not exist"), -2);
    for status in [408, 429, 500, 502, 503] {
        assert_eq!(code(status, "later"), -1, "{status}");
    }
    assert_eq!(code(200, "<html>"), 1);
}

#[test]
fn messages_stay_short_and_on_one_line() {
    let text = describe(&answer(400, &"line\n".repeat(10_000)));
    assert!(text.len() < 2100 && !text.contains('\n'));
}

proptest! {
    #[test]
    fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(Bootstrap::parse(&body).is_err());
    }

    #[test]
    fn no_address_panics(text in "(https?://)?[a-z0-9:\\[\\]@/.]{0,20}|\\PC{0,20}") {
        if let Ok(origin) = parse_address(&text) {
            prop_assert!(!origin.host.is_empty() && origin.port != 0);
        }
    }
}
