//! Self-signed TLS certificates.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use pki::tls::{self, KeyType, Role};

use crate::session::Session;

/// Means stdout.
const STDOUT: &str = "-";

#[derive(Args, Debug)]
pub(super) struct CertificateArgs {
    /// Side of the connection the certificate is for
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    role: Side,
    /// File to write the key to; - for stdout
    #[arg(long, value_name = "FILE", default_value = "key.pem")]
    key_file: String,
    /// File to write the certificate to; - for stdout
    #[arg(long, value_name = "FILE", default_value = "cert.pem")]
    cert_file: String,
    /// Kind of key
    #[arg(long, value_enum, default_value_t, value_name = "TYPE")]
    key_type: Kind,
    /// DNS name or IP address of the server; may be repeated
    #[arg(long, alias = "cp-hostname", value_name = "HOST", value_delimiter = ',')]
    hostname: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    #[default]
    Rsa,
    Ecdsa,
}

pub(super) fn run(args: &CertificateArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let role = match args.role {
        Side::Client => Role::Client,
        Side::Server if args.hostname.is_empty() => {
            bail!("a server's certificate needs the names it is reached by: --hostname HOST")
        }
        Side::Server => Role::Server,
    };
    let key_type = match args.key_type {
        Kind::Rsa => KeyType::Rsa,
        Kind::Ecdsa => KeyType::Ecdsa,
    };
    let identity = tls::self_signed(role, key_type, &args.hostname, session.now())?;
    write(&args.key_file, identity.key_pem.expose(), 0o600, session)?;
    write(&args.cert_file, &identity.cert_pem, 0o644, session)?;
    // What goes to stdout must stay clean PEM.
    if args.key_file != STDOUT && args.cert_file != STDOUT {
        session.out.line(&format!("Private key saved in {}", shown(&args.key_file)))?;
        session.out.line(&format!("Certificate saved in {}", shown(&args.cert_file)))?;
    }
    Ok(())
}

fn shown(path: &str) -> String {
    std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_owned()).display().to_string()
}

fn write(path: &str, pem: &str, mode: u32, session: &mut Session<'_>) -> anyhow::Result<()> {
    if path == STDOUT {
        return Ok(session.out.text(pem)?);
    }
    write_file(path, pem, mode).with_context(|| format!("could not write {path}"))
}

fn write_file(path: &str, pem: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    // The mode above counts for new files only; devices keep theirs.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.write_all(pem.as_bytes())
}
