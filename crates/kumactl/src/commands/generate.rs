//! `generate`

mod certificate;
mod key;
mod token;

use clap::{Args, Subcommand};

use crate::session::Session;

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Generate a token by which a data plane proxy proves who it is
    DataplaneToken(token::DataplaneTokenArgs),
    /// Generate a token by which a zone's proxies prove where they belong
    ZoneToken(token::ZoneTokenArgs),
    /// Generate a token by which a user of the API proves who they are
    UserToken(token::UserTokenArgs),
    /// Generate a key that signs tokens
    SigningKey(key::SigningKeyArgs),
    /// Print the public half of a key that signs tokens
    PublicKey(key::PublicKeyArgs),
    /// Generate a self-signed TLS certificate
    TlsCertificate(certificate::CertificateArgs),
}

pub(crate) async fn run(args: GenerateArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    match args.subject {
        Subject::DataplaneToken(args) => token::dataplane(args, session).await,
        Subject::ZoneToken(args) => token::zone(args, session).await,
        Subject::UserToken(args) => token::user(args, session).await,
        Subject::SigningKey(args) => key::signing_key(&args, session),
        Subject::PublicKey(args) => key::public_key(&args, session),
        Subject::TlsCertificate(args) => certificate::run(&args, session),
    }
}
