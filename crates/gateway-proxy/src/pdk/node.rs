//! What of the node a plugin sees when it is compiled.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use base::Clock;
use engine::message::Version;
use parking_lot::Mutex;
use runtime::tasks::Tasks;

use crate::settings::Settings;

/// The node: lives as long as the process.
pub struct Node {
    /// Host name.
    pub hostname: String,
    /// The node's id.
    pub id: String,
    /// The version shown to others: `3.9.3`.
    pub version: &'static str,
    /// The directory that relative paths are in.
    pub prefix: std::path::PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tasks on the main runtime (not on workers), for queues and timers.
    pub tasks: Tasks,
    /// What it says of itself in `Via`, by the version of the message.
    hops: [Box<str>; 3],
    /// What the operator set, once configurations are compiled.
    settings: OnceLock<Arc<Settings>>,
    shared: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Node {
    /// A node.
    pub fn new(
        hostname: impl Into<String>,
        id: impl Into<String>,
        version: &'static str,
        prefix: impl Into<std::path::PathBuf>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
    ) -> Self {
        Self {
            hostname: hostname.into(),
            id: id.into(),
            version,
            prefix: prefix.into(),
            clock,
            tasks,
            hops: ["1.0", "1.1", "2"].map(|protocol| format!("{protocol} kong/{version}").into()),
            settings: OnceLock::new(),
            shared: Mutex::default(),
        }
    }

    /// What the operator set; none as long as nothing was compiled.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.get().map(|settings| &**settings)
    }

    /// Takes the settings over. Only the first ones count.
    pub fn configure(&self, settings: &Arc<Settings>) {
        self.settings.get_or_init(|| Arc::clone(settings));
    }

    /// What to say in `Via` of a message that came in this version: `1.1 kong/3.9.3`.
    pub(crate) fn hop(&self, version: Version) -> &str {
        &self.hops[match version {
            Version::Http10 => 0,
            Version::Http11 => 1,
            Version::Http2 => 2,
        }]
    }

    /// What to say in `Server`: `kong/3.9.3`.
    pub(crate) fn server(&self) -> &str {
        self.hops[1].split_at("1.1 ".len()).1
    }

    /// The node's only value of this type, made when first asked for. It outlives changes of configuration:
    /// counters, caches and metrics belong here. For [`Definition::compile`](super::Definition::compile), not
    /// for requests.
    pub fn shared<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shared = self.shared.lock();
        let value = shared.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make()));
        Arc::clone(value).downcast().expect("the map's key is the value's type")
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a plugin is compiled with.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The node.
    pub node: Arc<Node>,
    /// The id of this plugin's entity; the same as long as the entity exists.
    pub plugin: Arc<str>,
    /// Its `instance_name`.
    pub instance_name: Option<Arc<str>>,
    /// The id of the service it is put on.
    pub service: Option<Arc<str>>,
    /// The id of the route it is put on.
    pub route: Option<Arc<str>>,
    /// The id of the consumer it is put on.
    pub consumer: Option<Arc<str>>,
}
