//! `inspect`

mod dataplanes;
mod overview;
mod policies;
mod zones;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use mesh_model::Kind;
use serde_json::Value;

use crate::cli::key_value;
use crate::output::resource::{items, text};
use crate::output::{OutputArgs, Table};
use crate::session::Session;

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Data plane proxies: whether they are connected, and what they were sent
    Dataplanes(DataplanesArgs),
    /// One data plane proxy: the policies that apply to it, or what its Envoy says
    Dataplane(DataplaneArgs),
    /// Meshes: their proxies and policies
    Meshes(OutputArgs),
    /// Services of a mesh and how many of their proxies are online
    Services(OutputArgs),
    /// Zones: whether their control planes are connected
    Zones(OutputArgs),
    /// Zone ingresses: whether they are connected
    #[command(alias = "zone-ingresses")]
    Zoneingresses(OutputArgs),
    /// Zone egresses: whether they are connected
    Zoneegresses(OutputArgs),
    /// The proxies that a CircuitBreaker applies to
    CircuitBreaker(PolicyArgs),
    /// The proxies that a FaultInjection applies to
    FaultInjection(PolicyArgs),
    /// The proxies that a HealthCheck applies to
    Healthcheck(PolicyArgs),
    /// The proxies that a RateLimit applies to
    RateLimit(PolicyArgs),
    /// The proxies that a Retry applies to
    Retry(PolicyArgs),
    /// The proxies that a Timeout applies to
    Timeout(PolicyArgs),
    /// The proxies that a TrafficLog applies to
    TrafficLog(PolicyArgs),
    /// The proxies that a TrafficPermission applies to
    TrafficPermission(PolicyArgs),
    /// The proxies that a TrafficRoute applies to
    TrafficRoute(PolicyArgs),
    /// The proxies that a TrafficTrace applies to
    TrafficTrace(PolicyArgs),
}

#[derive(Args, Debug)]
struct DataplanesArgs {
    /// Only proxies with this tag; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    tag: Vec<(String, String)>,
    /// Only gateways
    #[arg(long)]
    gateway: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Args, Debug)]
struct DataplaneArgs {
    /// Name of the data plane proxy
    name: String,
    /// What to show
    #[arg(long = "type", value_enum, default_value_t, value_name = "WHAT")]
    what: DataplaneView,
    /// With config-dump: also endpoints
    #[arg(long)]
    include_eds: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DataplaneView {
    /// The policies that apply
    #[default]
    Policies,
    /// Envoy's configuration
    ConfigDump,
    /// Envoy's statistics
    Stats,
    /// Envoy's clusters
    Clusters,
}

#[derive(Args, Debug)]
struct PolicyArgs {
    /// Name of the policy
    name: String,
}

pub(crate) async fn run(args: InspectArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let (kind, args) = match args.subject {
        Subject::Dataplanes(args) => return inspect_dataplanes(&args, session).await,
        Subject::Dataplane(args) => return inspect_dataplane(&args, session).await,
        Subject::Meshes(args) => return show(session, args, &["mesh-insights"], &[], mesh_table).await,
        Subject::Services(args) => {
            let mesh = session.mesh()?;
            return show(session, args, &["meshes", &mesh, "service-insights"], &[], service_table).await;
        }
        Subject::Zones(args) => return show(session, args, &["zones+insights"], &[], zones::zone_table).await,
        Subject::Zoneingresses(args) => {
            return show(session, args, &["zoneingresses+insights"], &[], zones::zone_ingress_table).await;
        }
        Subject::Zoneegresses(args) => {
            return show(session, args, &["zoneegressoverviews"], &[], zones::zone_egress_table).await;
        }
        Subject::CircuitBreaker(args) => ("CircuitBreaker", args),
        Subject::FaultInjection(args) => ("FaultInjection", args),
        Subject::Healthcheck(args) => ("HealthCheck", args),
        Subject::RateLimit(args) => ("RateLimit", args),
        Subject::Retry(args) => ("Retry", args),
        Subject::Timeout(args) => ("Timeout", args),
        Subject::TrafficLog(args) => ("TrafficLog", args),
        Subject::TrafficPermission(args) => ("TrafficPermission", args),
        Subject::TrafficRoute(args) => ("TrafficRoute", args),
        Subject::TrafficTrace(args) => ("TrafficTrace", args),
    };
    let kind = Kind::by_name(kind).context("no such kind of policy")?;
    inspect_policy(kind, &args, session).await
}

/// Fetches a list and shows it in the form asked for.
async fn show(
    session: &mut Session<'_>,
    args: OutputArgs,
    path: &[&str],
    query: &[(&str, &str)],
    table: fn(&[Value], jiff::Timestamp) -> Table,
) -> anyhow::Result<()> {
    let answer = session.client()?.get(path, query).await?;
    if let Some(form) = args.output.structured() {
        return session.out.structured(&answer, form);
    }
    let text = table(items(&answer["items"]), session.now()).render();
    Ok(session.out.text(&text)?)
}

async fn inspect_dataplanes(args: &DataplanesArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mesh = session.mesh()?;
    let tags: Vec<String> = args.tag.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    let mut query: Vec<(&str, &str)> = tags.iter().map(|tag| ("tag", tag.as_str())).collect();
    if args.gateway {
        query.push(("gateway", "true"));
    }
    show(session, args.output, &["meshes", &mesh, "dataplanes+insights"], &query, dataplanes::table).await
}

async fn inspect_dataplane(args: &DataplaneArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.include_eds || args.what == DataplaneView::ConfigDump,
        "--include-eds goes with --type=config-dump only"
    );
    let mesh = session.mesh()?;
    let client = session.client()?;
    let path = |last| ["meshes", mesh.as_str(), "dataplanes", args.name.as_str(), last];
    match args.what {
        DataplaneView::Policies => {
            let answer = client.get(&path("policies"), &[]).await?;
            session.out.text(&policies::tree(&answer))?;
        }
        DataplaneView::ConfigDump => {
            let query: &[_] = if args.include_eds { &[("include_eds", "true")] } else { &[] };
            let answer = client.get(&path("xds"), query).await?;
            session.out.line(&serde_json::to_string_pretty(&answer)?)?;
        }
        DataplaneView::Stats => session.out.text(&client.get_text(&path("stats"), &[]).await?)?,
        DataplaneView::Clusters => session.out.text(&client.get_text(&path("clusters"), &[]).await?)?,
    }
    Ok(())
}

async fn inspect_policy(kind: &Kind, args: &PolicyArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mesh = session.mesh()?;
    let answer = session.client()?.get(&["meshes", &mesh, kind.path, &args.name, "dataplanes"], &[]).await?;
    Ok(session.out.text(&policies::affected(&answer))?)
}

/// The kinds of policy that have a column of their own.
const COUNTED: [(&str, &str); 10] = [
    ("TrafficPermission", "TRAFFIC PERMISSIONS"),
    ("TrafficRoute", "TRAFFIC ROUTES"),
    ("CircuitBreaker", "CIRCUIT BREAKERS"),
    ("HealthCheck", "HEALTH CHECKS"),
    ("FaultInjection", "FAULT INJECTIONS"),
    ("ExternalService", "EXTERNAL SERVICES"),
    ("TrafficTrace", "TRAFFIC TRACES"),
    ("TrafficLog", "TRAFFIC LOGS"),
    ("ProxyTemplate", "PROXY TEMPLATES"),
    ("RateLimit", "RATE LIMITS"),
];

fn mesh_table(meshes: &[Value], _: jiff::Timestamp) -> Table {
    let titles: Vec<_> = ["MESH", "DATAPLANES"].into_iter().chain(COUNTED.map(|(_, title)| title)).collect();
    let mut table = Table::new(&titles);
    for mesh in meshes {
        let counts = COUNTED.iter().map(|(kind, _)| {
            // External services are counted as resources, not as policies.
            let total = [&mesh["policies"], &mesh["resources"]].into_iter().find_map(|all| all[kind]["total"].as_u64());
            total.unwrap_or(0).to_string()
        });
        table.row([text(&mesh["name"]), online_of(&mesh["dataplanes"])].into_iter().chain(counts).collect());
    }
    table
}

fn service_table(services: &[Value], _: jiff::Timestamp) -> Table {
    let mut table = Table::new(&["SERVICE", "STATUS", "DATAPLANES"]);
    for service in services {
        let status = match service["status"].as_str() {
            Some("online") => "Online",
            Some("partially_degraded") => "Partially degraded",
            // Also what has no proxies of its own and so no status.
            _ => "Offline",
        };
        table.row(vec![text(&service["name"]), status.into(), online_of(&service["dataplanes"])]);
    }
    table
}

/// `online/total`
fn online_of(counts: &Value) -> String {
    let count = |field: &str| counts[field].as_u64().unwrap_or(0);
    format!("{}/{}", count("online"), count("total"))
}
