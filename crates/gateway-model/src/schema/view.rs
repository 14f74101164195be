//! A record's schema, with another one over it that replaces some of its fields.

use super::entity_check::EntityCheck;
use super::field::{Field, Kind, Record};

/// A record's schema, perhaps specialised: a plugin's over that of all plugins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    base: &'a Record,
    over: Option<&'a Record>,
    /// Whether a `ttl` is accepted.
    ttl: bool,
}

impl<'a> View<'a> {
    pub(crate) fn of(base: &'a Record) -> Self {
        Self { base, over: None, ttl: false }
    }

    pub(crate) fn specialised(base: &'a Record, over: Option<&'a Record>, ttl: bool) -> Self {
        Self { base, over, ttl }
    }

    pub(crate) fn is_specialised(self) -> bool {
        self.over.is_some()
    }

    /// The fields in the order of documents.
    pub(crate) fn fields(self) -> impl Iterator<Item = &'a Field> {
        self.base.fields.iter().map(move |field| match self.over.and_then(|over| over.field(field.name)) {
            Some(special) => special,
            None => field,
        })
    }

    pub(crate) fn len(self) -> usize {
        self.base.fields.len()
    }

    pub(crate) fn field(self, name: &str) -> Option<&'a Field> {
        let base = self.base.field(name)?;
        Some(self.over.and_then(|over| over.field(name)).unwrap_or(base))
    }

    /// The field at a dotted path.
    pub(crate) fn at(self, path: &str) -> Option<&'a Field> {
        match path.split_once('.') {
            None => self.field(path),
            Some((head, rest)) => match &self.field(head)?.kind {
                Kind::Record(schema) => schema.get(rest),
                _ => None,
            },
        }
    }

    pub(crate) fn shorthands(self) -> &'a [Field] {
        &self.base.shorthands
    }

    /// The general checks, then the special ones.
    pub(crate) fn checks(self) -> impl Iterator<Item = &'a EntityCheck> {
        self.base.checks.iter().chain(self.over.into_iter().flat_map(|over| &over.checks))
    }

    /// Names that are no fields and yet no errors.
    pub(crate) fn tolerates(self, name: &str) -> bool {
        name == "updated_at" || (name == "ttl" && self.ttl)
    }
}
