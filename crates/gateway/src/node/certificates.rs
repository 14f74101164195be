//! Certificates of the node's own: those it was given as files, or one it makes for itself.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Secret;
use engine::health::probe::ProbeTls;
use engine::tls::client::{Configurations, Settings, Verify};
use engine::tls::{Alpn, Certificate, ServerIdentity};
use jiff::Timestamp;
use pki::tls::{KeyType, Role};

use super::NodeError;
use crate::conf::Conf;

/// Where systems keep the authorities they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What listeners show to clients that name no known server.
pub(super) fn default(conf: &Conf, pairs: &[(PathBuf, PathBuf)], now: Timestamp) -> Result<ServerIdentity, NodeError> {
    let Some((cert, key)) = pairs.first() else { return own(&conf.prefix.join("ssl"), now) };
    let first = load(cert, key)?;
    let second = pairs.get(1).map(|(cert, key)| load(cert, key)).transpose()?;
    Ok(ServerIdentity::new(first, second))
}

/// The certificate a node makes when it is given none; kept, so that clients may pin it.
fn own(directory: &Path, now: Timestamp) -> Result<ServerIdentity, NodeError> {
    let (cert, key) = (directory.join("kong-default.crt"), directory.join("kong-default.key"));
    if !cert.exists() || !key.exists() {
        let made = pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &["localhost".to_owned()], now)
            .map_err(|error| NodeError::setting("ssl_cert", error))?;
        write(&key, made.key_pem.expose(), 0o600)?;
        write(&cert, &made.cert_pem, 0o644)?;
    }
    Ok(ServerIdentity::new(load(&cert, &key)?, None))
}

fn load(cert: &Path, key: &Path) -> Result<Certificate, NodeError> {
    let key_text = Secret::new(read(key)?);
    Certificate::from_pem(&read(cert)?, key_text.expose())
        .map_err(|error| NodeError::setting("ssl_cert", format!("{}: {error}", cert.display())))
}

/// Authorities from files, as one text; `system` stands for the machine's.
pub(super) fn trusted(files: &[String]) -> Result<Option<String>, NodeError> {
    let mut all = String::new();
    for file in files {
        if file == "system" {
            let bundle = SYSTEM_BUNDLES.iter().find(|path| Path::new(path).exists());
            all.push_str(&bundle.map(|path| read(Path::new(path))).transpose()?.unwrap_or_default());
        } else {
            all.push_str(&read(Path::new(file))?);
        }
        all.push('\n');
    }
    Ok(Some(all).filter(|all| !all.trim().is_empty()))
}

/// Puts the authorities that verify the database together in the file that is named for it, if there is one.
pub(crate) fn write_combined(conf: &Conf) -> Result<(), NodeError> {
    let Some(file) = conf.combined_authorities() else { return Ok(()) };
    let text = trusted(&conf.trusted_certificates)?.unwrap_or_default();
    write(file, &text, 0o644)
}

/// How active health checks speak TLS.
pub(super) fn probe_tls() -> ProbeTls {
    let made = Configurations::default();
    let configuration = |verify| {
        made.get(&Settings { verify, identity: None, alpn: Alpn::None })
            .expect("settings without certificates are valid")
    };
    let unverified = configuration(Verify::Off);
    let system = trusted(&["system".to_owned()]).ok().flatten();
    let verified = system.and_then(|authorities| {
        made.get(&Settings {
            verify: Verify::On { authorities: authorities.into(), depth: 8 },
            identity: None,
            alpn: Alpn::None,
        })
        .ok()
    });
    // Without a single authority nothing can be verified: every such probe is to fail rather than pass.
    let verified = verified.unwrap_or_else(|| Arc::new(nobody()));
    ProbeTls { verified, unverified }
}

fn nobody() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn read(path: &Path) -> Result<String, NodeError> {
    fs::read_to_string(path).map_err(|source| NodeError::File { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), NodeError> {
    let attempt = || {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())
    };
    attempt().map_err(|source| NodeError::File { path: path.to_owned(), source })
}
