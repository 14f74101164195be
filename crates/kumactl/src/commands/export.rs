//! `export`

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use mesh_model::{KINDS, Kind, Scope};
use serde_json::Value;

use crate::client::{Client, Index};
use crate::output::table::printable;
use crate::output::{Structured, resource};
use crate::session::Session;

/// Resources fetched at a time.
const PAGE: &str = "1000";
/// Fields the control plane computes; a resource is applied without them.
const COMPUTED_FIELDS: [&str; 3] = ["creationTime", "modificationTime", "kri"];

/// Print all resources as YAML, ready for apply
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Which resources
    #[arg(long, short, value_enum, default_value_t, value_name = "PROFILE")]
    profile: Profile,
    /// Form of the resources
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
    format: ExportFormat,
    /// Also the control plane's own secrets (signing keys, admin token)
    #[arg(long, short = 'a')]
    include_admin: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Meshes and secrets: what a zone needs to join
    #[default]
    Federation,
    /// Meshes, secrets and policies
    FederationWithPolicies,
    /// Everything
    All,
    /// Everything but data plane proxies and zone proxies
    NoDataplanes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    #[default]
    Universal,
    Kubernetes,
}

impl Profile {
    fn includes(self, kind: &Kind) -> bool {
        let federation = matches!(kind.name, "Mesh" | "Secret" | "GlobalSecret");
        let proxy = matches!(kind.name, "Dataplane" | "ZoneIngress" | "ZoneEgress");
        !kind.read_only
            && match self {
                Self::Federation => federation,
                Self::FederationWithPolicies => federation || kind.policy,
                Self::All => true,
                Self::NoDataplanes => !proxy,
            }
    }
}

pub(crate) async fn run(args: ExportArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    if args.format == ExportFormat::Kubernetes {
        bail!("--format=kubernetes is not supported by this release; universal is");
    }
    let client = session.client()?;
    let index = client.index().await.context("could not learn the version of the control plane")?;
    session.out.line(&printable(&header(&index)))?;
    // Meshes first and the rest in an order that can be applied again.
    let mut kinds: Vec<&Kind> = KINDS.iter().filter(|kind| args.profile.includes(kind)).collect();
    kinds.sort_by_key(|kind| (kind.name != "Mesh", kind.scope == Scope::Mesh));
    for kind in kinds {
        for mut item in fetch_all(&client, kind).await? {
            if is_admin(kind, &item) && !args.include_admin {
                continue;
            }
            if let Value::Object(object) = &mut item {
                object.retain(|field, _| !COMPUTED_FIELDS.contains(&field.as_str()));
            }
            session.out.line("---")?;
            session.out.structured(&item, Structured::Yaml)?;
        }
    }
    Ok(())
}

/// The comment that says where the resources come from.
fn header(index: &Index) -> String {
    let Index { version, hostname, cluster_id, instance_id, .. } = index;
    let product = index.product();
    format!(
        "# Product: {product}, Version: {version}, Hostname: {hostname}, ClusterId: {cluster_id}, InstanceId: {instance_id}"
    )
}

/// Every resource of a kind, in all meshes.
async fn fetch_all(client: &Client, kind: &Kind) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut offset: Option<String> = None;
    loop {
        let mut query = vec![("size", PAGE)];
        query.extend(offset.as_deref().map(|offset| ("offset", offset)));
        let mut answer = client
            .get(&[kind.path], &query)
            .await
            .with_context(|| format!("could not list the resources of type {}", kind.name))?;
        let next = super::get::next_offset(&answer);
        let Value::Array(items) = answer["items"].take() else { break };
        let stuck = items.is_empty() || next == offset;
        all.extend(items);
        match next {
            Some(next) if !stuck => offset = Some(next),
            _ => break,
        }
    }
    Ok(all)
}

/// Whether a secret is one of the control plane's own.
fn is_admin(kind: &Kind, item: &Value) -> bool {
    let name = resource::text(&item["name"]);
    matches!(kind.name, "Secret" | "GlobalSecret")
        && (name == "admin-user-token" || name.contains("token-signing-key") || name.contains("token-revocations"))
}
