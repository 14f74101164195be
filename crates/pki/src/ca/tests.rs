use proptest::prelude::*;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn request() -> LeafRequest {
    LeafRequest {
        uris: vec!["spiffe://default/web".to_owned(), "kuma://version/1".to_owned()],
        dns_names: vec!["web.mesh".to_owned()],
        ip_addresses: vec!["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        common_name: "web".to_owned(),
        lifetime: Duration::from_secs(3600),
        server: true,
        client: true,
    }
}

fn self_signed(key_usages: Vec<KeyUsagePurpose>, is_ca: IsCa) -> (String, String) {
    let key = generate_p256().unwrap();
    let mut params = CertificateParams::default();
    params.key_usages = key_usages;
    params.is_ca = is_ca;
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_generated_authority_is_one_for_its_trust_domain() {
    let ca = CertificateAuthority::generate("default", 10 * YEAR, now()).unwrap();
    let info = CertificateInfo::from_pem(ca.cert_pem()).unwrap();
    assert_eq!(&info, ca.info());
    assert!(info.is_ca && info.may_sign && info.self_issued);
    assert_eq!(info.uris, ["spiffe://default"]);
    assert_eq!(info.common_name, "default");
    assert_eq!(info.not_after, now().checked_add(10 * YEAR).unwrap());
}

#[test]
fn a_leaf_says_what_was_requested_and_verifies() {
    let ca = CertificateAuthority::generate("default", YEAR, now()).unwrap();
    let ca = CertificateAuthority::from_pem(ca.cert_pem(), ca.key_pem().expose(), now()).unwrap();
    let leaf = ca.issue(&request(), now()).unwrap();
    let info = CertificateInfo::from_pem(&leaf.cert_pem).unwrap();
    assert_eq!(info.uris, request().uris);
    assert_eq!(info.dns_names, request().dns_names);
    assert_eq!(info.ip_addresses, request().ip_addresses);
    assert_eq!(info.common_name, "web");
    assert!(!info.is_ca);
    assert_eq!(info.serial, leaf.serial);
    assert_eq!(leaf.not_before, now().checked_sub(CLOCK_SKEW).unwrap());
    assert_eq!(leaf.not_after, now().checked_add(Duration::from_secs(3600)).unwrap());
    assert_eq!(leaf.cert_pem.matches("BEGIN CERTIFICATE").count(), 1);

    let der = pem::certificates(&leaf.cert_pem, "leaf").unwrap();
    let ca_der = pem::certificates(ca.cert_pem(), "ca").unwrap();
    let anchors = [webpki_anchor(&ca_der[0])];
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(anchors);
    let parsed = rustls::server::ParsedCertificate::try_from(&der[0]).unwrap();
    let at = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now().as_second() as u64));
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    rustls::client::verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], at, algorithms.all).unwrap();
}

fn webpki_anchor(der: &CertificateDer<'_>) -> rustls::pki_types::TrustAnchor<'static> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der.clone().into_owned()).unwrap();
    roots.roots.remove(0)
}

#[test]
fn a_leaf_does_not_outlive_its_authority() {
    let ca = CertificateAuthority::generate("default", Duration::from_secs(60), now()).unwrap();
    assert_eq!(ca.issue(&request(), now()).unwrap().not_after, ca.info().not_after);
}

#[test]
fn every_leaf_has_its_own_serial_and_key() {
    let ca = CertificateAuthority::generate("default", YEAR, now()).unwrap();
    let (one, other) = (ca.issue(&request(), now()).unwrap(), ca.issue(&request(), now()).unwrap());
    assert_ne!(one.serial, other.serial);
    assert_ne!(one.key_pem, other.key_pem);
}

#[test]
fn an_intermediate_authority_sends_its_own_certificate_along() {
    let root_key = generate_p256().unwrap();
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name = common_name("root");
    let root_cert = root.self_signed(&root_key).unwrap();
    let key = generate_p256().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = common_name("intermediate");
    let cert = params.signed_by(&key, &Issuer::new(root, root_key)).unwrap();

    let bundle = cert.pem() + &root_cert.pem();
    let ca = CertificateAuthority::from_pem(&bundle, &key.serialize_pem(), now()).unwrap();
    let leaf = ca.issue(&request(), now()).unwrap();
    let chain = pem::certificates(&leaf.cert_pem, "chain").unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(&chain[1], cert.der());
}

#[test]
fn what_is_no_authority_is_refused_with_the_reason() {
    let other_key = generate_p256().unwrap().serialize_pem();
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (leaf, leaf_key) = self_signed(vec![], IsCa::ExplicitNoCa);
    let (mute, mute_key) = self_signed(vec![KeyUsagePurpose::DigitalSignature], ca);
    let (good, good_key) = self_signed(vec![KeyUsagePurpose::KeyCertSign], ca);
    let far = "4100-01-01T00:00:00Z".parse().unwrap();

    let refused = |cert: &str, key: &str, at| CertificateAuthority::from_pem(cert, key, at).unwrap_err();
    assert!(matches!(refused("", &good_key, now()), PkiError::NotPem { wanted: "CERTIFICATE", .. }));
    assert!(matches!(refused(&good, "", now()), PkiError::NotPem { wanted: "PRIVATE KEY", .. }));
    assert!(matches!(refused(&leaf, &leaf_key, now()), PkiError::NotCa));
    assert!(matches!(refused(&mute, &mute_key, now()), PkiError::MayNotSign));
    assert!(matches!(refused(&good, &other_key, now()), PkiError::KeyMismatch));
    assert!(matches!(refused(&good, &good_key, far), PkiError::Expired { .. }));
    assert!(matches!(refused(&"x".repeat(pem::MAX_PEM + 1), &good_key, now()), PkiError::TooLarge { .. }));
    CertificateAuthority::from_pem(&good, &good_key, now()).unwrap();
}

/// Subjects as other tools write them: OpenSSL with several attributes, Go with a printable string.
#[test]
fn a_subject_that_issued_certificates_cannot_repeat_is_refused() {
    let key = generate_p256().unwrap();
    let subject = |attributes: Vec<(DnType, rcgen::DnValue)>| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind, value);
        }
        let cert = params.self_signed(&key).unwrap().pem();
        CertificateAuthority::from_pem(&cert, &key.serialize_pem(), now())
    };
    let printable = |text: &str| rcgen::DnValue::PrintableString(text.try_into().unwrap());
    subject(vec![
        (DnType::CountryName, printable("JP")),
        (DnType::OrganizationName, "Mesh".into()),
        (DnType::CommonName, printable("root")),
    ])
    .unwrap();
    subject(vec![]).unwrap();
    let odd = vec![
        (DnType::CustomDnType(vec![0, 9, 2342, 19200300, 100, 1, 25]), "example".into()),
        (DnType::CustomDnType(vec![2, 47, 1]), "odd".into()),
    ];
    assert!(matches!(subject(odd), Err(PkiError::SubjectNotSupported)));
}

#[test]
fn names_that_are_not_ascii_are_refused() {
    let ca = CertificateAuthority::generate("default", YEAR, now()).unwrap();
    let request = LeafRequest { dns_names: vec!["bär".to_owned()], ..request() };
    assert!(matches!(ca.issue(&request, now()), Err(PkiError::BadName { kind: "DNS name", .. })));
}

#[test]
fn keys_are_not_printed() {
    let ca = CertificateAuthority::generate("default", YEAR, now()).unwrap();
    let leaf = ca.issue(&request(), now()).unwrap();
    assert!(!format!("{ca:?} {leaf:?}").contains("PRIVATE"));
}

#[test]
fn hosts_are_matched_as_tls_clients_do() {
    let request = LeafRequest { dns_names: vec!["a.mesh".to_owned(), "*.b.mesh".to_owned()], ..request() };
    let ca = CertificateAuthority::generate("default", YEAR, now()).unwrap();
    let info = CertificateInfo::from_pem(&ca.issue(&request, now()).unwrap().cert_pem).unwrap();
    for host in ["a.mesh", "A.mesh.", "x.b.mesh", "10.0.0.1", "::1", "[::1]"] {
        assert!(info.covers_host(host), "{host}");
    }
    for host in ["b.mesh", "x.y.b.mesh", "x.a.mesh", "10.0.0.2", ""] {
        assert!(!info.covers_host(host), "{host}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_input_makes_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
        let certificate = pem::encode("CERTIFICATE", &bytes);
        let key = pem::encode("PRIVATE KEY", &bytes);
        prop_assert!(CertificateAuthority::from_pem(&certificate, &key, now()).is_err());
        prop_assert!(CertificateAuthority::from_pem(&text, &text, now()).is_err());
        prop_assert!(CertificateInfo::from_der(&bytes).is_err());
    }

    #[test]
    fn a_damaged_certificate_never_panics(position in 0_usize..400, value in any::<u8>()) {
        let (cert, key) = fixture();
        let mut der = pem::certificates(cert, "ca").unwrap()[0].to_vec();
        let position = position % der.len();
        der[position] = value;
        if let Ok(ca) = CertificateAuthority::from_pem(&pem::encode("CERTIFICATE", &der), key, now()) {
            prop_assert!(ca.issue(&request(), now()).is_ok());
        }
    }
}

fn fixture() -> (&'static str, &'static str) {
    static PAIR: std::sync::LazyLock<(String, String)> = std::sync::LazyLock::new(|| {
        let ca = CertificateAuthority::generate("default", YEAR, now()).unwrap();
        (ca.cert_pem().to_owned(), ca.key_pem().expose().to_owned())
    });
    (&PAIR.0, &PAIR.1)
}
