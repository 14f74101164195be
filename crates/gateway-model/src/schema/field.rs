//! Fields and records, and their builders.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::ahead::Ahead;
use super::check::{Check, CustomCheck};
use super::defaults::Defaults;
use super::entity_check::EntityCheck;
use super::names::Names;
use super::pattern::Pattern;
use super::view::View;

/// What a shorthand writes into the record it stands in.
pub type Expand = fn(&Value) -> Map<String, Value>;

/// What reads show for a shorthand, out of the record it stands in.
pub type ShownFrom = fn(&Map<String, Value>) -> Value;

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    /// Anything JSON can say.
    Json,
    Array(Box<Field>),
    /// An array whose duplicates are dropped on write.
    Set(Box<Field>),
    /// Keys and values.
    Map(Box<Field>, Box<Field>),
    Record(Schema),
    /// A record that a plugin's or vault's schema stands in for.
    Abstract,
    /// An object `{"id": …}` that names another entity.
    Foreign {
        reference: &'static str,
        on_delete: OnDelete,
    },
}

/// What happens to a document when the one it refers to is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The deletion is refused.
    Restrict,
    /// It is deleted too.
    Cascade,
    /// Its field becomes null.
    SetNull,
}

/// A field on its way out.
#[derive(Clone, Debug)]
pub struct Deprecation {
    /// What to use in its place, for people.
    pub message: String,
    /// The path, from the record that holds the field, of the one that replaces it; empty if none does.
    pub replaced_with: &'static [&'static str],
    /// The value a field of its own had by default before.
    pub old_default: Option<Value>,
}

/// Names and describes a value of a record, or without a name that of an array, set or map.
#[derive(Clone, Debug)]
pub struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: Option<bool>,
    pub(crate) default: Option<Value>,
    pub(crate) checks: Vec<Check>,
    pub(crate) flags: Flags,
    pub(crate) description: Option<&'static str>,
    /// Replaces every message of the field's checks.
    pub(crate) err: Option<&'static str>,
    pub(crate) deprecation: Option<Deprecation>,
    pub(crate) expand: Option<Expand>,
    /// Where a shorthand's value is read from when documents are shown.
    pub(crate) shown_from: Option<ShownFrom>,
}

/// Marks of a field.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) auto: bool,
    pub(crate) unique: bool,
    pub(crate) unique_across_ws: bool,
    pub(crate) uuid: bool,
    pub(crate) timestamp: bool,
    pub(crate) referenceable: bool,
    pub(crate) encrypted: bool,
    pub(crate) immutable: bool,
    pub(crate) legacy: bool,
}

impl Field {
    fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            required: None,
            default: None,
            checks: Vec::new(),
            flags: Flags::default(),
            description: None,
            err: None,
            deprecation: None,
            expand: None,
            shown_from: None,
        }
    }

    /// A string; empty ones are refused unless [`Self::len_min`] says 0.
    pub fn string(name: &'static str) -> Self {
        Self::new(name, Kind::String)
    }

    /// A whole number (`80.0` is one).
    pub fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// A number.
    pub fn number(name: &'static str) -> Self {
        Self::new(name, Kind::Number)
    }

    /// True or false.
    pub fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// Any JSON value.
    pub fn json(name: &'static str) -> Self {
        Self::new(name, Kind::Json)
    }

    /// A list of `elements`.
    pub fn array(name: &'static str, elements: Self) -> Self {
        Self::new(name, Kind::Array(Box::new(elements)))
    }

    /// A list of different `elements`, in the order of their first appearance.
    pub fn set(name: &'static str, elements: Self) -> Self {
        Self::new(name, Kind::Set(Box::new(elements)))
    }

    /// An object of any `keys` with `values`.
    pub fn map(name: &'static str, keys: Self, values: Self) -> Self {
        Self::new(name, Kind::Map(Box::new(keys), Box::new(values)))
    }

    /// An object of known fields.
    pub fn record(name: &'static str, schema: Schema) -> Self {
        Self::new(name, Kind::Record(schema))
    }

    /// An object whose fields the plugin or vault named in the same document tells.
    pub fn abstract_record(name: &'static str) -> Self {
        Self::new(name, Kind::Abstract)
    }

    /// A reference to an entity of `reference`; deleting that one is refused meanwhile.
    pub fn foreign(name: &'static str, reference: &'static str) -> Self {
        Self::new(name, Kind::Foreign { reference, on_delete: OnDelete::Restrict })
    }

    /// What deleting the entity referred to does.
    pub fn on_delete(mut self, rule: OnDelete) -> Self {
        if let Kind::Foreign { on_delete, .. } = &mut self.kind {
            *on_delete = rule;
        }
        self
    }

    /// The same field under another name.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Null is refused.
    pub fn required(mut self) -> Self {
        self.required = Some(true);
        self
    }

    /// Null is accepted, said explicitly (introspection shows it).
    pub fn optional(mut self) -> Self {
        self.required = Some(false);
        self
    }

    /// What an absent value becomes; null marks the absence itself.
    pub fn default_value(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Adds `check`, or replaces the one of its kind.
    pub fn with(mut self, check: Check) -> Self {
        match self.checks.iter().position(|other| other.rank() >= check.rank()) {
            Some(at) if self.checks[at].rank() == check.rank() => self.checks[at] = check,
            Some(at) => self.checks.insert(at, check),
            None => self.checks.push(check),
        }
        self
    }

    /// The value must be this one; null for "must not be set".
    pub fn eq(self, value: impl Into<Value>) -> Self {
        self.with(Check::Eq(value.into()))
    }

    /// The value must not be this one.
    pub fn ne(self, value: impl Into<Value>) -> Self {
        self.with(Check::Ne(value.into()))
    }

    /// The value is one of these.
    pub fn one_of<V: Into<Value>>(self, options: impl IntoIterator<Item = V>) -> Self {
        self.with(Check::OneOf(options.into_iter().map(Into::into).collect()))
    }

    /// The value is none of these.
    pub fn not_one_of<V: Into<Value>>(self, options: impl IntoIterator<Item = V>) -> Self {
        self.with(Check::NotOneOf(options.into_iter().map(Into::into).collect()))
    }

    /// Greater than `limit`.
    pub fn gt(self, limit: impl Into<serde_json::Number>) -> Self {
        self.with(Check::Gt(limit.into()))
    }

    /// Both limits included.
    pub fn between(self, low: impl Into<Value>, high: impl Into<Value>) -> Self {
        self.with(Check::Between(low.into(), high.into()))
    }

    /// Exactly so many bytes or elements.
    pub fn len_eq(self, len: usize) -> Self {
        self.with(Check::LenEq(len))
    }

    /// At least so many bytes or elements; 0 lets strings be empty.
    pub fn len_min(self, len: usize) -> Self {
        self.with(Check::LenMin(len))
    }

    /// At most so many bytes or elements.
    pub fn len_max(self, len: usize) -> Self {
        self.with(Check::LenMax(len))
    }

    /// Begins with `prefix`.
    pub fn starts_with(self, prefix: &'static str) -> Self {
        self.with(Check::StartsWith(prefix))
    }

    /// Matches a Lua pattern.
    pub fn matches(self, pattern: &'static str) -> Self {
        self.with(Check::Match(Pattern::new(pattern)))
    }

    /// Does not match a Lua pattern.
    pub fn not_matches(self, pattern: &'static str) -> Self {
        self.with(Check::NotMatch(Pattern::new(pattern)))
    }

    /// Matches none of these Lua patterns; each comes with its message.
    pub fn match_none(self, patterns: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        self.with(Check::MatchNone(patterns.into_iter().map(|(p, err)| (Pattern::new(p), err)).collect()))
    }

    /// Matches all of these Lua patterns; each comes with its message.
    pub fn match_all(self, patterns: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        self.with(Check::MatchAll(patterns.into_iter().map(|(p, err)| (Pattern::new(p), err)).collect()))
    }

    /// Matches one of these Lua patterns at least, else `err` (or the usual message).
    pub fn match_any(self, patterns: impl IntoIterator<Item = &'static str>, err: Option<&'static str>) -> Self {
        self.with(Check::MatchAny(patterns.into_iter().map(Pattern::new).collect(), err))
    }

    /// A regular expression that compiles.
    pub fn is_regex(self) -> Self {
        self.with(Check::IsRegex)
    }

    /// The list holds `element`.
    pub fn contains(self, element: impl Into<Value>) -> Self {
        self.with(Check::Contains(element.into()))
    }

    /// All elements come from one of these sets.
    pub fn exclusive_subsets(self, subsets: &'static [&'static [&'static str]]) -> Self {
        self.with(Check::ExclusiveSubsets(subsets))
    }

    /// A check in code, run after all others; its error is the message.
    pub fn custom(self, check: CustomCheck) -> Self {
        self.with(Check::Custom(check))
    }

    /// Filled in when absent: ids, tokens, times.
    pub fn auto(mut self) -> Self {
        self.flags.auto = true;
        self
    }

    /// No two documents of the kind have the same.
    pub fn unique(mut self) -> Self {
        self.flags.unique = true;
        self
    }

    /// Unique, and introspection says it is so across workspaces.
    pub fn unique_everywhere(mut self) -> Self {
        self.flags.unique = true;
        self.flags.unique_across_ws = true;
        self
    }

    /// A UUID.
    pub fn uuid(mut self) -> Self {
        self.flags.uuid = true;
        self.with(Check::Uuid)
    }

    /// A time, in seconds since 1970.
    pub fn timestamp(mut self) -> Self {
        self.flags.timestamp = true;
        self.with(Check::Timestamp)
    }

    /// May hold `{vault://…}`, which is exempt from all checks but the type.
    pub fn referenceable(mut self) -> Self {
        self.flags.referenceable = true;
        self
    }

    /// Marked as worth encrypting; no effect but in introspection and in what is masked in logs.
    pub fn encrypted(mut self) -> Self {
        self.flags.encrypted = true;
        self
    }

    /// Cannot be changed once set.
    pub fn immutable(mut self) -> Self {
        self.flags.immutable = true;
        self
    }

    /// An empty UUID string counts as null.
    pub fn legacy(mut self) -> Self {
        self.flags.legacy = true;
        self
    }

    /// The message in place of any that the field's checks have.
    pub fn err(mut self, message: &'static str) -> Self {
        self.err = Some(message);
        self
    }

    /// What introspection says about it.
    pub fn description(mut self, text: &'static str) -> Self {
        self.description = Some(text);
        self
    }

    /// Deprecated but still a field of its own.
    pub fn deprecated(mut self, message: impl Into<String>, old_default: Option<Value>) -> Self {
        self.deprecation = Some(Deprecation { message: message.into(), replaced_with: &[], old_default });
        self
    }

    /// For [`Schema::shorthand`]: writes move to the field at `path` (from the record that has the shorthand),
    /// reads show what is there.
    pub fn moved_to(mut self, path: &'static [&'static str], message: impl Into<String>) -> Self {
        self.deprecation = Some(Deprecation { message: message.into(), replaced_with: path, old_default: None });
        self
    }

    /// For [`Schema::shorthand`]: a write puts what `expand` makes of the value into the record.
    pub fn expands(mut self, expand: Expand) -> Self {
        self.expand = Some(expand);
        self
    }

    /// For [`Schema::shorthand`]: what reads show for it.
    pub fn shown_from(mut self, read: ShownFrom) -> Self {
        self.shown_from = Some(read);
        self
    }

    /// Its name, empty for elements.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it holds.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether null is refused.
    pub fn is_required(&self) -> bool {
        self.required == Some(true)
    }

    /// Whether no two documents have the same.
    pub fn is_unique(&self) -> bool {
        self.flags.unique
    }

    /// Whether `{vault://…}` is accepted.
    pub fn is_referenceable(&self) -> bool {
        self.flags.referenceable
    }
}

/// Builders of the nameless fields inside arrays, sets and maps.
#[derive(Clone, Copy, Debug)]
pub struct Element;

impl Element {
    /// See [`Field::string`].
    pub fn string() -> Field {
        Field::string("")
    }

    /// See [`Field::integer`].
    pub fn integer() -> Field {
        Field::integer("")
    }

    /// See [`Field::number`].
    pub fn number() -> Field {
        Field::number("")
    }

    /// See [`Field::boolean`].
    pub fn boolean() -> Field {
        Field::boolean("")
    }

    /// See [`Field::json`].
    pub fn json() -> Field {
        Field::json("")
    }

    /// See [`Field::array`].
    pub fn array(elements: Field) -> Field {
        Field::array("", elements)
    }

    /// See [`Field::set`].
    pub fn set(elements: Field) -> Field {
        Field::set("", elements)
    }

    /// See [`Field::map`].
    pub fn map(keys: Field, values: Field) -> Field {
        Field::map("", keys, values)
    }

    /// See [`Field::record`].
    pub fn record(schema: Schema) -> Field {
        Field::record("", schema)
    }
}

/// The fields of a record and the checks across them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Schema(pub(crate) Arc<Record>);

/// What a [`Schema`] shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) fields: Vec<Field>,
    pub(crate) index: Names,
    pub(crate) shorthands: Vec<Field>,
    pub(crate) checks: Vec<EntityCheck>,
    /// Whether the fields are other ones than those of the record it was made of; empty if it was made of none.
    replaced: Vec<bool>,
    /// What fields are that nothing is given for; found out when it is first asked for, as what follows.
    defaults: OnceLock<Defaults>,
    /// What is known of documents that are completed by it too.
    ahead: OnceLock<Ahead>,
    /// What is known of documents that are completed by the record it was made of.
    ahead_of_general: OnceLock<Ahead>,
}

impl Schema {
    /// A record of `fields`, which documents keep in this order.
    pub fn record(fields: impl IntoIterator<Item = Field>) -> Self {
        let mut record = Record::default();
        for field in fields {
            record.push(field);
        }
        Self(Arc::new(record))
    }

    /// Adds a field at the end.
    pub fn field(mut self, field: Field) -> Self {
        Arc::make_mut(&mut self.0).push(field);
        self
    }

    /// Adds a name that is accepted on write only for what it stands for: see [`Field::moved_to`] and
    /// [`Field::expands`].
    pub fn shorthand(mut self, field: Field) -> Self {
        Arc::make_mut(&mut self.0).shorthands.push(field);
        self
    }

    /// Adds a check across fields; they run in the order added.
    pub fn check(mut self, check: EntityCheck) -> Self {
        let record = Arc::make_mut(&mut self.0);
        record.forget();
        record.checks.push(check);
        self
    }

    /// Its fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.0.fields
    }

    /// The field at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Field> {
        let (head, rest) = match path.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (path, None),
        };
        let field = self.0.field(head)?;
        match (rest, &field.kind) {
            (None, _) => Some(field),
            (Some(rest), Kind::Record(schema)) => schema.get(rest),
            _ => None,
        }
    }
}

impl Record {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.index.get(name).map(|at| &self.fields[at])
    }

    /// The record with `special` over it, which may replace fields that it has, and adds checks.
    pub(crate) fn specialised(&self, special: &Self) -> Self {
        let replaced = vec![false; self.fields.len()];
        let mut record = Self { replaced, ..self.clone() };
        record.forget();
        for field in &special.fields {
            if let Some(at) = record.index.get(field.name) {
                record.replaced[at] = true;
                record.fields[at] = field.clone();
            }
        }
        record.checks.extend(special.checks.iter().cloned());
        record
    }

    /// Whether the field at this place is another one than in the record this one was made of.
    pub(crate) fn replaces(&self, at: usize) -> bool {
        self.replaced.get(at) == Some(&true)
    }

    /// What its fields are that nothing is given for.
    pub(crate) fn defaults(&self) -> &Defaults {
        self.defaults.get_or_init(|| Defaults::new(&self.fields))
    }

    /// What is known of documents that are completed by `completed` and checked by `view`, which is of this record.
    pub(super) fn ahead(&self, completed: View<'_>, view: View<'_>) -> Cow<'_, Ahead> {
        let make = || Ahead::new(completed, view);
        if std::ptr::eq(completed.record(), self) {
            Cow::Borrowed(self.ahead.get_or_init(make))
        } else if completed.is_specialised() {
            Cow::Owned(make())
        } else {
            Cow::Borrowed(self.ahead_of_general.get_or_init(make))
        }
    }

    /// Forgets what is no longer true after a change.
    fn forget(&mut self) {
        (self.defaults, self.ahead, self.ahead_of_general) = Default::default();
    }

    /// Adds or replaces a field.
    fn push(&mut self, field: Field) {
        self.forget();
        match self.index.get(field.name) {
            Some(at) => self.fields[at] = field,
            None => {
                self.index.push(field.name);
                self.fields.push(field);
            }
        }
    }
}
