//! Keys, certificates and tokens: certificate authorities and what they issue, rustls configurations from
//! PEM, and the control plane's tokens. No I/O, no clock (time is passed in), one cryptography library
//! (aws-lc).

pub mod ca;
pub mod certificate;
mod error;
pub mod jwt;
mod pem;
mod random;
pub mod tls;

pub use ca::{CertificateAuthority, Leaf, LeafRequest};
pub use certificate::CertificateInfo;
pub use error::PkiError;
pub use random::{random_bytes, random_uuid};
