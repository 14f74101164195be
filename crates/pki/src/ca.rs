//! Certificate authorities and the certificates they issue.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base::Secret;
use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::asn1_rs::Oid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{CertificateInfo, PkiError, pem, random_bytes};

/// How far certificates are backdated, for peers whose clock is behind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// A certificate authority, parsed once; issuing costs two P-256 operations.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    info: CertificateInfo,
    cert_pem: String,
    key_pem: Secret,
    /// What follows a leaf in its chain: the authority's own certificates up to, and without, the root.
    chain_pem: String,
}

/// What a leaf certificate shall say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeafRequest {
    /// URI names; the first is by convention the SPIFFE id.
    pub uris: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// IP addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// The subject's common name; empty leaves the subject empty.
    pub common_name: String,
    /// How long it is valid from now on; never beyond its authority.
    pub lifetime: Duration,
    /// Whether it may be used by a TLS server.
    pub server: bool,
    /// Whether it may be used by a TLS client.
    pub client: bool,
}

/// An issued certificate with its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate, and the intermediate authorities' when there are any.
    pub cert_pem: String,
    /// The private key (P-256, PKCS#8).
    pub key_pem: Secret,
    /// When it begins to be valid, [`CLOCK_SKEW`] before it was issued.
    pub not_before: Timestamp,
    /// When it ends to be valid.
    pub not_after: Timestamp,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
}

impl CertificateAuthority {
    /// A new authority (P-256) for the trust domain `spiffe://<mesh>`.
    pub fn generate(mesh: &str, lifetime: Duration, now: Timestamp) -> Result<Self, PkiError> {
        let key = generate_p256()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(mesh);
        params.subject_alt_names = vec![SanType::URI(ia5("URI", &format!("spiffe://{mesh}"))?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date(now, -seconds(CLOCK_SKEW))?;
        params.not_after = date(now, seconds(lifetime))?;
        params.serial_number = Some(random_serial());
        let certificate = params.self_signed(&key).map_err(|error| signing_failed(&error))?;

        let info = CertificateInfo::from_der(certificate.der())?;
        let key_pem = Secret::new(key.serialize_pem());
        let cert_pem = pem::encode("CERTIFICATE", certificate.der());
        Ok(Self { issuer: Issuer::new(params, key), info, cert_pem, key_pem, chain_pem: String::new() })
    }

    /// An authority that exists already. `cert_pem` begins with the certificate that signs; the authorities
    /// above it may follow.
    pub fn from_pem(cert_pem: &str, key_pem: &str, now: Timestamp) -> Result<Self, PkiError> {
        let certificates = pem::certificates(cert_pem, CERT)?;
        let key = read_key(key_pem)?;
        let info = CertificateInfo::from_der(&certificates[0])?;
        if !info.is_ca {
            return Err(PkiError::NotCa);
        }
        if !info.may_sign {
            return Err(PkiError::MayNotSign);
        }
        if public_key_of(&certificates[0])? != key.subject_public_key_info() {
            return Err(PkiError::KeyMismatch);
        }
        if info.not_after <= now {
            return Err(PkiError::Expired { not_after: info.not_after });
        }

        let mut chain_pem = String::new();
        for certificate in &certificates {
            if !CertificateInfo::from_der(certificate)?.self_issued {
                chain_pem.push_str(&pem::encode("CERTIFICATE", certificate));
            }
        }
        let issuer = read_issuer(&certificates[0], key)?;
        Ok(Self { issuer, info, cert_pem: cert_pem.to_owned(), key_pem: Secret::new(key_pem), chain_pem })
    }

    /// The authority's certificate (and those above it), which peers trust.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority's private key.
    pub fn key_pem(&self) -> &Secret {
        &self.key_pem
    }

    /// What the authority's certificate says.
    pub fn info(&self) -> &CertificateInfo {
        &self.info
    }

    /// Issues a certificate for a new P-256 key.
    pub fn issue(&self, request: &LeafRequest, now: Timestamp) -> Result<Leaf, PkiError> {
        let key = generate_p256()?;
        let serial = random_serial();
        let mut params = CertificateParams::default();
        params.distinguished_name =
            if request.common_name.is_empty() { DistinguishedName::new() } else { common_name(&request.common_name) };
        params.subject_alt_names = subject_alt_names(request)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = extended_key_usages(request);
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.not_before = date(now, -seconds(CLOCK_SKEW))?;
        params.not_after = date(now, seconds(request.lifetime))?.min(date(self.info.not_after, 0)?);
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| signing_failed(&error))?;

        let mut cert_pem = pem::encode("CERTIFICATE", certificate.der());
        cert_pem.push_str(&self.chain_pem);
        Ok(Leaf {
            cert_pem,
            key_pem: Secret::new(key.serialize_pem()),
            not_before: timestamp(params.not_before)?,
            not_after: timestamp(params.not_after)?,
            serial: hex(serial.as_ref()),
        })
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("info", &self.info).finish_non_exhaustive()
    }
}

const CERT: &str = "the CA certificate";
const KEY: &str = "the CA private key";

pub(crate) fn generate_p256() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .map_err(|error| PkiError::Crypto { what: "generate a key", reason: error.to_string() })
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

pub(crate) fn ia5(kind: &'static str, name: &str) -> Result<Ia5String, PkiError> {
    Ia5String::try_from(name).map_err(|_| PkiError::BadName { kind, name: name.to_owned() })
}

/// `now` and so many seconds, without fractions as certificates have none.
pub(crate) fn date(now: Timestamp, offset: i64) -> Result<OffsetDateTime, PkiError> {
    let seconds = now.as_second().saturating_add(offset);
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| PkiError::Lifetime)
}

pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// 127 random bits: a serial number must be positive.
pub(crate) fn random_serial() -> SerialNumber {
    let mut bytes: [u8; 16] = random_bytes();
    // The second bit keeps the number's length the same whatever the others are.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from(bytes.to_vec())
}

pub(crate) fn signing_failed(error: &rcgen::Error) -> PkiError {
    PkiError::Crypto { what: "sign a certificate", reason: error.to_string() }
}

fn read_key(key_pem: &str) -> Result<KeyPair, PkiError> {
    let der = pem::private_key(key_pem, KEY)?;
    KeyPair::try_from(&der).map_err(|error| PkiError::Unreadable { what: KEY, reason: error.to_string() })
}

/// The SubjectPublicKeyInfo as it stands in the certificate.
fn public_key_of(der: &[u8]) -> Result<Vec<u8>, PkiError> {
    Ok(parse(der)?.public_key().raw.to_vec())
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    let parsed = X509Certificate::from_der(der);
    parsed.map(|(_, certificate)| certificate).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::error::Error) -> PkiError {
    PkiError::Unreadable { what: CERT, reason: error.to_string() }
}

/// The issuer that signs with `key` in the name of the certificate. The library writes that name anew, and
/// peers compare names byte by byte, so it is made sure that the name survives.
fn read_issuer(der: &CertificateDer<'_>, key: KeyPair) -> Result<Issuer<'static, KeyPair>, PkiError> {
    let certificate = parse(der)?;
    let subject = certificate.subject();
    if !subject.iter_attributes().all(|attribute| can_be_written(attribute.attr_type())) {
        return Err(PkiError::SubjectNotSupported);
    }
    let issuer = Issuer::from_ca_cert_der(der, key).map_err(|error| unreadable(&error))?;
    let params = CertificateParams::default();
    let probe = params.signed_by(issuer.key(), &issuer).map_err(|error| signing_failed(&error))?;
    if parse(probe.der())?.issuer().as_raw() == subject.as_raw() {
        Ok(issuer)
    } else {
        Err(PkiError::SubjectNotSupported)
    }
}

/// The encoder panics on object identifiers whose first two arcs are out of their range.
fn can_be_written(oid: &Oid<'_>) -> bool {
    let Some(mut arcs) = oid.iter() else { return false };
    matches!((arcs.next(), arcs.next()), (Some(0 | 1), Some(0..40)) | (Some(2), Some(_)))
}

fn subject_alt_names(request: &LeafRequest) -> Result<Vec<SanType>, PkiError> {
    let uris = request.uris.iter().map(|uri| ia5("URI", uri).map(SanType::URI));
    let dns_names = request.dns_names.iter().map(|name| ia5("DNS name", name).map(SanType::DnsName));
    let ip_addresses = request.ip_addresses.iter().map(|address| Ok(SanType::IpAddress(*address)));
    uris.chain(dns_names).chain(ip_addresses).collect()
}

fn extended_key_usages(request: &LeafRequest) -> Vec<ExtendedKeyUsagePurpose> {
    let server = request.server.then_some(ExtendedKeyUsagePurpose::ServerAuth);
    let client = request.client.then_some(ExtendedKeyUsagePurpose::ClientAuth);
    server.into_iter().chain(client).collect()
}

fn timestamp(time: OffsetDateTime) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.unix_timestamp()).map_err(|_| PkiError::Lifetime)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
