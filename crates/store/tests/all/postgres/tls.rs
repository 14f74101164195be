//! Protected connections, with real certificates.

use std::path::{Path, PathBuf};

use store::postgres::{Tls, TlsMode, migrate};
use testkit::certificates::{Authority, Identity, ServerTls};
use testkit::postgres::{Options, Server};

use super::*;

/// Files with certificates.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn identity(&self, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
        (self.write(&format!("{name}.pem"), &identity.certificate), self.write(&format!("{name}.key"), &identity.key))
    }
}

fn with(settings: &Settings, mode: TlsMode, ca: Option<&Path>) -> Settings {
    let mut settings = settings.clone();
    settings.primary.tls = Tls { mode, ca: ca.map(Path::to_owned), client: None };
    settings
}

/// The driver trusts these besides those that it is told of.
#[test]
fn nobody_is_trusted_but_who_is_named() {
    assert!(webpki_roots::TLS_SERVER_ROOTS.is_empty());
}

#[tokio::test]
async fn modes_do_what_they_say() {
    let (authority, stranger) = (Authority::new("good").unwrap(), Authority::new("other").unwrap());
    let files = Files::new();
    let good = files.write("good.pem", &authority.certificate().unwrap());
    let other = files.write("other.pem", &stranger.certificate().unwrap());
    // For another name than the address by which it is reached.
    let identity = authority.server(&["database.example", "localhost"]).unwrap();
    let tls = ServerTls { identity, client_authority: None };
    let server = Server::start(Options { tls: Some(tls), plaintext: false, ..Options::default() }).await.unwrap();
    let database = server.database().await.unwrap();
    let plain = server::settings(database.address());

    let text = refusal(&with(&plain, TlsMode::Disable, None)).await;
    assert!(text.contains("check the user, the TLS mode"), "{text}");
    let none = with(&plain, TlsMode::VerifyNone, None);
    migrate(&none).await.unwrap();
    open_now(&none).await;
    open_now(&with(&plain, TlsMode::VerifyCa, Some(&good))).await;

    for mode in [TlsMode::VerifyCa, TlsMode::VerifyFull] {
        for ca in [Some(&*other), None] {
            let text = refusal(&with(&plain, mode, ca)).await;
            assert!(text.contains("no authority that is trusted"), "{mode:?}: {text}");
        }
        let text = refusal(&with(&plain, mode, Some(Path::new("/absent/ca.pem")))).await;
        assert!(text.contains("/absent/ca.pem"), "{text}");
    }
    let text = refusal(&with(&plain, TlsMode::VerifyFull, Some(&good))).await;
    assert!(text.contains("for another host name"), "{text}");
    let mut named = with(&plain, TlsMode::VerifyFull, Some(&good));
    named.primary.host = "localhost".to_owned();
    let store = open_now(&named).await;
    store.commit(create("a")).await.unwrap();
    assert!(store.add(vec![store::Increment { key: "a".into(), by: 1, expires: jiff::Timestamp::MAX }]).await.is_ok());
    store.lead("a").await.unwrap();
}

#[tokio::test]
async fn server_without_tls_is_refused() {
    let database = server::database().await;
    let plain = server::settings(database.address());
    for mode in [TlsMode::VerifyNone, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let text = refusal(&with(&plain, mode, None)).await;
        assert!(text.contains("which the server does not offer"), "{mode:?}: {text}");
    }
    open_now(&plain).await;
}

#[tokio::test]
async fn server_may_want_a_certificate_of_ours() {
    let (authority, stranger) = (Authority::new("good").unwrap(), Authority::new("other").unwrap());
    let files = Files::new();
    let ca = files.write("good.pem", &authority.certificate().unwrap());
    let identity = authority.server(&["127.0.0.1"]).unwrap();
    let tls = ServerTls { identity, client_authority: Some(authority.certificate().unwrap()) };
    let server = Server::start(Options { tls: Some(tls), plaintext: false, ..Options::default() }).await.unwrap();
    let database = server.database().await.unwrap();
    let mut settings = with(&server::settings(database.address()), TlsMode::VerifyFull, Some(&ca));

    let text = refusal(&settings).await;
    assert!(text.contains("certificate"), "{text}");
    settings.primary.tls.client = Some(files.identity("wrong", &stranger.client("tester").unwrap()));
    let text = refusal(&settings).await;
    assert!(text.contains("certificate"), "{text}");
    settings.primary.tls.client = Some(files.identity("right", &authority.client("tester").unwrap()));
    migrate(&settings).await.unwrap();
    open_now(&settings).await.commit(create("a")).await.unwrap();
}
