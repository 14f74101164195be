//! One entity of a configuration.

use std::sync::Arc;

use serde_json::Value;

use crate::entity::{EntitySchema, Facts};
use crate::error::Fields;
use crate::schema::filled::{Filled, Times, write_object};

/// One entity of a configuration.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its kind.
    pub kind: &'static str,
    /// The complete document in its stored form, as JSON.
    pub body: Arc<str>,
    /// What a store has to know of it.
    pub facts: Box<Facts>,
    /// The document as it is shown to who brought it, where that is not the stored form.
    pub(super) shown: Option<Box<Fields>>,
    times: Times,
}

impl Entity {
    /// `text` is for the use of this function.
    pub(super) fn new(kind: &EntitySchema, document: &Filled<'_>, text: &mut Vec<u8>) -> Self {
        text.clear();
        let times = document.write(text);
        Self { kind: kind.name(), body: body(text), facts: Box::new(kind.facts(document)), shown: None, times }
    }

    pub(super) fn of_document(kind: &EntitySchema, document: &Fields, shown: Option<Fields>) -> Self {
        let mut text = Vec::new();
        let times = write_object(document, &mut text);
        let facts = Box::new(kind.facts(document));
        Self { kind: kind.name(), body: body(&text), facts, shown: shown.map(Box::new), times }
    }

    /// Its id, or the field that takes its place.
    pub fn id(&self) -> String {
        if !self.facts.id.is_empty() {
            return self.facts.id.clone();
        }
        let document = self.document();
        let id = document.get("id").or_else(|| document.get("key"));
        id.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The complete document in its stored form.
    pub fn document(&self) -> Fields {
        serde_json::from_str(&self.body).expect("it was written as JSON")
    }

    /// When it was made, as in the document.
    pub(super) fn created(&self) -> Option<&str> {
        self.times.created.map(|(start, end)| &self.body[start..end])
    }

    /// When it was changed, as in the document.
    pub(super) fn updated(&self) -> Option<&str> {
        self.times.updated.map(|(start, end)| &self.body[start..end])
    }

    /// The text before, between and behind the times.
    pub(super) fn without_times(&self) -> [&str; 3] {
        let [first, second] = self.places();
        [&self.body[..first.0], &self.body[first.1..second.0], &self.body[second.1..]]
    }

    /// Puts another time in place of those that it has.
    pub(super) fn set_times(&mut self, time: &str) {
        let parts = self.without_times();
        let [first, second] = self.places().map(|(start, end)| if start < end { time } else { "" });
        let body = [parts[0], first, parts[1], second, parts[2]].concat();
        let moved = |place: (usize, usize)| {
            let behind = [self.times.created, self.times.updated].into_iter().flatten().filter(|other| *other < place);
            let start = behind.fold(place.0, |start, (from, to)| start + time.len() - (to - from));
            (start, start + time.len())
        };
        let times = Times { created: self.times.created.map(moved), updated: self.times.updated.map(moved) };
        self.body = body.into();
        self.times = times;
        let value: Value = serde_json::from_str(time).expect("times are JSON");
        for name in ["created_at", "updated_at"] {
            if let Some(time) = self.shown.as_mut().and_then(|shown| shown.get_mut(name)) {
                time.clone_from(&value);
            }
        }
    }

    /// Where the times are in the text, in order; at its end if they are not.
    fn places(&self) -> [(usize, usize); 2] {
        let none = (self.body.len(), self.body.len());
        let mut places = [self.times.created.unwrap_or(none), self.times.updated.unwrap_or(none)];
        places.sort_unstable();
        places
    }

    /// Appends the document as it is shown to who brought it, as JSON.
    pub(super) fn show(&self, out: &mut String) {
        match &self.shown {
            Some(shown) => out.push_str(&serde_json::to_string(shown).expect("a document is JSON")),
            None => out.push_str(&self.body),
        }
    }
}

fn body(text: &[u8]) -> Arc<str> {
    std::str::from_utf8(text).expect("JSON is text").into()
}
