//! No certificate authorities, in place of a package that has those of the web.
//!
//! The PostgreSQL driver adds that package's to the ones it is told of. An operator who names an authority for the
//! database means this one and no other: with `verifyCa` anybody with a certificate for any name of the web could
//! otherwise answer as the database. Nothing else here uses the package; the system's authorities are read from files.

use rustls_pki_types::TrustAnchor;

/// None.
pub const TLS_SERVER_ROOTS: &[TrustAnchor<'static>] = &[];
