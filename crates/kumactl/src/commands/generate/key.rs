//! Keys that sign tokens.

use std::fs;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use pki::jwt::SigningKey;

use crate::session::Session;

#[derive(Args, Debug)]
pub(super) struct SigningKeyArgs {
    /// Form of the key
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: KeyFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum KeyFormat {
    /// For the `data` of a Secret
    #[default]
    PemBase64,
    /// For --signing-key-path
    Pem,
}

#[derive(Args, Debug)]
pub(super) struct PublicKeyArgs {
    /// File of the signing key
    #[arg(long, value_name = "FILE")]
    signing_key_path: String,
}

pub(super) fn signing_key(args: &SigningKeyArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let key = SigningKey::generate()?;
    match args.format {
        KeyFormat::PemBase64 => session.out.text(&STANDARD.encode(key.pem().expose()))?,
        KeyFormat::Pem => session.out.text(key.pem().expose())?,
    }
    Ok(())
}

pub(super) fn public_key(args: &PublicKeyArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    Ok(session.out.text(&read_signing_key(&args.signing_key_path)?.public_key_pem())?)
}

/// Reads a signing key in either of the forms that `generate signing-key` prints.
pub(super) fn read_signing_key(path: &str) -> anyhow::Result<SigningKey> {
    let text = fs::read_to_string(path).with_context(|| format!("could not read {path}"))?;
    let decoded = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    SigningKey::from_pem(decoded.as_deref().unwrap_or(&text)).with_context(|| format!("{path} is not a signing key"))
}
