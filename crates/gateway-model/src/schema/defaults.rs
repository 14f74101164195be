//! What the fields of a record are that nothing is given for.

use serde_json::Value;

use super::field::{Field, Kind, Schema};
use super::process::{self, Source};
use super::validate::{self, Error};

/// What the fields of a record are that nothing is given for, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(super) all: Box<[Unset]>,
    /// The places of what is made for each document.
    pub(super) generated: Box<[usize]>,
    /// All defaults as entries of an object, a comma behind each.
    text: Box<str>,
    /// Where the entries begin in the text, and where the last ends.
    starts: Box<[usize]>,
}

/// What a field is that nothing is given for.
#[derive(Clone, Debug)]
pub(super) struct Unset {
    /// Its name as it begins an entry of an object.
    pub(super) key: Box<str>,
    pub(super) fallback: Fallback,
}

#[derive(Clone, Debug)]
pub(super) enum Fallback {
    /// It is not the same in every document.
    Generated,
    /// It is not there.
    Absent,
    Value {
        value: Value,
        checked: Result<(), Error>,
    },
}

impl Defaults {
    pub(super) fn new(fields: &[Field]) -> Self {
        let all: Box<[Unset]> = fields.iter().map(Unset::new).collect();
        let (mut text, mut starts) = (String::new(), vec![0]);
        for unset in &all {
            if let Fallback::Value { value, .. } = &unset.fallback {
                text.push_str(&unset.key);
                text.push_str(&value.to_string());
                text.push(',');
            }
            starts.push(text.len());
        }
        let generated = (0..all.len()).filter(|at| matches!(all[*at].fallback, Fallback::Generated)).collect();
        Self { all, generated, text: text.into(), starts: starts.into() }
    }

    /// The value of a field, if it is the same in every document.
    pub(super) fn value(&self, at: usize) -> Option<&Value> {
        match &self.all[at].fallback {
            Fallback::Value { value, .. } => Some(value),
            Fallback::Absent | Fallback::Generated => None,
        }
    }

    /// The entries of the fields from one place up to another, each with a comma behind.
    pub(super) fn text(&self, from: usize, to: usize) -> &str {
        &self.text[self.starts[from]..self.starts[to]]
    }
}

impl Unset {
    fn new(field: &Field) -> Self {
        let fallback = if is_generated(field) {
            Fallback::Generated
        } else {
            match process::missing(field, &mut Nothing) {
                Ok(None) => Fallback::Absent,
                Ok(Some(value)) => Fallback::Value { checked: validate::field(field, None, &value), value },
                Err(_) => Fallback::Generated,
            }
        };
        Self { key: format!("{}:", Value::from(field.name())).into(), fallback }
    }
}

/// For what needs no source.
struct Nothing;

impl Source for Nothing {
    fn now_ms(&mut self) -> u64 {
        0
    }

    fn random(&mut self, _: &mut [u8]) {}
}

/// Whether something within the field is made anew for every document.
fn is_generated(field: &Field) -> bool {
    let within = |schema: &Schema| schema.0.fields.iter().any(|field| field.flags.auto || is_generated(field));
    field.flags.auto || matches!(&field.kind, Kind::Record(schema) if within(schema))
}
