//! Authorities and certificates for servers that tests run, made with the `openssl` program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// A certificate authority; its key is gone with the value.
#[derive(Debug)]
pub struct Authority {
    dir: TempDir,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

/// How a server that tests run uses TLS.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// What the server shows.
    pub identity: Identity,
    /// Certificates of authorities, PEM. When given, clients have to show a certificate of one of them.
    pub client_authority: Option<String>,
}

impl Authority {
    /// A new authority.
    pub fn new(name: &str) -> Result<Self> {
        let dir = TempDir::with_prefix("authority-")?;
        // Without the extensions that a system's own configuration adds.
        std::fs::write(dir.path().join("openssl.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n")?;
        let authority = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
        request(dir.path(), "authority", name, &authority, false)?;
        Ok(Self { dir })
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.dir.path().join("authority.pem"))?)
    }

    /// For a server with these names: host names or IP addresses.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        let names = names.iter().map(|name| match name.parse::<std::net::IpAddr>() {
            Ok(address) => format!("IP:{address}"),
            Err(_) => format!("DNS:{name}"),
        });
        let names = format!("subjectAltName={}", names.collect::<Vec<_>>().join(","));
        self.issue("server", &[&names, "extendedKeyUsage=serverAuth"])
    }

    /// For a client that calls itself `common_name`.
    pub fn client(&self, common_name: &str) -> Result<Identity> {
        self.issue(common_name, &["extendedKeyUsage=clientAuth"])
    }

    fn issue(&self, common_name: &str, extensions: &[&str]) -> Result<Identity> {
        let extensions: Vec<&str> = extensions.iter().copied().chain(["basicConstraints=critical,CA:FALSE"]).collect();
        request(self.dir.path(), "leaf", common_name, &extensions, true)?;
        let read = |name: &str| std::fs::read_to_string(self.dir.path().join(name));
        Ok(Identity { certificate: read("leaf.pem")?, key: read("leaf.key")? })
    }
}

/// Makes `name.pem` and `name.key`, signed by the authority in the same directory or by itself.
fn request(dir: &Path, name: &str, common_name: &str, extensions: &[&str], is_issued: bool) -> Result<()> {
    let mut command = Command::new("openssl");
    command.current_dir(dir).args(["req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", &format!("/CN={common_name}")]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    command.args(extensions.iter().flat_map(|extension| ["-addext", extension]));
    if is_issued {
        command.args(["-CA", "authority.pem", "-CAkey", "authority.key"]);
    }
    let output = command.output().context("openssl cannot be run; scripts/setup.sh toolchain installs it")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
