//! `~/.kumactl/config`: control planes, and contexts that choose among them.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use base::secret::MASK;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_norway::Value;

use crate::session::read_limited;

/// Keys this program does not know; they are kept when the file is rewritten.
type Rest = IndexMap<String, Value>;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ConfigFile {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) control_planes: Vec<ControlPlane>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) contexts: Vec<Context>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) current_context: String,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

/// A control plane and how to reach it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ControlPlane {
    pub(crate) name: String,
    pub(crate) coordinates: Coordinates,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Coordinates {
    pub(crate) api_server: ApiServer,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

/// The API server's address and what it takes to be let in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ApiServer {
    pub(crate) url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) ca_cert_file: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) client_cert_file: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) client_key_file: String,
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "addHeaders", alias = "headers")]
    pub(crate) headers: Vec<Header>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) skip_verify: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) auth_type: String,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) auth_conf: IndexMap<String, String>,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct Header {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A named choice of control plane and mesh.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) control_plane: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) defaults: Option<Defaults>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<Credentials>,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Defaults {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) mesh: String,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

/// Client certificates of servers apart from the API server; only the oldest control planes have one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Credentials {
    #[serde(skip_serializing_if = "Option::is_none", alias = "dataplaneTokenApi")]
    pub(crate) admin: Option<ClientFiles>,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

/// Paths of PEM files.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClientFiles {
    pub(crate) client_cert: String,
    pub(crate) client_key: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl ConfigFile {
    /// What holds without a file: the control plane on this machine.
    pub(crate) fn built_in() -> Self {
        let mut config = Self::default();
        config.upsert(
            ControlPlane {
                name: "local".into(),
                coordinates: Coordinates {
                    api_server: ApiServer { url: "http://localhost:5681".into(), ..Default::default() },
                    ..Default::default()
                },
                ..Default::default()
            },
            None,
        );
        config
    }

    /// Reads the file; an absent one means [`built_in`](Self::built_in).
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::built_in()),
            Err(error) => {
                return Err(error).with_context(|| format!("could not read the configuration file {}", path.display()));
            }
        };
        let text = read_limited(&mut file)
            .with_context(|| format!("could not read the configuration file {}", path.display()))?;
        Self::from_yaml(&text).with_context(|| format!("the configuration file {} is not valid", path.display()))
    }

    fn from_yaml(text: &str) -> anyhow::Result<Self> {
        // A file of comments only is a null document, which is no mapping.
        match serde_norway::from_str::<Option<Self>>(text) {
            Ok(config) => Ok(config.unwrap_or_default()),
            Err(_) if text.trim().is_empty() => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file in one step, readable by its owner only: it may hold tokens.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        self.write(path).with_context(|| format!("could not write the configuration file {}", path.display()))
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        // A link keeps pointing where it points; the file behind it is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(self.to_yaml()?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&target)?;
        Ok(())
    }

    pub(crate) fn to_yaml(&self) -> anyhow::Result<String> {
        Ok(serde_norway::to_string(self)?)
    }

    /// A copy that is fit to be shown: credentials are masked.
    pub(crate) fn masked(&self) -> Self {
        let mut copy = self.clone();
        for control_plane in &mut copy.control_planes {
            let server = &mut control_plane.coordinates.api_server;
            server.auth_conf.values_mut().for_each(|value| *value = MASK.into());
            let secret = |header: &&mut Header| header.key.eq_ignore_ascii_case("authorization");
            server.headers.iter_mut().filter(secret).for_each(|header| header.value = MASK.into());
        }
        copy
    }

    pub(crate) fn control_plane(&self, name: &str) -> Option<&ControlPlane> {
        self.control_planes.iter().find(|control_plane| control_plane.name == name)
    }

    pub(crate) fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|context| context.name == name)
    }

    /// The current context.
    pub(crate) fn active_context(&self) -> anyhow::Result<&Context> {
        if self.current_context.is_empty() {
            bail!("there is no active Control Plane. Use `kumactl config control-planes add` to add one");
        }
        self.context(&self.current_context).with_context(|| {
            let name = &self.current_context;
            format!("the configuration's currentContext is {name:?}, but there is no context with that name")
        })
    }

    /// Adds or replaces a control plane and the context of the same name, and makes that context the current one.
    pub(crate) fn upsert(&mut self, control_plane: ControlPlane, credentials: Option<Credentials>) {
        let name = control_plane.name.clone();
        match self.control_planes.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = control_plane,
            None => self.control_planes.push(control_plane),
        }
        match self.contexts.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                known.control_plane.clone_from(&name);
                known.credentials = credentials.or(known.credentials.take());
            }
            None => self.contexts.push(Context {
                name: name.clone(),
                control_plane: name.clone(),
                credentials,
                ..Context::default()
            }),
        }
        self.current_context = name;
    }

    /// Removes a control plane and the contexts that use it; another one becomes current when it was.
    /// `false` when there is none of that name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        if self.control_plane(name).is_none() {
            return false;
        }
        self.control_planes.retain(|control_plane| control_plane.name != name);
        self.contexts.retain(|context| context.control_plane != name);
        if self.context(&self.current_context).is_none() {
            self.current_context = self.contexts.first().map(|context| context.name.clone()).unwrap_or_default();
        }
        true
    }

    /// Makes the context of the control plane `name` the current one; `false` when there is none.
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        let own = self.contexts.iter().find(|context| context.name == name && context.control_plane == name);
        let found = own.or_else(|| self.contexts.iter().find(|context| context.control_plane == name));
        match found.map(|context| context.name.clone()) {
            Some(context) => {
                self.current_context = context;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
