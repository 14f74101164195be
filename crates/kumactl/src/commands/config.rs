//! `config`

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::cli::key_value;
use crate::client::{Client, parse_address};
use crate::config_file::{ApiServer, ClientFiles, ControlPlane, Coordinates, Credentials, Header};
use crate::output::Table;
use crate::session::Session;

#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show the configuration file; credentials are masked
    View,
    /// Manage the control planes that kumactl knows
    ControlPlanes(ControlPlanesArgs),
}

#[derive(Args, Debug)]
struct ControlPlanesArgs {
    #[command(subcommand)]
    command: ControlPlanesCommand,
}

#[derive(Debug, Subcommand)]
enum ControlPlanesCommand {
    /// Add a control plane and make it the active one
    Add(Box<AddArgs>),
    /// List control planes; `*` marks the active one
    List,
    /// Remove a control plane
    Remove(NameArgs),
    /// Make another control plane the active one
    Switch(NameArgs),
}

#[derive(Args, Debug)]
struct NameArgs {
    /// Name of the control plane
    #[arg(long)]
    name: String,
}

#[derive(Args, Debug)]
struct AddArgs {
    /// Name to know the control plane by
    #[arg(long)]
    name: String,
    /// Address of its API server, for example http://localhost:5681
    #[arg(long, value_name = "URL")]
    address: String,
    /// Replace a control plane of the same name
    #[arg(long)]
    overwrite: bool,
    /// PEM file of the authority that signed the API server's certificate
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    ca_cert_file: String,
    /// PEM file of a client certificate
    #[arg(long, value_name = "FILE", requires = "client_key_file", default_value = "", hide_default_value = true)]
    client_cert_file: String,
    /// PEM file of the client certificate's key
    #[arg(long, value_name = "FILE", requires = "client_cert_file", default_value = "", hide_default_value = true)]
    client_key_file: String,
    /// Accept any certificate of the API server
    #[arg(long)]
    skip_verify: bool,
    /// Header to send with every request; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, value_delimiter = ',')]
    headers: Vec<(String, String)>,
    /// How to authenticate; "tokens" sends a user token
    #[arg(long, value_name = "TYPE")]
    auth_type: Option<String>,
    /// Setting of the authentication, for example token=...; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, requires = "auth_type")]
    auth_conf: Vec<(String, String)>,
    /// Add it without looking whether a control plane answers there
    #[arg(long)]
    skip_check: bool,
    /// Client certificate of the admin server, which control planes before 1.0 have
    #[arg(long, value_name = "FILE", requires = "admin_client_key")]
    admin_client_cert: Option<String>,
    /// Key of the admin server's client certificate
    #[arg(long, value_name = "FILE", requires = "admin_client_cert")]
    admin_client_key: Option<String>,
}

pub(crate) async fn run(args: ConfigArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    match args.command {
        ConfigCommand::View => view(session),
        ConfigCommand::ControlPlanes(args) => match args.command {
            ControlPlanesCommand::Add(args) => add(*args, session).await,
            ControlPlanesCommand::List => list(session),
            ControlPlanesCommand::Remove(args) => remove(&args, session),
            ControlPlanesCommand::Switch(args) => switch(&args, session),
        },
    }
}

fn view(session: &mut Session<'_>) -> anyhow::Result<()> {
    let text = session.config()?.masked().to_yaml()?;
    Ok(session.out.text(&text)?)
}

fn list(session: &mut Session<'_>) -> anyhow::Result<()> {
    let config = session.config()?;
    let active = session.context().map(|context| context.control_plane.as_str()).unwrap_or_default();
    let mut table = Table::new(&["ACTIVE", "NAME", "ADDRESS"]);
    for control_plane in &config.control_planes {
        let mark = if control_plane.name == active { "*" } else { "" };
        let address = control_plane.coordinates.api_server.url.clone();
        table.row(vec![mark.into(), control_plane.name.clone(), address]);
    }
    let text = table.render();
    Ok(session.out.text(&text)?)
}

async fn add(args: AddArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mut config = session.config()?.clone();
    if config.control_plane(&args.name).is_some() && !args.overwrite {
        bail!("Control Plane with name {:?} already exists. Use --overwrite to replace an existing one.", args.name);
    }
    parse_address(&args.address).context("--address")?;
    let auth_type = args.auth_type.unwrap_or_default();
    check_auth(&auth_type, &args.auth_conf)?;
    let credentials = args.admin_client_cert.zip(args.admin_client_key).map(|(client_cert, client_key)| Credentials {
        admin: Some(ClientFiles { client_cert, client_key }),
        ..Credentials::default()
    });
    let control_plane = ControlPlane {
        name: args.name.clone(),
        coordinates: Coordinates {
            api_server: ApiServer {
                url: args.address,
                ca_cert_file: args.ca_cert_file,
                client_cert_file: args.client_cert_file,
                client_key_file: args.client_key_file,
                headers: args.headers.into_iter().map(|(key, value)| Header { key, value }).collect(),
                skip_verify: args.skip_verify,
                auth_type,
                auth_conf: args.auth_conf.into_iter().collect(),
                ..ApiServer::default()
            },
            ..Coordinates::default()
        },
        ..ControlPlane::default()
    };
    if !args.skip_check {
        check_server(&control_plane, session).await?;
    }
    config.upsert(control_plane, credentials);
    session.save_config(&config)?;
    session.out.line(&format!("added Control Plane {:?}", args.name))?;
    Ok(session.out.line(&format!("switched active Control Plane to {:?}", args.name))?)
}

fn check_auth(auth_type: &str, settings: &[(String, String)]) -> anyhow::Result<()> {
    match auth_type {
        "" => Ok(()),
        "tokens" if settings.iter().any(|(key, value)| key == "token" && !value.is_empty()) => Ok(()),
        "tokens" => bail!("--auth-type=tokens needs the token: --auth-conf token=TOKEN"),
        other => bail!("authentication plugin of type {other:?} is not found; there is \"tokens\""),
    }
}

async fn check_server(control_plane: &ControlPlane, session: &Session<'_>) -> anyhow::Result<()> {
    let index = Client::new(control_plane, session.global.api_timeout)?.index().await?;
    if !index.is_compatible() {
        bail!(
            "this CLI is for Kuma but the control plane you're connected to is {}. \
             Please use the CLI for your control plane",
            if index.product().is_empty() { "unknown" } else { index.product() }
        );
    }
    Ok(())
}

fn remove(args: &NameArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mut config = session.config()?.clone();
    if !config.remove(&args.name) {
        bail!("there is no Control Plane with name {:?}", args.name);
    }
    session.save_config(&config)?;
    session.out.line(&format!("removed Control Plane {:?}", args.name))?;
    let left = match config.active_context() {
        Ok(context) => format!("switched active Control Plane to {:?}", context.control_plane),
        Err(_) => "there is no active Control Plane left. Use `kumactl config control-planes add` to add a \
                   Control Plane and make it active"
            .to_owned(),
    };
    Ok(session.out.line(&left)?)
}

fn switch(args: &NameArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mut config = session.config()?.clone();
    if !config.switch(&args.name) {
        bail!("there is no Control Plane with name {:?}", args.name);
    }
    session.save_config(&config)?;
    Ok(session.out.line(&format!("switched active Control Plane to {:?}", args.name))?)
}
