//! `export`

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use mesh_model::mesh::CaSource;
use mesh_model::{KINDS, Kind, Spec};
use serde_json::{Value, json};

use crate::client::{Client, Index};
use crate::output::table::printable;
use crate::output::{Structured, resource};
use crate::session::Session;

/// Resources fetched at a time.
const PAGE: &str = "1000";
/// Field of a mesh that keeps policies away that would come with it.
pub(super) const SKIP_POLICIES: &str = "skipCreatingInitialPolicies";
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
    let mut all = Vec::new();
    for kind in KINDS.iter().filter(|kind| args.profile.includes(kind)) {
        for mut item in fetch_all(&client, kind).await? {
            if is_admin(kind, &item) && !args.include_admin {
                continue;
            }
            if let Value::Object(object) = &mut item {
                object.retain(|field, _| !COMPUTED_FIELDS.contains(&field.as_str()));
            }
            all.push((Turn::of(kind, &item), item));
        }
    }
    let founded: Vec<_> =
        all.iter().filter(|(turn, _)| *turn == Turn::SecuredMesh).map(|(_, mesh)| founding(mesh)).collect();
    all.extend(founded.into_iter().map(|mesh| (Turn::Mesh, mesh)));
    all.sort_by_key(|(turn, _)| *turn);
    for (_, item) in all {
        session.out.line("---")?;
        session.out.structured(&item, Structured::Yaml)?;
    }
    Ok(())
}

/// When a resource can be applied: what it needs comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Mesh,
    Secret,
    /// A mesh whose authority is made of its secrets, which need the mesh themselves.
    SecuredMesh,
    Other,
    /// Keys of the tokens that `apply` itself may show: from there on it needs a new one.
    UserTokenKey,
}

impl Turn {
    fn of(kind: &'static Kind, item: &Value) -> Self {
        match kind.name {
            "Mesh" if needs_secrets(kind, item) => Self::SecuredMesh,
            "Mesh" => Self::Mesh,
            "GlobalSecret" if resource::text(&item["name"]).starts_with("user-token-signing-key") => Self::UserTokenKey,
            "Secret" | "GlobalSecret" => Self::Secret,
            _ => Self::Other,
        }
    }
}

fn needs_secrets(kind: &'static Kind, mesh: &Value) -> bool {
    let mut body = mesh.clone();
    if let Value::Object(fields) = &mut body {
        fields.retain(|field, _| !["type", "name", "labels"].contains(&field.as_str()));
    }
    match mesh_model::parse(kind, &body) {
        Ok(Spec::Mesh(mesh)) => {
            mesh.enabled_ca().is_some_and(|backend| matches!(backend.source, CaSource::Provided { .. }))
        }
        _ => false,
    }
}

/// The first step towards a mesh that takes two. `apply` leaves it out where there is a mesh already.
fn founding(mesh: &Value) -> Value {
    json!({ "type": "Mesh", "name": mesh["name"], SKIP_POLICIES: ["*"] })
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
