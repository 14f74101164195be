//! One entity of a configuration.

use std::num::NonZeroU64;
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
    /// Whether it has to be looked at.
    pub standing: Standing,
    /// The document as it is shown to who brought it, where that is not the stored form.
    pub(super) shown: Option<Box<Fields>>,
    pub(super) times: Times,
    /// A hash of what it was made of, if nothing else was.
    pub(super) origin: Option<NonZeroU64>,
}

/// What is to be done with an entity.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It may be new or changed.
    Open {
        /// What a store has to know of it.
        facts: Box<Facts>,
        /// The place that one of its kind and id had among the entities that were loaded last.
        before: Option<usize>,
    },
    /// It is as it was loaded last.
    Same {
        /// Its place among the entities that were loaded last.
        place: usize,
        /// Its id.
        id: String,
    },
}

impl Entity {
    /// `text` is for the use of this function.
    pub(super) fn new(kind: &EntitySchema, document: &Filled<'_>, text: &mut Vec<u8>) -> Self {
        text.clear();
        let times = document.write(text);
        let standing = Standing::Open { facts: Box::new(kind.facts(document)), before: None };
        Self { kind: kind.name(), body: body(text), standing, shown: None, times, origin: None }
    }

    pub(super) fn of_document(kind: &EntitySchema, document: &Fields, shown: Option<Fields>) -> Self {
        let mut text = Vec::new();
        let times = write_object(document, &mut text);
        let standing = Standing::Open { facts: Box::new(kind.facts(document)), before: None };
        Self { kind: kind.name(), body: body(&text), standing, shown: shown.map(Box::new), times, origin: None }
    }

    /// Its id, or the field that takes its place.
    pub fn id(&self) -> String {
        match &self.standing {
            Standing::Open { facts, .. } if !facts.id.is_empty() => return facts.id.clone(),
            Standing::Same { id, .. } => return id.clone(),
            Standing::Open { .. } => {}
        }
        let document = self.document();
        let id = document.get("id").or_else(|| document.get("key"));
        id.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What a store has to know of it, unless it is as it was loaded last.
    pub fn facts(&self) -> Option<&Facts> {
        match &self.standing {
            Standing::Open { facts, .. } => Some(facts),
            Standing::Same { .. } => None,
        }
    }

    /// As [`Self::facts`], of which only the id stays.
    pub fn take_facts(&mut self) -> Option<Facts> {
        match &mut self.standing {
            Standing::Open { facts, .. } => {
                let id = facts.id.clone();
                Some(std::mem::replace(facts, Facts { id, ..Facts::default() }))
            }
            Standing::Same { .. } => None,
        }
    }

    /// The place that it, or one of its kind and id, had among the entities that were loaded last.
    pub fn place_before(&self) -> Option<usize> {
        match &self.standing {
            Standing::Open { before, .. } => *before,
            Standing::Same { place, .. } => Some(*place),
        }
    }

    /// Whether its times are those of the load that made it.
    pub(super) fn has_generated_times(&self) -> bool {
        self.updated().is_none_or(|updated| self.created() == Some(updated))
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
        without_times(&self.body, self.times)
    }

    /// Puts another time in place of those that it has.
    pub(super) fn set_times(&mut self, time: &str) {
        let parts = self.without_times();
        let [first, second] = places(&self.body, self.times).map(|(start, end)| if start < end { time } else { "" });
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

/// The text of a document before, between and behind its times.
pub(super) fn without_times(body: &str, times: Times) -> [&str; 3] {
    let [first, second] = places(body, times);
    [&body[..first.0], &body[first.1..second.0], &body[second.1..]]
}

/// Where the times are in the text, in order; at its end if they are not.
fn places(body: &str, times: Times) -> [(usize, usize); 2] {
    let none = (body.len(), body.len());
    let mut places = [times.created.unwrap_or(none), times.updated.unwrap_or(none)];
    places.sort_unstable();
    places
}
