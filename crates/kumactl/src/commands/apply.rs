//! `apply`

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{collection, export};
use crate::cli::key_value;
use crate::client::{Client, download};
use crate::document;
use crate::manifest::Manifest;
use crate::output::Structured;
use crate::session::{INPUT_LIMIT, Session, read_limited};
use crate::template;

/// Create or update resources
#[derive(Args, Debug)]
#[command(after_help = "All files are read and checked before anything is sent.
Files may hold several YAML or JSON documents, in the universal or the Kubernetes form.

Examples:
  kumactl apply -f mesh.yaml
  kumactl apply -f policies/ -f https://example.com/more.yaml
  kumactl apply -f dataplane.yaml -v name=web-1 -v address=10.0.0.1
  printf 'type: Mesh\\nname: demo\\n' | kumactl apply -f -")]
pub(crate) struct ApplyArgs {
    /// File, directory, URL or - for stdin; may be repeated [default: -]
    #[arg(long, short, value_name = "FILE")]
    file: Vec<String>,
    /// Value of a {{ variable }} in the files; may be repeated
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = key_value)]
    var: Vec<(String, String)>,
    /// Check the resources and print them, but send nothing
    #[arg(long)]
    dry_run: bool,
}

/// A resource and where it was written, for messages.
struct Item {
    origin: String,
    manifest: Manifest,
}

/// A text to read resources from, and what to call it.
struct Source {
    name: String,
    text: String,
}

pub(crate) async fn run(args: ApplyArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let values: BTreeMap<String, String> = args.var.into_iter().collect();
    let names = if args.file.is_empty() { vec!["-".to_owned()] } else { args.file };
    let mut items = Vec::new();
    for name in &names {
        for source in read(name, session).await? {
            read_items(&source, &values, session.global.mesh.as_deref(), &mut items)?;
        }
    }
    if items.is_empty() {
        bail!("no resource found in {}", names.join(", "));
    }
    if args.dry_run { print(&items, session) } else { send(&items, session).await }
}

async fn read(name: &str, session: &mut Session<'_>) -> anyhow::Result<Vec<Source>> {
    if name == "-" {
        return Ok(vec![Source { name: "stdin".into(), text: session.read_stdin()? }]);
    }
    if name.starts_with("http://") || name.starts_with("https://") {
        let text = download(name, session.global.api_timeout, INPUT_LIMIT).await;
        return Ok(vec![Source { name: name.into(), text: text.with_context(|| format!("could not read {name}"))? }]);
    }
    let path = Path::new(name);
    let files = if path.is_dir() { files_of(path)? } else { vec![path.to_owned()] };
    files.iter().map(|file| read_file(file)).collect()
}

/// The YAML and JSON files of a directory, by name; directories below it are left out.
fn files_of(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("could not read {}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let known = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        if known && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("{} holds no .yaml, .yml or .json file", directory.display());
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    let text = fs::File::open(path).map_err(anyhow::Error::from).and_then(|mut file| read_limited(&mut file));
    Ok(Source { text: text.with_context(|| format!("could not read {name}"))?, name })
}

fn read_items(
    source: &Source,
    values: &BTreeMap<String, String>,
    mesh: Option<&str>,
    items: &mut Vec<Item>,
) -> anyhow::Result<()> {
    // Without values the braces are left alone: they are legal in YAML.
    let rendered = match values.is_empty() {
        true => source.text.clone(),
        false => template::render(&source.text, values).with_context(|| source.name.clone())?,
    };
    let documents = document::split(&rendered);
    let several = documents.len() > 1;
    for (index, document) in documents.iter().enumerate() {
        let origin = if several { format!("{} (document {})", source.name, index + 1) } else { source.name.clone() };
        let value = document::parse(document).with_context(|| origin.clone());
        let value = match value {
            Err(error) if values.is_empty() && document.text.contains("{{") => {
                bail!("{error:#}\nIf the file is a template, give its variables with -v KEY=VALUE")
            }
            value => value?,
        };
        let manifest = Manifest::from_value(value, mesh).with_context(|| origin.clone())?;
        items.push(Item { origin, manifest });
    }
    Ok(())
}

fn print(items: &[Item], session: &mut Session<'_>) -> anyhow::Result<()> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            session.out.line("---")?;
        }
        session.out.structured(&item.manifest.object, Structured::Yaml)?;
    }
    Ok(())
}

async fn send(items: &[Item], session: &mut Session<'_>) -> anyhow::Result<()> {
    let client = session.client()?;
    for (index, Item { origin, manifest }) in items.iter().enumerate() {
        let mut path = collection(manifest.kind, &manifest.mesh);
        path.push(&manifest.name);
        // An export founds a mesh before its secrets and completes it after them. One that exists stays whole.
        let is_completed = || items[index + 1..].iter().any(|later| is_same(&later.manifest, manifest));
        if is_founding(manifest) && is_completed() && exists(&client, &path).await? {
            continue;
        }
        let written = client
            .put(&path, &manifest.object)
            .await
            .with_context(|| format!("could not apply {} {:?} of {origin}", manifest.kind.name, manifest.name))?;
        let action = if written.created { "Created" } else { "Updated" };
        let Manifest { kind, mesh, name, .. } = manifest;
        session.out.line(&format!("resource type={:?} mesh={mesh:?} name={name:?} {action}", kind.name))?;
        for warning in written.warnings {
            session.out.complain(&format!("Warning: {warning}"));
        }
    }
    Ok(())
}

/// Whether it says no more than that there is a mesh, as `export` does of a mesh that takes two steps.
fn is_founding(manifest: &Manifest) -> bool {
    let is_known = |(field, value): (&String, &Value)| match field.as_str() {
        "type" | "name" => true,
        field => field == export::SKIP_POLICIES && *value == json!(["*"]),
    };
    manifest.kind.name == "Mesh"
        && manifest.object.as_object().is_some_and(|fields| fields.len() == 3 && fields.iter().all(is_known))
}

fn is_same(one: &Manifest, other: &Manifest) -> bool {
    one.kind.name == other.kind.name && one.mesh == other.mesh && one.name == other.name
}

async fn exists(client: &Client, path: &[&str]) -> anyhow::Result<bool> {
    match client.get(path, &[]).await {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
