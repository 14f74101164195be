//! What a certificate says about itself.

use std::net::IpAddr;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::{PkiError, pem};

/// The readable part of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The subject's common name, empty when there is none.
    pub common_name: String,
    /// DNS names it is valid for; a first label `*` stands for any one label.
    pub dns_names: Vec<String>,
    /// IP addresses it is valid for.
    pub ip_addresses: Vec<IpAddr>,
    /// URIs, such as a SPIFFE id.
    pub uris: Vec<String>,
    /// Whether it is a certificate authority.
    pub is_ca: bool,
    /// Whether it may sign certificates: by its key usage, or because it restricts none.
    pub may_sign: bool,
    /// Whether issuer and subject are the same.
    pub self_issued: bool,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends to be valid.
    pub not_after: Timestamp,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
}

impl CertificateInfo {
    /// The first certificate of a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let certificates = pem::certificates(pem, WHAT)?;
        Self::from_der(&certificates[0])
    }

    /// A certificate as it is on the wire.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(unreadable)?;
        if !rest.is_empty() {
            return Err(unreadable("data follows the certificate"));
        }
        Self::from_parsed(&certificate)
    }

    /// Whether a client that asks for `host` (a DNS name or an IP address) may accept this certificate.
    pub fn covers_host(&self, host: &str) -> bool {
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return self.ip_addresses.contains(&address);
        }
        self.dns_names.iter().any(|name| dns_name_matches(name, host))
    }

    fn from_parsed(certificate: &X509Certificate<'_>) -> Result<Self, PkiError> {
        let mut info = Self {
            common_name: certificate
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            uris: Vec::new(),
            is_ca: certificate.is_ca(),
            may_sign: certificate.key_usage().map_err(unreadable)?.is_none_or(|usage| usage.value.key_cert_sign()),
            self_issued: certificate.subject() == certificate.issuer(),
            not_before: timestamp(certificate.validity().not_before)?,
            not_after: timestamp(certificate.validity().not_after)?,
            serial: certificate.tbs_certificate.serial.to_str_radix(16),
        };
        let names = certificate.subject_alternative_name().map_err(unreadable)?;
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => info.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => info.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => info.ip_addresses.extend(ip_address(bytes)),
                _ => {}
            }
        }
        Ok(info)
    }
}

const WHAT: &str = "the certificate";

fn unreadable(reason: impl Into<Box<dyn std::error::Error>>) -> PkiError {
    PkiError::Unreadable { what: WHAT, reason: reason.into().to_string() }
}

fn timestamp(time: x509_parser::time::ASN1Time) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.timestamp()).map_err(unreadable)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn dns_name_matches(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}
