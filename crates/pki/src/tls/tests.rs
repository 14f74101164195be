use std::io::{Read as _, Write as _};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::*;
use crate::CertificateAuthority;
use crate::ca::LeafRequest;

/// The handshake compares with the machine's clock, so these certificates are valid around it.
fn now() -> Timestamp {
    use base::Clock as _;
    base::SystemClock.now()
}

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn server_identity() -> Identity {
    self_signed(Role::Server, KeyType::Ecdsa, &hosts(&["localhost", "127.0.0.1"]), now()).unwrap()
}

/// Shakes hands in memory and sends a byte each way. The error of whichever side complained.
fn connect(server: Arc<ServerConfig>, client: ClientConfig, host: &str) -> Result<ServerConnection, rustls::Error> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(server)?;
    client.writer().write_all(b"x").unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    let mut byte = [0];
    server.reader().read_exact(&mut byte).expect("the handshake is over after ten rounds");
    Ok(server)
}

fn client(trust: Trust<'_>, identity: Option<&Identity>) -> ClientConfig {
    client_config(trust, identity, Alpn::Http).unwrap()
}

#[test]
fn a_self_signed_certificate_is_its_own_trust_anchor() {
    for key_type in [KeyType::Rsa, KeyType::Ecdsa] {
        let identity = self_signed(Role::Server, key_type, &hosts(&["localhost", "127.0.0.1"]), now()).unwrap();
        let config = server_config(&identity, ClientAuth::None, Alpn::Http).unwrap();
        for host in ["localhost", "127.0.0.1"] {
            let trusting = client(Trust::Pem(&identity.cert_pem), None);
            let server = connect(config.clone(), trusting, host).unwrap();
            assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
        }
        let error = connect(config, client(Trust::Pem(&identity.cert_pem), None), "example.org").unwrap_err();
        assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
    }
}

#[test]
fn strangers_are_refused_unless_verification_is_off() {
    let config = server_config(&server_identity(), ClientAuth::None, Alpn::Http).unwrap();
    let other = server_identity();
    assert!(connect(config.clone(), client(Trust::Pem(&other.cert_pem), None), "localhost").is_err());
    connect(config, client(Trust::SkipVerify, None), "elsewhere").unwrap();
}

#[test]
fn an_expired_anchor_is_refused() {
    let past = now().checked_sub(2 * SELF_SIGNED_LIFETIME).unwrap();
    let identity = self_signed(Role::Server, KeyType::Ecdsa, &hosts(&["localhost"]), past).unwrap();
    let config = server_config(&identity, ClientAuth::None, Alpn::Http).unwrap();
    let error = connect(config, client(Trust::Pem(&identity.cert_pem), None), "localhost").unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::Expired));
}

#[test]
fn issued_certificates_are_accepted_from_their_authority() {
    let ca = CertificateAuthority::generate("default", SELF_SIGNED_LIFETIME, now()).unwrap();
    let request = LeafRequest {
        dns_names: hosts(&["localhost"]),
        lifetime: Duration::from_secs(3600),
        server: true,
        ..LeafRequest::default()
    };
    let leaf = ca.issue(&request, now()).unwrap();
    let identity = Identity { cert_pem: leaf.cert_pem, key_pem: leaf.key_pem };
    let config = server_config(&identity, ClientAuth::None, Alpn::None).unwrap();
    connect(config, client(Trust::Pem(ca.cert_pem()), None), "localhost").unwrap();
}

#[test]
fn client_certificates_are_demanded_and_checked() {
    let me = self_signed(Role::Client, KeyType::Ecdsa, &hosts(&["me"]), now()).unwrap();
    let other = self_signed(Role::Client, KeyType::Ecdsa, &hosts(&["other"]), now()).unwrap();
    let attempt = |auth: ClientAuth<'_>, identity: Option<&Identity>| {
        let config = server_config(&server_identity(), auth, Alpn::Http).unwrap();
        connect(config, client(Trust::SkipVerify, identity), "localhost")
            .map(|server| server.peer_certificates().map_or(0, <[_]>::len))
    };
    assert_eq!(attempt(ClientAuth::Required(&me.cert_pem), Some(&me)).unwrap(), 1);
    assert!(attempt(ClientAuth::Required(&me.cert_pem), Some(&other)).is_err());
    assert!(attempt(ClientAuth::Required(&me.cert_pem), None).is_err());
    assert_eq!(attempt(ClientAuth::Optional(&me.cert_pem), None).unwrap(), 0);
    assert_eq!(attempt(ClientAuth::Optional(&me.cert_pem), Some(&me)).unwrap(), 1);
    assert!(attempt(ClientAuth::Optional(&me.cert_pem), Some(&other)).is_err());
    assert_eq!(attempt(ClientAuth::None, Some(&me)).unwrap(), 0);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let mixed = Identity { key_pem: server_identity().key_pem, ..server_identity() };
    let error = server_config(&mixed, ClientAuth::None, Alpn::Http).unwrap_err();
    assert!(matches!(error, PkiError::KeyMismatch), "{error}");
    let error = client_config(Trust::SkipVerify, Some(&mixed), Alpn::Http).unwrap_err();
    assert!(matches!(error, PkiError::KeyMismatch), "{error}");
}

#[test]
fn empty_pem_is_refused_with_the_part_that_is_missing() {
    let error = client_config(Trust::Pem(""), None, Alpn::Http).unwrap_err();
    assert_eq!(error.to_string(), "the CA certificate is not in PEM format: no CERTIFICATE block found");
}
