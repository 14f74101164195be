//! Checks across the fields of a record.

use serde_json::{Map, Value};

use super::ahead::Foreseen;
use super::check::Match;
use super::filled::{Document, Filled};
use super::validate::{self, Completeness, ENTITY};
use super::value::{get_path, is_nonempty, is_reference, quoted, same, set_error};
use super::view::View;

/// A check in code across fields.
pub type EntityCheckFn = fn(&dyn Document) -> Result<(), EntityError>;

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

/// Runs a check over a record whose fields have been checked, and adds what it finds to `errors`.
pub(crate) fn run(
    check: &EntityCheck,
    view: View<'_>,
    document: &dyn Document,
    completeness: Completeness,
    errors: &mut Map<String, Value>,
) {
    if let Verdict::Run = precondition(check, view, document, completeness, errors) {
        settle(check, None, view, document, completeness, errors);
    }
}

/// As [`run`], for a document of which some things are known beforehand.
pub(super) fn run_foreseen(
    check: &EntityCheck,
    foreseen: &Foreseen,
    document: &Filled<'_>,
    errors: &mut Map<String, Value>,
) {
    let (view, given) = (document.view(), document.places());
    let plain = document.others().is_empty();
    if plain && foreseen.quiet_without.is_some_and(|places| !places.may_meet(given)) {
        return;
    }
    let runs = foreseen.always_runs && errors.is_empty();
    if !runs && matches!(precondition(check, view, document, Completeness::Full, errors), Verdict::Skip) {
        return;
    }
    let applies = foreseen.applies.filter(|(at, _)| !given.may_have(*at)).map(|(_, applies)| applies);
    settle(check, applies, view, document, Completeness::Full, errors);
}

/// Runs a check that nothing keeps from running. `applies` says what came of its condition, if that is known.
fn settle(
    check: &EntityCheck,
    applies: Option<bool>,
    view: View<'_>,
    document: &dyn Document,
    completeness: Completeness,
    errors: &mut Map<String, Value>,
) {
    if applies == Some(false) {
        return;
    }
    let applies = |field: &str, wanted: &Match| applies.unwrap_or_else(|| matches(view, document, field, wanted));
    let updating = if completeness == Completeness::Update { "when updating, " } else { "" };
    let set = |name: &&&str| is_nonempty(get_path(document, name));
    let all = |names: &[&'static str]| quoted(names.iter().copied());
    let text = match check {
        EntityCheck::AtLeastOneOf(names) => (!names.iter().any(|name| set(&name)))
            .then(|| format!("{updating}at least one of these fields must be non-empty: {}", all(names))),
        EntityCheck::OnlyOneOf(names) => (names.iter().filter(set).count() != 1)
            .then(|| format!("exactly one of these fields must be non-empty: {}", all(names))),
        EntityCheck::Distinct(names) => {
            let values: Vec<&Value> = names.iter().filter(set).filter_map(|name| get_path(document, name)).collect();
            let twice =
                values.iter().enumerate().any(|(at, value)| values[..at].iter().any(|other| same(other, value)));
            twice.then(|| format!("values of these fields must be distinct: {}", all(names)))
        }
        EntityCheck::MutuallyRequired(names) => {
            let count = names.iter().filter(set).count();
            (count != 0 && count != names.len())
                .then(|| format!("all or none of these fields must be set: {}", all(names)))
        }
        EntityCheck::MutuallyExclusive(names) => (names.iter().filter(set).count() > 1)
            .then(|| format!("only one or none of these fields must be set: {}", all(names))),
        EntityCheck::MutuallyExclusiveSets(first, second) => {
            let first: Vec<&str> = first.iter().filter(set).copied().collect();
            let second: Vec<&str> = second.iter().filter(set).copied().collect();
            (!first.is_empty() && !second.is_empty())
                .then(|| format!("these sets are mutually exclusive: ({}), ({})", quoted(first), quoted(second)))
        }
        EntityCheck::Conditional { if_field, if_match, then_field, then_match, then_err } => {
            (applies(if_field, if_match) && fails(view, document, (then_field, then_match), errors)).then(|| {
                match then_err {
                    Some(err) => err.replace("%s", if_field),
                    None => format!("failed conditional validation given value of field '{if_field}'"),
                }
            })
        }
        EntityCheck::ConditionalAtLeastOneOf { if_field, if_match, then_at_least_one_of, then_err } => {
            (applies(if_field, if_match) && !then_at_least_one_of.iter().any(|name| set(&name))).then(|| match then_err
            {
                Some(err) => err.replace("%s", &all(then_at_least_one_of)),
                None => {
                    format!("{updating}at least one of these fields must be non-empty: {}", all(then_at_least_one_of))
                }
            })
        }
        EntityCheck::Custom { check, .. } => {
            if let Err(found) = check(document) {
                found.messages.into_iter().for_each(|text| push(errors, text));
                for (path, text) in found.fields {
                    set_error(errors, &path, Value::String(text));
                }
            }
            None
        }
    };
    if let Some(text) = text {
        push(errors, text);
    }
}

/// Adds a message about the entity as a whole.
fn push(errors: &mut Map<String, Value>, text: String) {
    let messages = errors.entry(ENTITY).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(messages) = messages {
        messages.push(Value::String(text));
    }
}

/// Whether the field passes the checks of `wanted`.
pub(super) fn matches(view: View<'_>, document: &dyn Document, path: &str, wanted: &Match) -> bool {
    let value = get_path(document, path).unwrap_or(&Value::Null);
    view.at(path).is_some_and(|field| validate::holds(field, wanted, value))
}

/// Whether the second field of a conditional check fails; what is wrong with it is added to the errors.
fn fails(
    view: View<'_>,
    document: &dyn Document,
    (then_field, then_match): (&str, &Match),
    errors: &mut Map<String, Value>,
) -> bool {
    let value = get_path(document, then_field).unwrap_or(&Value::Null);
    let Some(field) = view.at(then_field) else { return false };
    match validate::field(field, Some(then_match), value) {
        Ok(()) => false,
        Err(err) => {
            set_error(errors, then_field, err);
            true
        }
    }
}

enum Verdict {
    Run,
    Skip,
}

/// Whether the state of the fields a check looks at lets it run.
fn precondition(
    check: &EntityCheck,
    view: View<'_>,
    document: &dyn Document,
    completeness: Completeness,
    errors: &mut Map<String, Value>,
) -> Verdict {
    let rules = check.rules();
    let mut any = false;
    let mut wrong = false;
    let mut missing = Vec::new();
    check.each_source(&mut |name, required| {
        match get_path(document, name) {
            None if required && !rules.with_missing && view.at(name).is_some() => missing.push(name),
            None => {}
            Some(value) => {
                any = true;
                let reference = value.as_str().is_some_and(is_reference);
                wrong |= reference && view.at(name).is_some_and(|field| field.flags.referenceable);
            }
        }
        wrong |= !rules.with_invalid && errors.contains_key(name);
    });
    let absent = !any && (!rules.with_missing || completeness == Completeness::Update);
    if wrong || absent {
        return Verdict::Skip;
    }
    if missing.is_empty() {
        return Verdict::Run;
    }
    let suffix = if completeness == Completeness::Update { " when updating" } else { "" };
    for name in missing {
        set_error(errors, name, Value::String(format!("field required for entity check{suffix}")));
    }
    Verdict::Skip
}

/// When a check runs.
pub(super) struct Rules {
    pub(super) with_missing: bool,
    with_invalid: bool,
}

impl EntityCheck {
    /// The field that decides whether it applies, and what it has to be.
    pub(super) fn condition(&self) -> Option<(&'static str, &Match)> {
        match self {
            Self::Conditional { if_field, if_match, .. } | Self::ConditionalAtLeastOneOf { if_field, if_match, .. } => {
                Some((if_field, if_match))
            }
            _ => None,
        }
    }

    pub(super) fn rules(&self) -> Rules {
        let (with_missing, with_invalid) = match self {
            Self::AtLeastOneOf(_) | Self::ConditionalAtLeastOneOf { .. } => (true, true),
            Self::OnlyOneOf(_) | Self::Distinct(_) | Self::Conditional { .. } => (false, true),
            Self::MutuallyRequired(_) | Self::MutuallyExclusive(_) | Self::MutuallyExclusiveSets(..) => (true, false),
            Self::Custom { with_missing, with_invalid, .. } => (*with_missing, *with_invalid),
        };
        Rules { with_missing, with_invalid }
    }

    /// Calls `each` with the fields the check looks at, and whether it needs them.
    pub(super) fn each_source(&self, each: &mut dyn FnMut(&'static str, bool)) {
        match self {
            Self::AtLeastOneOf(names)
            | Self::OnlyOneOf(names)
            | Self::Distinct(names)
            | Self::MutuallyRequired(names)
            | Self::MutuallyExclusive(names) => names.iter().for_each(|name| each(name, true)),
            Self::MutuallyExclusiveSets(first, second) => first.iter().chain(second).for_each(|name| each(name, true)),
            Self::Conditional { if_field, then_field, .. } => {
                each(if_field, true);
                each(then_field, false);
            }
            Self::ConditionalAtLeastOneOf { if_field, then_at_least_one_of, .. } => {
                each(if_field, true);
                then_at_least_one_of.iter().for_each(|name| each(name, false));
            }
            Self::Custom { sources, .. } => sources.iter().for_each(|name| each(name, true)),
        }
    }
}
