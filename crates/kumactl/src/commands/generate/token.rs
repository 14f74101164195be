//! Tokens: issued by the control plane, or signed here with a key at hand.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use pki::jwt::{Claims, DataplaneClaims, UserClaims, ZoneClaims};
use serde::Serialize;
use serde_json::{Value, json};

use super::key::read_signing_key;
use crate::cli::{duration, key_value};
use crate::session::Session;

/// Validity of a data plane proxy's token when nobody says how long: ten years.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How to sign without a control plane.
#[derive(Args, Debug)]
struct OfflineArgs {
    /// File of a signing key: sign here, without the control plane
    #[arg(long, value_name = "FILE", requires = "kid")]
    signing_key_path: Option<String>,
    /// Id by which the control plane knows the signing key
    #[arg(long, value_name = "ID", requires = "signing_key_path")]
    kid: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct DataplaneTokenArgs {
    /// Name of the data plane proxy; without one the token is good for any name
    #[arg(long, alias = "dataplane", default_value = "", hide_default_value = true)]
    name: String,
    /// Tag values the proxy may have; may be repeated
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = key_value)]
    tag: Vec<(String, String)>,
    /// Kind of proxy
    #[arg(long, value_enum, default_value_t, value_name = "TYPE")]
    proxy_type: ProxyType,
    /// Workload the proxy belongs to
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    workload: String,
    /// How long the token is good, for example 720h [default: ten years]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    valid_for: Option<Duration>,
    #[command(flatten)]
    offline: OfflineArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ProxyType {
    #[default]
    Dataplane,
    Ingress,
    Egress,
}

#[derive(Args, Debug)]
pub(super) struct ZoneTokenArgs {
    /// Name of the zone
    #[arg(long)]
    zone: String,
    /// What the token is good for
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Scope::Ingress, Scope::Egress])]
    scope: Vec<Scope>,
    /// How long the token is good, for example 720h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    valid_for: Duration,
    #[command(flatten)]
    offline: OfflineArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    Ingress,
    Egress,
    Cp,
}

#[derive(Args, Debug)]
pub(super) struct UserTokenArgs {
    /// Name of the user
    #[arg(long)]
    name: String,
    /// Group the user is in; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    group: Vec<String>,
    /// How long the token is good, for example 720h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    valid_for: Duration,
    #[command(flatten)]
    offline: OfflineArgs,
}

pub(super) async fn dataplane(args: DataplaneTokenArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mesh = session.mesh()?;
    let proxy_type = match args.proxy_type {
        ProxyType::Dataplane => "dataplane",
        ProxyType::Ingress => "ingress",
        ProxyType::Egress => "egress",
    };
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, values) in args.tag {
        tags.entry(key).or_default().extend(values.split(',').map(str::to_owned));
    }
    let (name, workload) = (args.name, args.workload);
    if args.offline.signing_key_path.is_some() {
        let claims = DataplaneClaims { name, mesh, tags, proxy_type: proxy_type.into(), workload };
        return sign(claims, args.valid_for.unwrap_or(DEFAULT_VALIDITY), &args.offline, session);
    }
    let mut request = json!({"name": name, "mesh": mesh, "tags": tags, "type": proxy_type});
    if !workload.is_empty() {
        request["workload"] = workload.into();
    }
    if let Some(valid_for) = args.valid_for {
        request["validFor"] = base::duration::format(valid_for).into();
    }
    // Control planes before 1.0 know the second path only.
    issue(&[&["tokens", "dataplane"], &["tokens"]], &request, session).await
}

pub(super) async fn zone(args: ZoneTokenArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let scope: Vec<String> = args.scope.iter().map(|scope| scope_name(*scope).to_owned()).collect();
    if args.offline.signing_key_path.is_some() {
        return sign(ZoneClaims { zone: args.zone, scope }, args.valid_for, &args.offline, session);
    }
    let valid_for = base::duration::format(args.valid_for);
    let request = json!({"zone": args.zone, "scope": scope, "validFor": valid_for});
    issue(&[&["tokens", "zone"]], &request, session).await
}

pub(super) async fn user(args: UserTokenArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    if args.offline.signing_key_path.is_some() {
        let claims = UserClaims { name: args.name, groups: args.group };
        return sign(claims, args.valid_for, &args.offline, session);
    }
    let valid_for = base::duration::format(args.valid_for);
    let request = json!({"name": args.name, "groups": args.group, "validFor": valid_for});
    issue(&[&["tokens", "user"]], &request, session).await
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Ingress => "ingress",
        Scope::Egress => "egress",
        Scope::Cp => "cp",
    }
}

/// Prints a token without a line end, so that it can be redirected into a token file.
fn sign<C: Serialize>(
    claims: C,
    valid_for: Duration,
    offline: &OfflineArgs,
    session: &mut Session<'_>,
) -> anyhow::Result<()> {
    let path = offline.signing_key_path.as_deref().context("--signing-key-path")?;
    let kid = offline.kid.as_deref().context("--kid")?;
    if valid_for.is_zero() {
        bail!("--valid-for must be longer than nothing");
    }
    let token = read_signing_key(path)?.sign(kid, &Claims::new(claims, valid_for, session.now()));
    Ok(session.out.text(&token)?)
}

/// Asks the control plane for a token, at the first of `paths` that it knows, and prints it.
async fn issue(paths: &[&[&str]], request: &Value, session: &mut Session<'_>) -> anyhow::Result<()> {
    let client = session.client()?;
    let mut answer = client.post(paths[0], request).await;
    for path in &paths[1..] {
        if !answer.as_ref().is_err_and(|error| matches!(error.status(), Some(404 | 405))) {
            break;
        }
        // The refusal at the current path says more than one at an old path that is gone.
        if let Ok(token) = client.post(path, request).await {
            answer = Ok(token);
        }
    }
    let token = answer.context("failed to generate a token")?;
    Ok(session.out.text(&token)?)
}
