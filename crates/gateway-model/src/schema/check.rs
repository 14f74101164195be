//! Checks of one value.

use serde_json::{Number, Value};

use super::pattern::Pattern;

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
