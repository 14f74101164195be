//! TLS to the database, as the settings ask for it.

use std::fs;
use std::thread;

use tempfile::TempDir;
use testkit::certificates::{Authority, ServerTls};
use testkit::postgres::{Options, Server};

use crate::node::Settings;

/// A server that shows a certificate for these names and lets nobody in who does not encrypt.
async fn server(authority: &Authority, names: &[&str]) -> Server {
    let tls = ServerTls { identity: authority.server(names).unwrap(), client_authority: None };
    Server::start(Options { tls: Some(tls), plaintext: false, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn the_server_is_verified_as_the_settings_say() {
    let files = TempDir::with_prefix("tls-").unwrap();
    let (good, bad) = (Authority::new("good").unwrap(), Authority::new("bad").unwrap());
    let file = |name: &str, authority: &Authority| {
        let path = files.path().join(name);
        fs::write(&path, authority.certificate().unwrap()).unwrap();
        path.display().to_string()
    };
    let (good_file, bad_file) = (file("good.pem", &good), file("bad.pem", &bad));
    let both = format!("{bad_file}, {good_file}");
    let (good_file, bad_file, both) = (good_file.as_str(), bad_file.as_str(), both.as_str());
    let here = server(&good, &["127.0.0.1"]).await;
    let elsewhere = server(&good, &["db.example.com"]).await;
    let without = Server::start(Options::default()).await.unwrap();
    let ca = "lua_ssl_trusted_certificate";
    let (tls, verified) = (("pg_ssl", "on"), ("pg_ssl_verify", "on"));
    // Those that fail are tried for a while, all at the same time.
    let cases = [
        ("good", &here, vec![tls, verified, (ca, good_file)], None),
        ("one of several authorities", &here, vec![tls, verified, (ca, both)], None),
        ("not verified", &elsewhere, vec![tls], None),
        ("wrong authority", &here, vec![tls, verified, (ca, bad_file)], Some("certificate")),
        ("wrong name", &elsewhere, vec![tls, verified, (ca, good_file)], Some("certificate")),
        ("plaintext refused", &here, vec![("pg_ssl", "off")], Some("no encryption")),
        ("no TLS there", &without, vec![tls], Some("TLS")),
    ];
    let mut running = Vec::new();
    for (name, server, settings, expected) in cases {
        let database = server.database().await.unwrap();
        let mut node = Settings::new(database.address());
        for (setting, value) in settings {
            node = node.with(setting, value);
        }
        let expected = expected.map(str::to_owned);
        running.push(thread::spawn(move || {
            let said = node.run("migrations bootstrap");
            match expected {
                None => assert_eq!(said.code, 0, "{name}: {said:?}"),
                Some(part) => {
                    assert_eq!(said.code, 1, "{name}: {said:?}");
                    assert!(said.err.contains(&part), "{name}: {said:?}");
                }
            }
            drop(database);
        }));
    }
    for case in running {
        case.join().unwrap();
    }
}
