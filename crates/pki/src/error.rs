use jiff::Timestamp;

/// What is wrong with a key or certificate. Messages name the part and never show key material.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// No block of the wanted kind was found.
    #[error("{what} is not in PEM format: no {wanted} block found")]
    NotPem {
        /// Which input.
        what: &'static str,
        /// The PEM label that is missing.
        wanted: &'static str,
    },
    /// The input is larger than a chain of certificates can reasonably be.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// Which input.
        what: &'static str,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// PEM was found and its content is not what the label says.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which input.
        what: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// An end-entity certificate where a certificate authority is needed.
    #[error("basic constraint 'CA' must be set to 'true' (see X509-SVID: 4.1. Basic Constraints)")]
    NotCa,
    /// A certificate authority that may not sign.
    #[error("key usage extension 'keyCertSign' must be set (see X509-SVID: 4.3. Key Usage)")]
    MayNotSign,
    /// The subject's name uses something that cannot be repeated exactly in issued certificates, such as the
    /// same attribute twice.
    #[error("the CA certificate's subject is not supported: each attribute may occur once, with a usual type")]
    SubjectNotSupported,
    /// The private key belongs to another certificate.
    #[error("not a valid TLS key pair: private key does not match the certificate's public key")]
    KeyMismatch,
    /// The certificate's time is over.
    #[error("the certificate expired at {not_after}")]
    Expired {
        /// The last moment at which it was valid.
        not_after: Timestamp,
    },
    /// A name that cannot stand in a certificate.
    #[error("{name:?} cannot be used as a {kind} in a certificate")]
    BadName {
        /// `DNS name` or `URI`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The end of the lifetime cannot be written as a date.
    #[error("the certificate's lifetime ends after the year 9999")]
    Lifetime,
    /// A cryptographic operation failed for a reason that is not in the input.
    #[error("cannot {what}: {reason}")]
    Crypto {
        /// What was tried.
        what: &'static str,
        /// What the library said.
        reason: String,
    },
}
