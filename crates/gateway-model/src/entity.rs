//! Kinds of documents: what a schema needs besides to be stored, found and referred to.

use crate::schema::Schema;

/// A kind of documents.
#[derive(Clone, Debug)]
pub struct EntitySchema {
    pub(crate) name: &'static str,
    pub(crate) admin_name: Option<&'static str>,
    pub(crate) nested_name: Option<&'static str>,
    pub(crate) primary_key: &'static [&'static str],
    pub(crate) endpoint_key: Option<&'static str>,
    pub(crate) cache_key: &'static [&'static str],
    pub(crate) unique: Vec<&'static [&'static str]>,
    pub(crate) ttl: bool,
    pub(crate) admin_api: bool,
    pub(crate) schema: Schema,
    pub(crate) transform: Option<Transform>,
}

/// Turns a checked document into what is stored: hashes, digests. `sent` is what the writer gave; only what it
/// holds is new.
pub type Transform = fn(document: &mut serde_json::Map<String, serde_json::Value>, sent: &Sent<'_>);

/// Which fields a writer gave.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// All of the document is new.
    All,
    /// Only these fields are.
    Only(&'a [String]),
}

impl Sent<'_> {
    /// Whether the writer gave `field`.
    pub fn has(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == field),
        }
    }
}

impl EntitySchema {
    /// A kind called `name` (plural, snake case), with the primary key `id`.
    pub fn new(name: &'static str, schema: Schema) -> Self {
        Self {
            name,
            admin_name: None,
            nested_name: None,
            primary_key: &["id"],
            endpoint_key: None,
            cache_key: &[],
            unique: Vec::new(),
            ttl: false,
            admin_api: true,
            schema,
            transform: None,
        }
    }

    /// The path segment of its collection, when it is not the name.
    pub fn admin_name(mut self, name: &'static str) -> Self {
        self.admin_name = Some(name);
        self
    }

    /// The path segment of its collection below a parent, when it is not the one at the top.
    pub fn nested_name(mut self, name: &'static str) -> Self {
        self.nested_name = Some(name);
        self
    }

    /// The unique field that names a document in paths.
    pub fn endpoint_key(mut self, field: &'static str) -> Self {
        self.endpoint_key = Some(field);
        self
    }

    /// The fields that find a document on the request path.
    pub fn cache_key(mut self, fields: &'static [&'static str]) -> Self {
        self.cache_key = fields;
        self
    }

    /// The fields that identify a document.
    pub fn primary_key(mut self, fields: &'static [&'static str]) -> Self {
        self.primary_key = fields;
        self
    }

    /// No two documents have the same values in all of `fields`.
    pub fn unique_together(mut self, fields: &'static [&'static str]) -> Self {
        self.unique.push(fields);
        self
    }

    /// Documents may carry a `ttl` in seconds.
    pub fn ttl(mut self) -> Self {
        self.ttl = true;
        self
    }

    /// Not reachable over the Admin API.
    pub fn internal(mut self) -> Self {
        self.admin_api = false;
        self
    }

    /// What is done to a document before it is stored.
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transform = Some(transform);
        self
    }
}
