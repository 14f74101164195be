use std::sync::Arc;

use base::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, ServerConfig, ServerConnection,
    SignatureScheme,
};

use super::client::{ClientIdentity, Configurations, Settings, Verify, server_name};
use super::*;

struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn certificate(&self) -> Certificate {
        Certificate::from_pem(&self.certificate, &self.key).unwrap()
    }

    fn identity(&self) -> ServerIdentity {
        ServerIdentity::new(self.certificate(), None)
    }

    fn der(&self) -> CertificateDer<'static> {
        pem::certificates(&self.certificate, "the certificate").unwrap().remove(0)
    }
}

fn self_signed(name: &str) -> Pair {
    self_signed_with(name, &KeyPair::generate().unwrap())
}

fn self_signed_with(name: &str, key: &KeyPair) -> Pair {
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(key).unwrap();
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn rsa(name: &str) -> Pair {
    self_signed_with(name, &KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
}

fn server(certificates: &Arc<Certificates>) -> Arc<ServerConfig> {
    server_config(certificates.clone(), Alpn::Http2AndHttp1, Versions::Tls12And13).unwrap()
}

fn server_of(pair: &Pair) -> Arc<ServerConfig> {
    server(&Certificates::new(CertificateTable::new(pair.identity())))
}

fn client(settings: &Settings) -> Arc<ClientConfig> {
    Configurations::default().get(settings).unwrap()
}

/// Both ends after their handshake and what follows it, without a network.
fn connect(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let mut client = ClientConnection::new(client, server_name(name).unwrap())?;
    let mut server = ServerConnection::new(server)?;
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

fn served(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, name: &str) -> CertificateDer<'static> {
    let (client, _) = connect(client.clone(), server.clone(), name).unwrap();
    client.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn the_most_specific_name_decides() {
    let pairs: Vec<Pair> = ["default", "any", "exact", "first", "last"].map(self_signed).into();
    let [default, any, exact, first, last] = pairs.as_slice() else { panic!("five of them") };
    let mut table = CertificateTable::new(default.identity());
    for (pattern, pair) in [("A.test", exact), ("*.test", first), ("a.*", last)] {
        table.insert(pattern, pair.identity()).unwrap();
    }
    let certificates = Certificates::new(table.clone());
    let server = server(&certificates);
    // A session that is resumed is one with the certificate of before: every connection is a new client's.
    let served = |name| served(&client(&Settings::default()), &server, name);
    assert_eq!(served("a.test"), exact.der());
    assert_eq!(served("A.TEST"), exact.der());
    assert_eq!(served("b.test"), first.der());
    assert_eq!(served("b.b.test"), default.der());
    assert_eq!(served("a.other"), last.der());
    assert_eq!(served("test"), default.der());
    assert_eq!(served("127.0.0.1"), default.der());

    table.insert("*", any.identity()).unwrap();
    certificates.replace(table);
    assert_eq!(served("a.test"), exact.der());
    assert_eq!(served("b.b.test"), any.der());
    assert_eq!(served("127.0.0.1"), default.der());
}

#[test]
fn names_that_no_client_can_ask_for_are_refused() {
    let pair = self_signed("a");
    let mut table = CertificateTable::new(pair.identity());
    for pattern in ["", "a.*.b", "*.*", "*.", ".*", "**", "a*", "a b"] {
        assert!(matches!(table.insert(pattern, pair.identity()), Err(TlsError::BadPattern { .. })), "{pattern:?}");
    }
}

/// Accepts anything that is signed in one of these ways.
#[derive(Debug)]
struct Only(&'static [SignatureScheme]);

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.to_vec()
    }
}

fn client_that_knows(schemes: &'static [SignatureScheme]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Only(schemes)))
        .with_no_client_auth();
    Arc::new(config)
}

#[test]
fn of_two_certificates_the_one_with_a_key_the_client_knows_is_served() {
    let (rsa, ecdsa) = (rsa("a"), self_signed("a"));
    let both = client(&Settings::default());
    let only_rsa = client_that_knows(&[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]);
    let only_ecdsa = client_that_knows(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
    for (first, second) in [(&rsa, &ecdsa), (&ecdsa, &rsa)] {
        let identity = ServerIdentity::new(first.certificate(), Some(second.certificate()));
        let certificates = Certificates::new(CertificateTable::new(identity));
        for versions in [Versions::Tls12, Versions::Tls13] {
            let server = server_config(certificates.clone(), Alpn::None, versions).unwrap();
            assert_eq!(served(&both, &server, "a"), ecdsa.der());
            assert_eq!(served(&only_ecdsa, &server, "a"), ecdsa.der());
            assert_eq!(served(&only_rsa, &server, "a"), rsa.der());
        }
    }
}

#[test]
fn sessions_are_resumed() {
    let pair = self_signed("a");
    for versions in [Versions::Tls12, Versions::Tls13] {
        let certificates = Certificates::new(CertificateTable::new(pair.identity()));
        let server = server_config(certificates, Alpn::None, versions).unwrap();
        let client = client(&Settings::default());
        let kind = || connect(client.clone(), server.clone(), "a").unwrap().0.handshake_kind();
        assert_eq!(kind(), Some(HandshakeKind::Full), "{versions:?}");
        assert_eq!(kind(), Some(HandshakeKind::Resumed), "{versions:?}");
    }
}

#[test]
fn a_protocol_is_agreed_on() {
    let pair = self_signed("a");
    let certificates = Certificates::new(CertificateTable::new(pair.identity()));
    let agreed = |listener, alpn| {
        let server = server_config(certificates.clone(), listener, Versions::default()).unwrap();
        let client = client(&Settings { alpn, ..Settings::default() });
        connect(client, server, "a").map(|(client, _)| client.alpn_protocol().map(<[u8]>::to_vec)).map_err(|_| ())
    };
    let (h1, h2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    assert_eq!(agreed(Alpn::Http2AndHttp1, Alpn::Http2AndHttp1), Ok(Some(h2)));
    assert_eq!(agreed(Alpn::Http2AndHttp1, Alpn::Http1), Ok(Some(h1.clone())));
    assert_eq!(agreed(Alpn::Http1, Alpn::Http2AndHttp1), Ok(Some(h1)));
    assert_eq!(agreed(Alpn::Http1, Alpn::None), Ok(None));
    assert_eq!(agreed(Alpn::None, Alpn::Http1), Ok(None));
    assert_eq!(agreed(Alpn::Http1, Alpn::Http2), Err(()));
}

/// An authority, and certificates that it or those below it issued.
struct Chain {
    root: String,
    leaf: Pair,
}

/// A chain with so many authorities between the first and the certificate for `name`.
fn chain(name: &str, between: usize) -> Chain {
    let authority = |label: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, label);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    let root_pem = root.pem();
    let mut issuer = root;
    let mut pems = Vec::new();
    for number in 0..between {
        let params = authority(&format!("between {number}"));
        issuer = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &issuer).unwrap();
        pems.insert(0, issuer.pem());
    }
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    pems.insert(0, leaf.pem());
    Chain { root: root_pem, leaf: Pair { certificate: pems.concat(), key: key.serialize_pem() } }
}

fn verified(authorities: &str, depth: usize) -> Settings {
    Settings { verify: Verify::On { authorities: authorities.into(), depth }, ..Settings::default() }
}

#[test]
fn an_upstream_is_verified_if_that_is_wanted() {
    let chain = chain("a.test", 0);
    let server = server_of(&chain.leaf);
    let connected = |settings: &Settings, name| connect(client(settings), server.clone(), name).is_ok();
    let trusting = verified(&chain.root, 1);
    assert!(connected(&trusting, "a.test"));
    assert!(!connected(&trusting, "b.test"));
    assert!(!connected(&verified(&self_signed("other").certificate, 1), "a.test"));
    assert!(connected(&Settings::default(), "b.test"));
}

#[test]
fn chains_are_as_long_as_allowed() {
    let chain = chain("a.test", 2);
    let server = server_of(&chain.leaf);
    let connected = |depth| connect(client(&verified(&chain.root, depth)), server.clone(), "a.test").is_ok();
    assert_eq!([0, 1, 2, 64].map(connected), [false, false, true, true]);
}

#[test]
fn a_self_signed_certificate_can_be_trusted_itself() {
    let pair = self_signed("a.test");
    let client = client(&verified(&pair.certificate, 0));
    assert!(connect(client.clone(), server_of(&pair), "a.test").is_ok());
    assert!(connect(client.clone(), server_of(&pair), "b.test").is_err());
    assert!(connect(client, server_of(&self_signed("a.test")), "a.test").is_err());
}

#[test]
fn an_expired_certificate_is_not_verified() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let pair = Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
    assert!(connect(client(&verified(&pair.certificate, 0)), server_of(&pair), "a.test").is_err());
    assert!(connect(client(&Settings::default()), server_of(&pair), "a.test").is_ok());
}

#[test]
fn an_upstream_that_asks_gets_the_clients_certificate() {
    let authority = chain("client", 0);
    let pair = self_signed("a");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pem::certificates(&authority.root, "the CA certificate").unwrap().remove(0)).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Certificates::new(CertificateTable::new(pair.identity())));
    let server = Arc::new(server);
    let identity = ClientIdentity {
        certificate: authority.leaf.certificate.as_str().into(),
        key: Secret::new(authority.leaf.key.clone()),
    };
    let with = Settings { identity: Some(identity), ..Settings::default() };
    let (_, connection) = connect(client(&with), server.clone(), "a").unwrap();
    assert_eq!(connection.peer_certificates().unwrap()[0], authority.leaf.der());
    assert!(connect(client(&Settings::default()), server, "a").is_err());
}

#[test]
fn equal_settings_share_a_configuration_while_it_is_used() {
    let configurations = Configurations::default();
    let pair = self_signed("a");
    let settings = verified(&pair.certificate, 1);
    let first = configurations.get(&settings).unwrap();
    assert!(Arc::ptr_eq(&first, &configurations.get(&settings.clone()).unwrap()));
    let second = configurations.get(&verified(&pair.certificate, 2)).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(configurations.len(), 2);
    drop((first, second));
    assert!(configurations.is_empty());
    let _third = configurations.get(&settings).unwrap();
    assert_eq!(configurations.len(), 1);
}

#[test]
fn what_is_wrong_with_a_pair_is_said() {
    let (pair, other) = (self_signed("a"), self_signed("b"));
    let error = |certificate: &str, key: &str| Certificate::from_pem(certificate, key).unwrap_err().to_string();
    assert_eq!(error(&pair.certificate, &other.key), "the private key does not belong to the certificate");
    assert_eq!(error("", &pair.key), "the certificate has no PEM block of a CERTIFICATE");
    assert_eq!(
        error(&pair.certificate, &pair.certificate),
        "the certificate's private key has no PEM block of an unencrypted PRIVATE KEY"
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(error(broken, &pair.key).starts_with("the certificate cannot be read: "));
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(error(&pair.certificate, broken).starts_with("the certificate's private key cannot be read: "));
    assert!(error(&"x".repeat(2 << 20), &pair.key).starts_with("the certificate is larger than"));
    let client = Settings { verify: Verify::On { authorities: "".into(), depth: 1 }, ..Settings::default() };
    let error = Configurations::default().get(&client).unwrap_err();
    assert_eq!(error, TlsError::NoCertificate { what: "the CA certificate" });
}

#[test]
fn keys_are_not_shown() {
    let pair = self_signed("a");
    let identity = ClientIdentity { certificate: pair.certificate.as_str().into(), key: Secret::new(pair.key.clone()) };
    let settings = Settings { identity: Some(identity), ..Settings::default() };
    let configurations = Configurations::default();
    let _config = configurations.get(&settings).unwrap();
    let secret = pair.key.lines().nth(1).unwrap();
    assert!(!format!("{settings:?} {configurations:?} {:?}", pair.certificate()).contains(secret));
}

#[test]
fn upstreams_are_named_by_host_or_address() {
    assert!(matches!(server_name("a_b.test"), Ok(ServerName::DnsName(_))));
    assert!(matches!(server_name("127.0.0.1"), Ok(ServerName::IpAddress(_))));
    assert!(matches!(server_name("[::1]"), Ok(ServerName::IpAddress(_))));
    assert_eq!(server_name("a b"), Err(TlsError::BadServerName { name: "a b".into() }));
}
