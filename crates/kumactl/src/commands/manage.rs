//! `manage`

use std::fs;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::{Table, resource};
use crate::session::Session;

#[derive(Args, Debug)]
pub(crate) struct ManageArgs {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Manage certificate authorities
    Ca(CaArgs),
}

#[derive(Args, Debug)]
struct CaArgs {
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Manage the certificate authority of a mesh with `mtls.ca.provided`
    Provided(ProvidedArgs),
}

#[derive(Args, Debug)]
struct ProvidedArgs {
    #[command(subcommand)]
    command: ProvidedCommand,
}

#[derive(Debug, Subcommand)]
enum ProvidedCommand {
    /// Manage its certificates
    Certificates(CertificatesArgs),
}

#[derive(Args, Debug)]
struct CertificatesArgs {
    #[command(subcommand)]
    command: CertificatesCommand,
}

#[derive(Debug, Subcommand)]
enum CertificatesCommand {
    /// Add a certificate and its key
    Add {
        /// PEM file of the private key
        #[arg(long, value_name = "FILE")]
        key_file: String,
        /// PEM file of the certificate
        #[arg(long, value_name = "FILE")]
        cert_file: String,
    },
    /// List certificates
    List,
    /// Delete a certificate
    Delete {
        /// Its id, as listed
        #[arg(long)]
        id: String,
    },
}

pub(crate) async fn run(args: ManageArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let Subject::Ca(CaArgs { command: CaCommand::Provided(ProvidedArgs { command }) }) = args.subject;
    let ProvidedCommand::Certificates(CertificatesArgs { command }) = command;
    let mesh = session.mesh()?;
    let path = ["meshes", &mesh, "ca", "provided", "certificates"];
    match command {
        CertificatesCommand::Add { key_file, cert_file } => {
            let body = json!({"cert": read(&cert_file)?, "key": read(&key_file)?});
            let answer = admin(session).await?.post(&path, &body).await.context("could not add the certificate")?;
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            session.out.line(&format!("added certificate {:?}", resource::text(&answer["id"])))?;
        }
        CertificatesCommand::List => {
            let answer = admin(session).await?.get(&path, &[]).await.context("could not list the certificates")?;
            let certificates = if answer.is_array() { &answer } else { &answer["items"] };
            let mut table = Table::new(&["ID", "COMMON NAME", "EXPIRATION"]);
            for certificate in resource::items(certificates) {
                let details = pki::CertificateInfo::from_pem(&resource::text(&certificate["cert"])).ok();
                let (name, expiration) = details
                    .map_or_else(Default::default, |details| (details.common_name, details.not_after.to_string()));
                table.row(vec![resource::text(&certificate["id"]), name, expiration]);
            }
            session.out.text(&table.render())?;
        }
        CertificatesCommand::Delete { id } => {
            let path = ["meshes", &mesh, "ca", "provided", "certificates", &id];
            admin(session).await?.delete(&path).await.context("could not delete the certificate")?;
            session.out.line(&format!("deleted certificate {id:?}"))?;
        }
    }
    Ok(())
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {path}"))
}

/// A client of the admin server, which the control plane's catalog knows.
async fn admin(session: &Session<'_>) -> anyhow::Result<Client> {
    let api = session.client()?;
    let catalog = match api.get(&["catalog"], &[]).await {
        Err(error) if error.status() == Some(404) => bail!(
            "this Control Plane has no admin server; put the certificate and key into Secrets \
             and name them in the Mesh's mtls.backends"
        ),
        answer => answer.context("could not find the admin server")?,
    };
    let addresses = &catalog["apis"]["admin"];
    let local = api.is_local().then(|| addresses["localUrl"].as_str()).flatten();
    let address = [local, addresses["publicUrl"].as_str()].into_iter().flatten().find(|address| !address.is_empty());
    let address = address.context(
        "the admin server of this Control Plane is reachable from its own machine only; \
         run kumactl there or enable KUMA_ADMIN_SERVER_PUBLIC_ENABLED",
    )?;
    let credentials = session.context()?.credentials.as_ref().and_then(|credentials| credentials.admin.clone());
    Client::of_sibling(session.control_plane()?, address, &credentials.unwrap_or_default(), session.global.api_timeout)
}
