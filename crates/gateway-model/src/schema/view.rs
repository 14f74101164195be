//! A record's schema as a document of it sees it.

use super::entity_check::EntityCheck;
use super::field::{Field, Kind, Record};

/// A record's schema, perhaps one that was specialised: a plugin's in place of that of all plugins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    record: &'a Record,
    specialised: bool,
    /// Whether a `ttl` is accepted.
    ttl: bool,
}

impl<'a> View<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        Self { record, specialised: false, ttl: false }
    }

    /// `special`, if there is one, is made of `base` by [`Record::specialised`].
    pub(crate) fn specialised(base: &'a Record, special: Option<&'a Record>, ttl: bool) -> Self {
        Self { record: special.unwrap_or(base), specialised: special.is_some(), ttl }
    }

    pub(crate) fn is_specialised(self) -> bool {
        self.specialised
    }

    pub(crate) fn record(self) -> &'a Record {
        self.record
    }

    /// The fields in the order of documents.
    pub(crate) fn fields(self) -> impl Iterator<Item = &'a Field> {
        self.record.fields.iter()
    }

    pub(crate) fn len(self) -> usize {
        self.record.fields.len()
    }

    pub(crate) fn field(self, name: &str) -> Option<&'a Field> {
        self.record.field(name)
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
        &self.record.shorthands
    }

    /// The general checks, then the special ones.
    pub(crate) fn checks(self) -> impl Iterator<Item = &'a EntityCheck> {
        self.record.checks.iter()
    }

    /// Names that are no fields and yet no errors.
    pub(crate) fn tolerates(self, name: &str) -> bool {
        name == "updated_at" || (name == "ttl" && self.ttl)
    }
}
