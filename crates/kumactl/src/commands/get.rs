//! `get`

use anyhow::{Context as _, bail};
use clap::Args;
use mesh_model::{Kind, Scope};
use reqwest::Url;
use serde_json::Value;

use super::collection;
use crate::cli::{kind_help, kind_of, kind_words};
use crate::output::{OutputArgs, resource};
use crate::session::Session;

/// Show resources
#[derive(Args, Debug)]
#[command(after_help = kind_help(), after_long_help = kind_help())]
pub(crate) struct GetArgs {
    /// Type of resource: plural for a list, singular with a NAME for one
    #[arg(value_name = "TYPE", value_parser = kind_words(), hide_possible_values = true)]
    kind: String,
    /// Name of the resource
    name: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Largest number of resources to list
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    size: Option<u32>,
    /// Where to go on listing, as the end of the list before said
    #[arg(long)]
    offset: Option<String>,
}

pub(crate) async fn run(args: GetArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let kind = kind_of(&args.kind)?;
    match &args.name {
        Some(name) if args.kind == kind.plural && kind.plural != kind.singular => {
            bail!("{:?} lists and takes no name; one resource: kumactl get {} {name}", kind.plural, kind.singular)
        }
        Some(name) => show_one(kind, name, &args, session).await,
        None if args.kind == kind.plural => list(kind, &args, session).await,
        None => bail!("{:?} needs a name; all of them: kumactl get {}", kind.singular, kind.plural),
    }
}

async fn list(kind: &Kind, args: &GetArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let mesh = session.mesh()?;
    let size = args.size.map(|size| size.to_string());
    let mut query = Vec::new();
    query.extend(size.as_deref().map(|size| ("size", size)));
    query.extend(args.offset.as_deref().map(|offset| ("offset", offset)));
    let answer = session.client()?.get(&collection(kind, &mesh), &query).await;
    let answer = answer.with_context(|| format!("could not list the resources of type {}", kind.name))?;
    if let Some(form) = args.output.output.structured() {
        return session.out.structured(&answer, form);
    }
    let table = resource::table(kind, resource::items(&answer["items"]), session.now());
    session.out.text(&table.render())?;
    if let Some(offset) = next_offset(&answer) {
        session.out.line("")?;
        session.out.line(&format!("Rerun command with --offset={offset} argument to retrieve more resources"))?;
    }
    Ok(())
}

/// The offset in the address of the next page.
pub(super) fn next_offset(answer: &Value) -> Option<String> {
    let next = Url::parse(answer["next"].as_str()?).ok()?;
    next.query_pairs().find(|(key, _)| key == "offset").map(|(_, offset)| offset.into_owned())
}

async fn show_one(kind: &Kind, name: &str, args: &GetArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    if args.size.is_some() || args.offset.is_some() {
        bail!("--size and --offset are for lists: kumactl get {}", kind.plural);
    }
    let mesh = session.mesh()?;
    let mut path = collection(kind, &mesh);
    path.push(name);
    let item = match session.client()?.get(&path, &[]).await {
        Err(error) if error.status() == Some(404) => match kind.scope {
            Scope::Mesh => bail!("No resources found in {mesh} mesh"),
            Scope::Global => bail!("No resources found"),
        },
        answer => answer.with_context(|| format!("could not get {} {name:?}", kind.name))?,
    };
    if let Some(form) = args.output.output.structured() {
        return session.out.structured(&item, form);
    }
    let table = resource::table(kind, std::slice::from_ref(&item), session.now());
    Ok(session.out.text(&table.render())?)
}
