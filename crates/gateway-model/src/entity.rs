//! Kinds of documents: what a schema needs besides to be stored, found and referred to.

mod facts;
mod operations;
mod output;

pub use facts::Facts;
pub use operations::ForeignField;
pub use output::{field as field_json, schema as schema_json};

use std::collections::HashMap;

use crate::error::Fields;
use crate::schema::field::Record;
use crate::schema::{EntityCheck, Field, Schema};

/// A kind of documents.
#[derive(Clone, Debug)]
pub struct EntitySchema {
    pub(crate) name: &'static str,
    admin_name: Option<&'static str>,
    nested_name: Option<&'static str>,
    primary_key: &'static [&'static str],
    endpoint_key: Option<&'static str>,
    cache_key: &'static [&'static str],
    unique: Vec<&'static [&'static str]>,
    ttl: bool,
    admin_api: bool,
    pub(crate) schema: Schema,
    transformations: Vec<Transformation>,
    pub(crate) variants: Option<Variants>,
    /// Fields that forms may have besides; the API takes them out before anything is written.
    form_fields: Vec<Field>,
}

/// A change of a checked document on its way to the store: hashes, digests.
#[derive(Clone, Debug)]
pub struct Transformation {
    /// It happens when the writer gave all of these.
    pub input: &'static [&'static str],
    /// The document must have these, and a change of one of them needs the input given anew.
    pub needs: &'static [&'static str],
    /// Makes, from the document, the values that replace what is there.
    pub on_write: fn(&Fields) -> Fields,
}

/// Schemas over the general one, chosen by a field of the document.
#[derive(Clone, Debug)]
pub(crate) struct Variants {
    /// The field: a string, or a list whose first known element counts.
    pub(crate) key: &'static str,
    pub(crate) schemas: HashMap<&'static str, Variant, foldhash::fast::FixedState>,
    /// The message for others; `%s` is what was given.
    pub(crate) unknown: &'static str,
}

/// A schema over the general one.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    special: Schema,
    /// Both in one.
    whole: Record,
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
            transformations: Vec::new(),
            variants: None,
            form_fields: Vec::new(),
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
    pub fn transformation(mut self, transformation: Transformation) -> Self {
        self.transformations.push(transformation);
        self
    }

    /// A field that writes may carry though documents do not have it: the API deals with it.
    pub fn form_field(mut self, field: Field) -> Self {
        self.form_fields.push(field);
        self
    }

    /// Special schemas by the value of `key`.
    pub(crate) fn variants(
        mut self,
        key: &'static str,
        unknown: &'static str,
        schemas: impl IntoIterator<Item = (&'static str, Schema)>,
    ) -> Self {
        let general = &self.schema.0;
        let variant = |special: Schema| Variant { whole: general.specialised(&special.0), special };
        let schemas = schemas.into_iter().map(|(name, special)| (name, variant(special))).collect();
        self.variants = Some(Variants { key, schemas, unknown });
        self
    }

    /// One more check across fields, behind those that all documents of the kind have.
    pub(crate) fn check(mut self, check: EntityCheck) -> Self {
        self.schema = self.schema.check(check);
        for variant in self.variants.iter_mut().flat_map(|variants| variants.schemas.values_mut()) {
            variant.whole = self.schema.0.specialised(&variant.special.0);
        }
        self
    }
}
