//! Takes checked values out of a configuration tree and remembers everything that is wrong.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base::Problems;
use serde_json::Value;

/// Reads one tree.
pub(super) struct Reader<'a> {
    tree: &'a Value,
    problems: Problems,
    read: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tree: &'a Value) -> Self {
        Self { tree, problems: Problems::default(), read: BTreeSet::new() }
    }

    /// What is wrong, and the paths of all keys that were read.
    pub(super) fn finish(self) -> (Problems, BTreeSet<String>) {
        (self.problems, self.read)
    }

    pub(super) fn problem(&mut self, path: &str, message: impl Into<String>, hint: &str) {
        if hint.is_empty() {
            self.problems.add(path, message);
        } else {
            self.problems.add_with_hint(path, message, hint);
        }
    }

    /// How many problems there are so far.
    pub(super) fn problem_count(&self) -> usize {
        self.problems.0.len()
    }

    pub(super) fn problems_below(&mut self, path: &str, problems: Problems) {
        self.problems.extend_below(path, problems);
    }

    fn value(&mut self, path: &str) -> &'a Value {
        self.read.insert(path.to_owned());
        at(self.tree, path).unwrap_or(&Value::Null)
    }

    pub(super) fn flag(&mut self, path: &str) -> bool {
        self.value(path).as_bool().unwrap_or_else(|| {
            self.problem(path, "must be true or false", "");
            false
        })
    }

    pub(super) fn text(&mut self, path: &str) -> String {
        match self.value(path) {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            _ => {
                self.problem(path, "must be a text", "");
                String::new()
            }
        }
    }

    pub(super) fn some_text(&mut self, path: &str) -> Option<String> {
        Some(self.text(path)).filter(|text| !text.is_empty())
    }

    pub(super) fn path(&mut self, path: &str) -> Option<PathBuf> {
        self.some_text(path).map(PathBuf::from)
    }

    pub(super) fn texts(&mut self, path: &str) -> Vec<String> {
        let items = self.value(path).as_array().map(Vec::as_slice).unwrap_or_default();
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.problem(&format!("{path}[{index}]"), "must be a text", ""),
            }
        }
        texts
    }

    pub(super) fn one_of(&mut self, path: &str, words: &[&str], hint: &str) -> String {
        let text = self.text(path);
        if !words.contains(&text.as_str()) {
            let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
            self.problem(path, format!("must be one of {}, not {text:?}", words.join(", ")), hint);
        }
        text
    }

    pub(super) fn port(&mut self, path: &str) -> u16 {
        let value = self.value(path);
        value.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_else(|| {
            self.problem(path, format!("must be a port from 0 to 65535, not {value}"), "");
            0
        })
    }

    pub(super) fn count(&mut self, path: &str) -> usize {
        let value = self.value(path);
        value.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_else(|| {
            self.problem(path, format!("must be a whole number that is not negative, not {value}"), "");
            0
        })
    }

    pub(super) fn duration(&mut self, path: &str) -> Duration {
        let text = self.text(path);
        base::duration::parse(&text).unwrap_or_else(|| {
            self.problem(path, format!("must be a duration, not {text:?}"), "like 10s, 1m30s or 500ms");
            Duration::ZERO
        })
    }

    pub(super) fn positive_duration(&mut self, path: &str) -> Duration {
        let before = self.problem_count();
        let duration = self.duration(path);
        if duration.is_zero() && self.problem_count() == before {
            self.problem(path, "must be longer than nothing", "");
        }
        duration
    }

    pub(super) fn address(&mut self, path: &str) -> Option<IpAddr> {
        let text = self.text(path);
        match text.trim_matches(['[', ']']).parse() {
            Ok(address) => Some(address),
            Err(_) => {
                self.problem(path, format!("must be an IP address, not {text:?}"), "0.0.0.0 for all interfaces");
                None
            }
        }
    }

    /// `<section>.enabled`, `.interface` and `.port`.
    pub(super) fn listener(&mut self, section: &str) -> Option<SocketAddr> {
        let address = self.address(&format!("{section}.interface"));
        let port = self.port(&format!("{section}.port"));
        self.flag(&format!("{section}.enabled")).then_some(SocketAddr::new(address?, port))
    }
}

/// The value at a path of keys joined by dots.
pub(super) fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |value, key| value.get(key))
}

/// Calls `visit` with every value that is not a map, or an empty one.
pub(super) fn leaves<'a>(value: &'a Value, path: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, visit);
            }
        }
        leaf => visit(path, leaf),
    }
}
