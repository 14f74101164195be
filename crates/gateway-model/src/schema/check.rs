//! Checks of one value.

use serde_json::{Number, Value};

use super::pattern::Pattern;
use super::value::{as_list, display, display_number, quoted, same};

/// A check in code; the error is the message.
pub type CustomCheck = fn(&Value) -> Result<(), String>;

/// A check of one value that already has the right type. The order here is the order in which they run.
#[derive(Clone, Debug)]
pub enum Check {
    Eq(Value),
    Ne(Value),
    NotOneOf(Vec<Value>),
    OneOf(Vec<Value>),
    Gt(Number),
    Timestamp,
    Uuid,
    IsRegex,
    Between(Value, Value),
    LenEq(usize),
    LenMin(usize),
    LenMax(usize),
    StartsWith(&'static str),
    NotMatch(Pattern),
    MatchNone(Vec<(Pattern, &'static str)>),
    Match(Pattern),
    MatchAll(Vec<(Pattern, &'static str)>),
    MatchAny(Vec<Pattern>, Option<&'static str>),
    Contains(Value),
    Custom(CustomCheck),
    ExclusiveSubsets(&'static [&'static [&'static str]]),
}

impl Check {
    /// Its place in the order of checks; one a field has each at most.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Eq(_) => 0,
            Self::Ne(_) => 1,
            Self::NotOneOf(_) => 2,
            Self::OneOf(_) => 3,
            Self::Gt(_) => 4,
            Self::Timestamp => 5,
            Self::Uuid => 6,
            Self::IsRegex => 7,
            Self::Between(..) => 8,
            Self::LenEq(_) => 9,
            Self::LenMin(_) => 10,
            Self::LenMax(_) => 11,
            Self::StartsWith(_) => 12,
            Self::NotMatch(_) => 13,
            Self::MatchNone(_) => 14,
            Self::Match(_) => 15,
            Self::MatchAll(_) => 16,
            Self::MatchAny(..) => 17,
            Self::Contains(_) => 18,
            Self::Custom(_) => 19,
            Self::ExclusiveSubsets(_) => 20,
        }
    }
}

/// The checks a conditional entity check puts on a field, over those the field has itself.
#[derive(Clone, Debug, Default)]
pub struct Match {
    pub(crate) checks: Vec<Check>,
    pub(crate) required: bool,
    /// Checks put on every element.
    pub(crate) elements: Option<Box<Self>>,
}

impl Match {
    /// Adds a check.
    pub fn with(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Must be set.
    pub fn required() -> Self {
        Self { required: true, ..Self::default() }
    }

    /// Is this value.
    pub fn eq(value: impl Into<Value>) -> Self {
        Self::default().with(Check::Eq(value.into()))
    }

    /// Is not this value.
    pub fn ne(value: impl Into<Value>) -> Self {
        Self::default().with(Check::Ne(value.into()))
    }

    /// Is greater.
    pub fn gt(limit: impl Into<Number>) -> Self {
        Self::default().with(Check::Gt(limit.into()))
    }

    /// Is one of these.
    pub fn one_of<V: Into<Value>>(options: impl IntoIterator<Item = V>) -> Self {
        Self::default().with(Check::OneOf(options.into_iter().map(Into::into).collect()))
    }

    /// Is none of these.
    pub fn not_one_of<V: Into<Value>>(options: impl IntoIterator<Item = V>) -> Self {
        Self::default().with(Check::NotOneOf(options.into_iter().map(Into::into).collect()))
    }

    /// Has so many bytes or elements.
    pub fn len_eq(len: usize) -> Self {
        Self::default().with(Check::LenEq(len))
    }

    /// Matches a Lua pattern.
    pub fn matches(pattern: &'static str) -> Self {
        Self::default().with(Check::Match(Pattern::new(pattern)))
    }

    /// Matches one of these Lua patterns.
    pub fn match_any(patterns: impl IntoIterator<Item = &'static str>) -> Self {
        Self::default().with(Check::MatchAny(patterns.into_iter().map(Pattern::new).collect(), None))
    }

    /// Holds this element.
    pub fn contains(element: impl Into<Value>) -> Self {
        Self::default().with(Check::Contains(element.into()))
    }

    /// Every element passes `inner`.
    pub fn elements(inner: Self) -> Self {
        Self { elements: Some(Box::new(inner)), ..Self::default() }
    }
}

/// The elements of a field's value must come from one of the subsets.
fn exclusive_subsets(value: &Value, subsets: &[&[&str]]) -> Result<(), String> {
    let items = as_list(value).unwrap_or_default();
    let found: Vec<&&[&str]> =
        subsets.iter().filter(|set| items.iter().filter_map(Value::as_str).any(|item| set.contains(&item))).collect();
    match found.as_slice() {
        [] | [_] => Ok(()),
        many => {
            let sets: Vec<String> = many.iter().map(|set| format!("({})", quoted(set.iter().copied()))).collect();
            Err(format!("these sets are mutually exclusive: {}", sets.join(", ")))
        }
    }
}

/// How long a value is: bytes, elements or entries.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `%d` of a limit.
fn whole(value: &Value) -> String {
    format!("{}", number(value) as i64)
}

fn expect(fits: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if fits { Ok(()) } else { Err(message()) }
}

fn invalid(value: &Value) -> String {
    format!("invalid value: {}", string(value))
}

impl Check {
    /// Whether [`Self::run`] has nothing to say.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Eq(wanted) => same(value, wanted),
            Self::Ne(unwanted) => !same(value, unwanted),
            Self::OneOf(options) => options.iter().any(|option| same(value, option)),
            Self::NotOneOf(options) => !options.iter().any(|option| same(value, option)),
            other => other.run(value).is_ok(),
        }
    }

    /// Runs it over a value of the right type.
    ///
    /// # Errors
    /// The message.
    pub(crate) fn run(&self, value: &Value) -> Result<(), String> {
        match self {
            Self::Eq(wanted) => expect(self.holds(value), || format!("value must be {}", display(wanted))),
            Self::Ne(_) => expect(self.holds(value), || format!("value must not be {}", display(value))),
            Self::OneOf(options) => expect(self.holds(value), || format!("expected one of: {}", list(options))),
            Self::NotOneOf(options) => expect(self.holds(value), || format!("must not be one of: {}", list(options))),
            Self::Gt(limit) => expect(number(value) > limit.as_f64().unwrap_or_default(), || {
                format!("value must be greater than {}", display_number(limit))
            }),
            Self::Timestamp => expect(number(value) > 0.0, || "expected a valid timestamp".to_owned()),
            Self::Uuid => expect(is_uuid(string(value)), || "expected a valid UUID".to_owned()),
            Self::IsRegex => {
                expect(regex::Regex::new(string(value)).is_ok(), || format!("not a valid regex: {}", string(value)))
            }
            Self::Between(low, high) => expect((number(low)..=number(high)).contains(&number(value)), || {
                format!("value should be between {} and {}", whole(low), whole(high))
            }),
            Self::LenEq(len) => expect(length(value) == *len, || format!("length must be {len}")),
            Self::LenMin(len) => expect(length(value) >= *len, || format!("length must be at least {len}")),
            Self::LenMax(len) => expect(length(value) <= *len, || format!("length must be at most {len}")),
            Self::StartsWith(prefix) => {
                expect(string(value).starts_with(prefix), || format!("should start with: {prefix}"))
            }
            Self::NotMatch(pattern) => expect(!pattern.is_match(string(value)), || invalid(value)),
            Self::Match(pattern) => expect(pattern.is_match(string(value)), || invalid(value)),
            Self::MatchNone(patterns) => match patterns.iter().find(|(pattern, _)| pattern.is_match(string(value))) {
                Some((_, err)) => Err((*err).to_owned()),
                None => Ok(()),
            },
            Self::MatchAll(patterns) => match patterns.iter().find(|(pattern, _)| !pattern.is_match(string(value))) {
                Some((_, err)) => Err((*err).to_owned()),
                None => Ok(()),
            },
            Self::MatchAny(patterns, err) => {
                expect(patterns.iter().any(|pattern| pattern.is_match(string(value))), || {
                    err.map_or_else(|| invalid(value), str::to_owned)
                })
            }
            Self::Contains(wanted) => {
                let items = as_list(value).unwrap_or_default();
                expect(items.iter().any(|item| same(item, wanted)), || {
                    format!("expected to contain: {}", display(wanted))
                })
            }
            Self::Custom(check) => check(value),
            Self::ExclusiveSubsets(subsets) => exclusive_subsets(value, subsets),
        }
    }
}

fn list(options: &[Value]) -> String {
    options.iter().map(display).collect::<Vec<_>>().join(", ")
}

/// Five groups of hexadecimal digits in either case.
fn is_uuid(text: &str) -> bool {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let Ok(bytes) = <&[u8; 36]>::try_from(text.as_bytes()) else { return false };
    // All of them are looked at, which takes less than to stop at the first that is wrong.
    let dashes = bytes.iter().filter(|byte| **byte == b'-').count();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    dashes == DASHES.len() && digits == 32 && DASHES.iter().all(|at| bytes[*at] == b'-')
}
