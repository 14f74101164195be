//! What the commands of one invocation share.

use std::cell::OnceCell;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base::Clock;
use jiff::Timestamp;

use crate::app::Environment;
use crate::cli::GlobalArgs;
use crate::client::Client;
use crate::config_file::{ConfigFile, Context, ControlPlane};
use crate::output::Out;

/// The mesh that is meant when nobody names one.
const DEFAULT_MESH: &str = "default";
/// Largest input taken from one file, from stdin or from one URL, in bytes.
pub(crate) const INPUT_LIMIT: u64 = 16 * 1024 * 1024;

/// One invocation: streams, clock, global flags, and the configuration file, which is read when first needed.
pub(crate) struct Session<'io> {
    pub(crate) out: Out<'io>,
    pub(crate) global: GlobalArgs,
    clock: Arc<dyn Clock>,
    stdin: &'io mut dyn Read,
    home: Option<PathBuf>,
    config: OnceCell<ConfigFile>,
}

impl<'io> Session<'io> {
    pub(crate) fn new(environment: Environment<'io>, global: GlobalArgs) -> Self {
        Self {
            out: Out::new(environment.stdout, environment.stderr),
            global,
            clock: environment.clock,
            stdin: environment.stdin,
            home: environment.home,
            config: OnceCell::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Everything on stdin, as text.
    pub(crate) fn read_stdin(&mut self) -> anyhow::Result<String> {
        read_limited(&mut *self.stdin).context("could not read stdin")
    }

    /// Where the configuration file is, whether or not it exists.
    pub(crate) fn config_path(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.global.config_file {
            return Ok(path.clone());
        }
        let home = self.home.as_ref().context("there is no home directory; name a file with --config-file")?;
        Ok(home.join(".kumactl").join("config"))
    }

    /// The configuration: the file's, or the built-in one when there is no file or `--no-config` is given.
    pub(crate) fn config(&self) -> anyhow::Result<&ConfigFile> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let nowhere = self.global.config_file.is_none() && self.home.is_none();
        let config = if self.global.no_config || nowhere {
            ConfigFile::built_in()
        } else {
            ConfigFile::load(&self.config_path()?)?
        };
        Ok(self.config.get_or_init(|| config))
    }

    /// Replaces the configuration file.
    pub(crate) fn save_config(&self, config: &ConfigFile) -> anyhow::Result<()> {
        if self.global.no_config {
            bail!("--no-config leaves the configuration file alone, so there is nothing to change");
        }
        config.save(&self.config_path()?)
    }

    /// The context in use: `--context`, else the file's current one.
    pub(crate) fn context(&self) -> anyhow::Result<&Context> {
        let config = self.config()?;
        match &self.global.context {
            Some(name) => config.context(name).with_context(|| format!("there is no context with name {name:?}")),
            None => config.active_context(),
        }
    }

    /// The control plane in use.
    pub(crate) fn control_plane(&self) -> anyhow::Result<&ControlPlane> {
        let name = &self.context()?.control_plane;
        let found = self.config()?.control_plane(name);
        found.with_context(|| format!("there is no Control Plane with name {name:?}"))
    }

    /// A client of the control plane in use.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let control_plane = self.control_plane()?;
        Client::new(control_plane, self.global.api_timeout)
            .with_context(|| format!("could not prepare the connection to the Control Plane {:?}", control_plane.name))
    }

    /// The mesh to work in: `--mesh`, else the context's, else `default`.
    pub(crate) fn mesh(&self) -> anyhow::Result<String> {
        if let Some(mesh) = &self.global.mesh {
            return Ok(mesh.clone());
        }
        let configured = self.context()?.defaults.as_ref().map(|defaults| defaults.mesh.as_str());
        Ok(configured.filter(|mesh| !mesh.is_empty()).unwrap_or(DEFAULT_MESH).to_owned())
    }
}

/// Text from a reader, up to [`INPUT_LIMIT`].
pub(crate) fn read_limited(reader: &mut dyn Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    reader.take(INPUT_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT_LIMIT {
        bail!("larger than {} MiB", INPUT_LIMIT / 1024 / 1024);
    }
    String::from_utf8(bytes).context("not UTF-8 text")
}
