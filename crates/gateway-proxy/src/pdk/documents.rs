//! Documents of the node's database, for plugins on workers that make some themselves: tokens, codes.
//!
//! What is written this way is an entity as any other: checked by its schema, in force on this node when the call
//! returns, and on all others that share the database soon after.

use std::sync::OnceLock;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::Node;

/// How many calls may wait; further ones are refused.
const MAX_WAITING: usize = 1024;

/// The database cannot be reached, refuses, or too many wait for it already. A write may have been done all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database is not available: {0}")]
pub struct DocumentsUnavailable(pub String);

type Answered<T> = Result<T, DocumentsUnavailable>;

/// A call of a plugin, with where its answer goes.
#[derive(Debug)]
pub enum Call {
    /// The document of `collection` whose unique `field` has this value, if there is one.
    Find {
        /// The collection.
        collection: &'static str,
        /// One of its unique fields.
        field: &'static str,
        /// Its value.
        value: String,
        /// Where the answer goes.
        answer: oneshot::Sender<Answered<Option<Map<String, Value>>>>,
    },
    /// A new document, perhaps with a `ttl` in seconds.
    Insert {
        /// The collection.
        collection: &'static str,
        /// What it is to hold, besides defaults.
        document: Map<String, Value>,
        /// Where the answer goes.
        answer: oneshot::Sender<Answered<()>>,
    },
    /// Away with the document of this id.
    Delete {
        /// The collection.
        collection: &'static str,
        /// The id.
        id: String,
        /// Where the answer goes: whether it was there.
        answer: oneshot::Sender<Answered<bool>>,
    },
}

/// The documents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Documents {
    calls: mpsc::Sender<Call>,
}

impl Documents {
    /// The documents, and where calls arrive.
    pub fn new() -> (Self, mpsc::Receiver<Call>) {
        let (calls, receiver) = mpsc::channel(MAX_WAITING);
        (Self { calls }, receiver)
    }

    /// The documents of this node; none when it has no database. For
    /// [`Definition::compile`](super::Definition::compile), not for requests.
    pub fn of(node: &Node) -> Option<Self> {
        node.shared(Slot::default).0.get().cloned()
    }

    /// Makes these the documents of `node`, before any plugin is compiled. Only the first ones count.
    pub fn offer(self, node: &Node) {
        node.shared(Slot::default).0.get_or_init(|| self);
    }

    /// The document whose unique `field` has this value; sees what this node wrote, and of what others wrote what has
    /// arrived.
    ///
    /// # Errors
    /// Too many wait.
    pub async fn find(
        &self,
        collection: &'static str,
        field: &'static str,
        value: String,
    ) -> Answered<Option<Map<String, Value>>> {
        self.call(|answer| Call::Find { collection, field, value, answer }).await
    }

    /// Writes a new document; returns once it is in force on this node.
    ///
    /// # Errors
    /// The database is away, or refuses the document.
    pub async fn insert(&self, collection: &'static str, document: Map<String, Value>) -> Answered<()> {
        self.call(|answer| Call::Insert { collection, document, answer }).await
    }

    /// Deletes a document; whether it was there. Of several who try at once, on any nodes, one succeeds.
    ///
    /// # Errors
    /// The database is away.
    pub async fn delete(&self, collection: &'static str, id: String) -> Answered<bool> {
        self.call(|answer| Call::Delete { collection, id, answer }).await
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<Answered<T>>) -> Call) -> Answered<T> {
        let (answer, answered) = oneshot::channel();
        let busy = |_| DocumentsUnavailable("too many wait for it".to_owned());
        self.calls.try_send(call(answer)).map_err(busy)?;
        answered.await.map_err(|_| DocumentsUnavailable("the node stops".to_owned()))?
    }
}

/// The documents of a node, if it has any.
#[derive(Debug, Default)]
struct Slot(OnceLock<Documents>);
