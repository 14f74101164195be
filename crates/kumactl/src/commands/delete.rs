//! `delete`

use anyhow::{Context as _, bail};
use clap::Args;

use super::collection;
use crate::cli::{kind_help, kind_of, kind_words};
use crate::session::Session;

/// Delete a resource
#[derive(Args, Debug)]
#[command(after_help = kind_help())]
pub(crate) struct DeleteArgs {
    /// Type of the resource
    #[arg(value_name = "TYPE", value_parser = kind_words(), hide_possible_values = true)]
    kind: String,
    /// Name of the resource
    name: String,
}

pub(crate) async fn run(args: DeleteArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let kind = kind_of(&args.kind)?;
    let mesh = session.mesh()?;
    let mut path = collection(kind, &mesh);
    path.push(&args.name);
    match session.client()?.delete(&path).await {
        Err(error) if error.status() == Some(404) => bail!("there is no {} with name {:?}", kind.name, args.name),
        answer => answer.with_context(|| format!("failed to delete {} with the name {:?}", kind.name, args.name))?,
    }
    Ok(session.out.line(&format!("deleted {} {:?}", kind.name, args.name))?)
}
