//! Reading a JSON document field by field, collecting every problem instead of stopping at the first.
//!
//! The leniencies are those of the protobuf JSON form: `null` is absent, numbers may be written as text,
//! field names may be written in snake case.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use base::{Problem, Problems};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::path::Path;

/// Most memory of a compiled regular expression, in bytes. Proxies have a limit of their own.
const MAX_REGEX: usize = 1 << 20;

/// Most problems that are reported of one document.
const MAX_PROBLEMS: usize = 100;

/// Problems found so far; shared by all cursors of one document.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Problems>);

impl Report {
    /// Notes a problem once; what is beyond the limit is not noted.
    fn add(&self, path: &Path<'_>, message: String, hint: Option<String>) {
        let mut problems = self.0.borrow_mut();
        let problem = Problem { path: path.to_string(), message, hint };
        if problems.0.len() < MAX_PROBLEMS && !problems.0.contains(&problem) {
            problems.0.push(problem);
        }
    }

    pub(super) fn into_problems(self) -> Problems {
        self.0.into_inner()
    }
}

/// A value that may be there, and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'v, 'p> {
    value: Option<&'v Value>,
    path: Path<'p>,
    report: &'p Report,
}

impl<'v, 'p> Cursor<'v, 'p> {
    pub(super) fn root(value: &'v Value, report: &'p Report) -> Self {
        Self { value: Some(value), path: Path::ROOT, report }
    }

    /// Notes a problem here.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.report.add(&self.path, message.into(), None);
    }

    /// Notes a problem at a field below, which may be absent.
    pub(super) fn problem_at(&self, field: &str, message: impl Into<String>) {
        self.report.add(&self.path.field(field), message.into(), None);
    }

    /// Notes a problem at a map's entry.
    pub(super) fn problem_at_key(&self, key: &str, message: impl Into<String>) {
        self.report.add(&self.path.key(key), message.into(), None);
    }

    pub(super) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// The value as it is, unchecked.
    pub(super) fn raw(&self) -> Option<&'v Value> {
        self.value
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, Some(Value::Array(_)))
    }

    pub(super) fn string(&self) -> Option<&'v str> {
        match self.value? {
            Value::String(text) => Some(text),
            _ => self.mistyped("a string"),
        }
    }

    /// The string, empty when absent.
    pub(super) fn text(&self) -> String {
        self.string().unwrap_or_default().to_owned()
    }

    /// The string, `None` when absent or empty.
    pub(super) fn filled(&self) -> Option<String> {
        self.string().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The string; its absence and emptiness are problems.
    pub(super) fn required(&self) -> String {
        let filled = self.filled();
        if filled.is_none() && !matches!(self.value, Some(value) if !value.is_string()) {
            self.problem("cannot be empty");
        }
        filled.unwrap_or_default()
    }

    /// A regular expression, which must be sound and not empty.
    pub(super) fn regex(&self) -> Option<&'v str> {
        let text = self.string()?;
        if text.is_empty() {
            self.problem("cannot be empty");
        }
        if let Err(error) = RegexBuilder::new(text).size_limit(MAX_REGEX).build() {
            self.problem(format!("provided regexp isn't correct: {error}"));
        }
        Some(text)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value? {
            Value::Bool(value) => Some(*value),
            _ => self.mistyped("true or false"),
        }
    }

    /// The truth value, false when absent.
    pub(super) fn flag(&self) -> bool {
        self.boolean().unwrap_or_default()
    }

    pub(super) fn u32(&self) -> Option<u32> {
        match self.whole_number().map(u32::try_from) {
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => self.not_whole(u32::MAX.into()),
            None => None,
        }
    }

    pub(super) fn u64(&self) -> Option<u64> {
        self.whole_number()
    }

    fn whole_number(&self) -> Option<u64> {
        let number = match self.value? {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.parse().ok().or_else(|| text.parse().ok().and_then(whole)),
            _ => return self.mistyped("a number"),
        };
        number.or_else(|| self.not_whole(u64::MAX))
    }

    fn not_whole<T>(&self, max: u64) -> Option<T> {
        self.problem(format!("must be a whole number in the range [0, {max}]"));
        None
    }

    pub(super) fn f64(&self) -> Option<f64> {
        match self.value? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Some(number),
                _ => self.mistyped("a number"),
            },
            _ => self.mistyped("a number"),
        }
    }

    /// A span of time: `10s`, `0.2s`, or Go's longer notation, which older releases also read.
    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.string()?;
        let duration = base::duration::parse(text);
        if duration.is_none() {
            self.problem(format!("has to be a valid duration such as \"10s\", but is {text:?}"));
        }
        duration
    }

    /// A span of time that, if there is one, is longer than none.
    pub(super) fn positive_duration(&self) -> Option<Duration> {
        let duration = self.duration();
        if duration == Some(Duration::ZERO) {
            self.problem("has to be greater than 0 when defined");
        }
        duration
    }

    /// Bytes in base64, standard or URL alphabet, padded or not.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let text = self.string()?;
        let bytes = decode_base64(text);
        if bytes.is_none() {
            self.problem("must be base64");
        }
        bytes
    }

    /// One of a fixed set of words, or its number.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let found = match self.value? {
            Value::String(word) => choices.iter().find(|(name, _)| name == word),
            Value::Number(number) => {
                number.as_u64().and_then(|index| usize::try_from(index).ok()).and_then(|index| choices.get(index))
            }
            _ => None,
        };
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(format!("must be one of: {}", names.join(", ")));
        }
        found.map(|(_, choice)| *choice)
    }

    /// Reads each element of a list; absent means empty.
    pub(super) fn list<T>(&self, mut read: impl FnMut(&Cursor<'v, '_>) -> Option<T>) -> Vec<T> {
        let items = match self.value {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => return self.mistyped::<()>("a list").map(|()| Vec::new()).unwrap_or_default(),
        };
        let read_one = |(index, value): (usize, &'v Value)| {
            let item = Cursor { value: present(value), path: self.path.index(index), report: self.report };
            if !item.is_present() {
                item.problem("must not be null");
            }
            read(&item)
        };
        items.iter().enumerate().filter_map(read_one).collect()
    }

    pub(super) fn strings(&self) -> Vec<String> {
        self.list(|item| item.string().map(str::to_owned))
    }

    /// Reads the fields of an object; those that `read` does not ask for are reported as unknown.
    pub(super) fn object<T>(&self, read: impl FnOnce(&Object<'v, '_>) -> T) -> Option<T> {
        let Value::Object(fields) = self.value? else { return self.mistyped("an object") };
        let object = Object { fields, here: *self, read: RefCell::default(), open: Cell::new(false) };
        let result = read(&object);
        object.report_unknown();
        Some(result)
    }

    /// Like [`Cursor::object`], reading an empty object when it is absent.
    pub(super) fn section<T: Default>(&self, read: impl FnOnce(&Object<'v, '_>) -> T) -> T {
        self.object(read).unwrap_or_default()
    }

    /// Entries of an object whose keys are data.
    pub(super) fn entries<T>(&self, mut read: impl FnMut(&'v str, &Cursor<'v, '_>) -> Option<T>) -> Vec<T> {
        let entries = match self.value {
            None => return Vec::new(),
            Some(Value::Object(entries)) => entries,
            Some(_) => return self.mistyped::<()>("an object").map(|()| Vec::new()).unwrap_or_default(),
        };
        let read_one = |(key, value): (&'v String, &'v Value)| {
            read(key, &Cursor { value: present(value), path: self.path.key(key), report: self.report })
        };
        entries.iter().filter_map(read_one).collect()
    }

    fn mistyped<T>(&self, expected: &str) -> Option<T> {
        self.problem(format!("must be {expected}"));
        None
    }
}

/// An object whose fields are being read.
#[derive(Debug)]
pub(super) struct Object<'v, 'p> {
    fields: &'v Map<String, Value>,
    here: Cursor<'v, 'p>,
    read: RefCell<Vec<&'static str>>,
    open: Cell<bool>,
}

impl<'v> Object<'v, '_> {
    /// The field of that name, in camel case; its snake case spelling is read too.
    pub(super) fn field<'s>(&'s self, name: &'static str) -> Cursor<'v, 's> {
        self.read.borrow_mut().push(name);
        let snake = || self.fields.iter().find(|(key, _)| is_snake_of(key, name)).map(|(_, value)| value);
        let value = self.fields.get(name).and_then(present).or_else(|| snake().and_then(present));
        Cursor { value, path: self.here.path.field(name), report: self.here.report }
    }

    pub(super) fn has(&self, name: &'static str) -> bool {
        self.field(name).is_present()
    }

    pub(super) fn here(&self) -> &Cursor<'v, '_> {
        &self.here
    }

    /// Accepts whatever other fields there are.
    pub(super) fn accept_rest(&self) {
        self.open.set(true);
    }

    fn report_unknown(&self) {
        if self.open.get() {
            return;
        }
        let known = self.read.borrow();
        for name in self.fields.keys() {
            let is_known = known.iter().any(|known| known == name || is_snake_of(name, known));
            if !is_known {
                let hint = match known.as_slice() {
                    [] => "no fields are expected here".to_owned(),
                    known => format!("known fields: {}", distinct(known).join(", ")),
                };
                self.here.report.add(&self.here.path.field(name), "unknown field".to_owned(), Some(hint));
            }
        }
    }
}

fn present(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

/// The number, if it has no fraction and fits.
fn whole(number: f64) -> Option<u64> {
    const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
    let fits = number.fract() == 0.0 && (0.0..TWO_POW_64).contains(&number);
    // Checked by the condition.
    fits.then_some(number as u64)
}

/// Whether `snake` is `camel` in the other spelling, as `redirect_port` is `redirectPort`.
fn is_snake_of(snake: &str, camel: &str) -> bool {
    let spelled = camel.chars().flat_map(|letter| {
        let underscore = letter.is_ascii_uppercase().then_some('_');
        underscore.into_iter().chain([letter.to_ascii_lowercase()])
    });
    snake.contains('_') && spelled.eq(snake.chars())
}

fn distinct(names: &[&'static str]) -> Vec<&'static str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(*name);
        }
    }
    distinct
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

#[cfg(test)]
mod tests;
