//! The resource that describes the proxy: template, values, identity.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use base::Problems;
use serde_json::Value;

use crate::cli::ProxyType;
use crate::failure::Failure;
use crate::template;

/// Larger files are no description of one proxy.
const LARGEST: u64 = 1024 * 1024;

/// A resource with all values filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    /// Its JSON form.
    pub(crate) json: String,
    pub(crate) name: String,
    /// Empty for zone proxies.
    pub(crate) mesh: String,
    /// `networking.admin.port`
    pub(crate) admin_port: Option<u16>,
}

/// Reads a file, or standard input when it is called `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |source| Failure::File { action: "reading the dataplane file", path: path.to_owned(), source };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
    };
    read.map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData | std::io::ErrorKind::PermissionDenied => {
            let mut problems = Problems::default();
            problems.add("", source.to_string());
            Failure::Resource { what: path.display().to_string(), problems }
        }
        _ => failed(source),
    })?;
    Ok(text)
}

/// Fills in `variables` and checks what the launcher itself needs; the rest is the control plane's to check.
/// `what` names the origin of `text` in messages.
pub(crate) fn load(
    what: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
    proxy_type: ProxyType,
) -> Result<Resource, Failure> {
    parse(text, variables, proxy_type).map_err(|problems| Failure::Resource { what: what.to_owned(), problems })
}

fn parse(text: &str, variables: &BTreeMap<String, String>, proxy_type: ProxyType) -> Result<Resource, Problems> {
    let mut problems = Problems::default();
    if text.len() as u64 > LARGEST {
        problems.add("", format!("must not be larger than {LARGEST} bytes"));
        return Err(problems);
    }
    let text = template::render(text, variables)?;
    let value: Value = serde_norway::from_str(&text).map_err(|error| {
        problems.add("", format!("is not valid YAML: {error}"));
        std::mem::take(&mut problems)
    })?;
    if !value.is_object() {
        problems.add("", "must be one YAML document with the keys of a resource: type, mesh, name, networking");
        return Err(problems);
    }
    let expected = proxy_type.resource_type();
    match value.get("type").and_then(Value::as_str) {
        Some(kind) if kind == expected => {}
        Some(kind) => {
            problems.add_with_hint("type", format!("must be {expected}, not {kind}"), "or change --proxy-type")
        }
        None => problems.add("type", format!("must be {expected}")),
    }
    let mut word = |key: &str, required: bool| {
        let word = value.get(key).and_then(Value::as_str).unwrap_or_default();
        if required && word.is_empty() {
            problems.add(key, "cannot be empty");
        }
        word.to_owned()
    };
    let name = word("name", true);
    let mesh = word("mesh", proxy_type == ProxyType::Dataplane);
    let admin_port = value
        .pointer("/networking/admin/port")
        .and_then(Value::as_u64)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0);
    problems.into_result(Resource { json: value.to_string(), name, mesh, admin_port })
}

#[cfg(test)]
mod tests;
