//! The certificate of the control plane's own servers: the operator's, or one that is made once and kept in
//! the work directory, so that a restart does not lock proxies out.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::{Clock, Secret};
use pki::PkiError;
use pki::ca::{CertificateAuthority, LeafRequest};
use pki::tls::{self, Identity, KeyType, Role};
use tracing::warn;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{} cannot be {what}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// None could be made.
    #[error("no certificate could be made")]
    Pki(#[from] PkiError),
}

/// The certificate and key in these files.
pub(crate) fn read(cert: &Path, key: &Path) -> Result<Identity, IdentityError> {
    let text = |path: &Path| {
        fs::read_to_string(path).map_err(|source| IdentityError::File { path: path.to_owned(), what: "read", source })
    };
    Ok(Identity { cert_pem: text(cert)?, key_pem: Secret::new(text(key)?) })
}

/// The certificate kept in `dir`; made for this machine's names and addresses, and for `hosts`, if there is
/// none yet.
pub(crate) fn keep(dir: &Path, hosts: &[String], clock: &dyn Clock) -> Result<Identity, IdentityError> {
    let (cert, key) = (dir.join("kuma-cp.crt"), dir.join("kuma-cp.key"));
    if cert.exists() && key.exists() {
        return read(&cert, &key);
    }
    let identity = make(hosts, clock)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| IdentityError::File { path, what: "written", source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    write(&key, identity.key_pem.expose()).map_err(failed(&key))?;
    write(&cert, &identity.cert_pem).map_err(failed(&cert))?;
    Ok(identity)
}

/// A certificate for this machine's names and addresses, and for `hosts`.
pub(crate) fn make(hosts: &[String], clock: &dyn Clock) -> Result<Identity, IdentityError> {
    Ok(tls::self_signed(Role::Server, KeyType::Ecdsa, &names(hosts), clock.now())?)
}

/// The same of an authority that several machines have in common. Its certificate is written to `dir`, for those who
/// are to verify these machines; it does not matter if it cannot be.
pub(crate) fn issue(
    ca: &CertificateAuthority,
    dir: &Path,
    hosts: &[String],
    clock: &dyn Clock,
) -> Result<Identity, IdentityError> {
    let (ip_addresses, dns_names): (Vec<_>, Vec<_>) =
        names(hosts).into_iter().map(|name| name.parse::<IpAddr>().map_err(|_| name)).partition(Result::is_ok);
    let request = LeafRequest {
        ip_addresses: ip_addresses.into_iter().flatten().collect(),
        dns_names: dns_names.into_iter().filter_map(Result::err).collect(),
        common_name: "control-plane".to_owned(),
        lifetime: tls::SELF_SIGNED_LIFETIME,
        server: true,
        ..LeafRequest::default()
    };
    let leaf = ca.issue(&request, clock.now())?;
    let file = dir.join("kuma-cp-ca.crt");
    if let Err(error) = fs::create_dir_all(dir).and_then(|()| write(&file, ca.cert_pem())) {
        warn!(%error, file = %file.display(), "The certificate that proxies verify this control plane with is not written");
    }
    Ok(Identity { cert_pem: leaf.cert_pem, key_pem: leaf.key_pem })
}

/// All names and addresses of this machine, and `hosts`.
fn names(hosts: &[String]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(hosts.iter().filter(|host| !host.is_empty()).cloned());
    names.extend(fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()));
    names.extend(["127.0.0.1", "::1"].map(str::to_owned));
    names.extend(if_addrs::get_if_addrs().unwrap_or_default().iter().map(|interface| interface.ip().to_string()));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| !name.is_empty() && seen.insert(name.clone()));
    names
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::SystemClock;
    use pki::CertificateInfo;
    use pki::tls::{Alpn, Trust};

    use super::*;

    #[test]
    fn machines_have_certificates_of_their_own_and_an_authority_in_common() {
        let ca = CertificateAuthority::generate("cp", Duration::from_secs(3600), SystemClock.now()).unwrap();
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let issued = dirs.each_ref().map(|dir| {
            let hosts = ["kuma.example".to_owned(), "10.1.2.3".to_owned()];
            let identity = issue(&ca, dir.path(), &hosts, &SystemClock).unwrap();
            let info = CertificateInfo::from_pem(&identity.cert_pem).unwrap();
            for host in ["localhost", "127.0.0.1", "kuma.example", "10.1.2.3"] {
                assert!(info.covers_host(host), "{host} in {info:?}");
            }
            assert!(!info.covers_host("other.example") && !info.is_ca);
            let trusted = fs::read_to_string(dir.path().join("kuma-cp-ca.crt")).unwrap();
            assert_eq!(trusted, ca.cert_pem());
            tls::client_config(Trust::Pem(&trusted), None, Alpn::Http).unwrap();
            assert!(!dir.path().join("kuma-cp.key").exists(), "keys stay in memory");
            info.serial
        });
        assert_ne!(issued[0], issued[1]);
    }

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = keep(dir.path(), &[], &SystemClock).unwrap();
        assert_eq!(keep(dir.path(), &[], &SystemClock).unwrap().cert_pem, first.cert_pem);
    }
}
