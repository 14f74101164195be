//! Checks across the fields of a record.

use serde_json::{Map, Value};

use super::check::Match;

/// A check in code across fields.
pub type EntityCheckFn = fn(&Map<String, Value>) -> Result<(), EntityError>;

/// A check across the fields of a record, named by dotted paths.
#[derive(Clone, Debug)]
pub enum EntityCheck {
    AtLeastOneOf(Vec<&'static str>),
    OnlyOneOf(Vec<&'static str>),
    Distinct(Vec<&'static str>),
    MutuallyRequired(Vec<&'static str>),
    MutuallyExclusive(Vec<&'static str>),
    MutuallyExclusiveSets(Vec<&'static str>, Vec<&'static str>),
    Conditional {
        if_field: &'static str,
        if_match: Match,
        then_field: &'static str,
        then_match: Match,
        /// In place of the usual message; `%s` is the first field's name.
        then_err: Option<&'static str>,
    },
    ConditionalAtLeastOneOf {
        if_field: &'static str,
        if_match: Match,
        then_at_least_one_of: Vec<&'static str>,
        /// In place of the usual message; `%s` is the list of names.
        then_err: Option<&'static str>,
    },
    Custom {
        /// The fields it looks at: it does not run when one of them is wrong already.
        sources: Vec<&'static str>,
        check: EntityCheckFn,
        /// Run even on a partial document without any of the sources.
        with_missing: bool,
        /// Run even when a source is wrong already.
        with_invalid: bool,
    },
}

impl EntityCheck {
    /// One of them is set.
    pub fn at_least_one_of(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self::AtLeastOneOf(names.into_iter().collect())
    }

    /// Exactly one of them is set.
    pub fn only_one_of(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self::OnlyOneOf(names.into_iter().collect())
    }

    /// No two have the same value.
    pub fn distinct(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self::Distinct(names.into_iter().collect())
    }

    /// All or none are set.
    pub fn mutually_required(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self::MutuallyRequired(names.into_iter().collect())
    }

    /// One at most is set.
    pub fn mutually_exclusive(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self::MutuallyExclusive(names.into_iter().collect())
    }

    /// Not something of both sets.
    pub fn mutually_exclusive_sets(
        first: impl IntoIterator<Item = &'static str>,
        second: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        Self::MutuallyExclusiveSets(first.into_iter().collect(), second.into_iter().collect())
    }

    /// When the first field matches, the second must match too.
    pub fn conditional(if_field: &'static str, if_match: Match, then_field: &'static str, then_match: Match) -> Self {
        Self::Conditional { if_field, if_match, then_field, then_match, then_err: None }
    }

    /// When the field matches, one of the others is set.
    pub fn conditional_at_least_one_of(
        if_field: &'static str,
        if_match: Match,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        Self::ConditionalAtLeastOneOf {
            if_field,
            if_match,
            then_at_least_one_of: names.into_iter().collect(),
            then_err: None,
        }
    }

    /// Code over `sources`; it gets the whole record.
    pub fn custom(sources: impl IntoIterator<Item = &'static str>, check: EntityCheckFn) -> Self {
        Self::Custom { sources: sources.into_iter().collect(), check, with_missing: false, with_invalid: false }
    }

    /// The message of a conditional check.
    pub fn then_err(mut self, message: &'static str) -> Self {
        if let Self::Conditional { then_err, .. } | Self::ConditionalAtLeastOneOf { then_err, .. } = &mut self {
            *then_err = Some(message);
        }
        self
    }

    /// A custom check that runs even when none of its sources is in the document.
    pub fn run_with_missing(mut self) -> Self {
        if let Self::Custom { with_missing, .. } = &mut self {
            *with_missing = true;
        }
        self
    }

    /// A custom check that runs even when a source is wrong.
    pub fn run_with_invalid(mut self) -> Self {
        if let Self::Custom { with_invalid, .. } = &mut self {
            *with_invalid = true;
        }
        self
    }
}

/// What a custom entity check found.
#[derive(Clone, Debug, Default)]
pub struct EntityError {
    pub(crate) messages: Vec<String>,
    /// Dotted paths and messages.
    pub(crate) fields: Vec<(String, String)>,
}

impl EntityError {
    /// About the entity as a whole.
    pub fn message(text: impl Into<String>) -> Self {
        Self { messages: vec![text.into()], fields: Vec::new() }
    }

    /// About the field at the dotted `path`.
    pub fn field(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self::default().and_field(path, text)
    }

    /// Also about the field at the dotted `path`.
    pub fn and_field(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.fields.push((path.into(), text.into()));
        self
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.fields.is_empty()
    }
}

impl From<String> for EntityError {
    fn from(text: String) -> Self {
        Self::message(text)
    }
}

impl From<&str> for EntityError {
    fn from(text: &str) -> Self {
        Self::message(text)
    }
}
