//! One entity of a configuration.

use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::Value;

use super::kinds::Kind;
use super::known;
use super::marks::{Fact, Mark};
use crate::entity::{EntitySchema, Facts};
use crate::error::Fields;
use crate::schema::filled::{Filled, Span, Times, Written, write_object};

/// One entity of a configuration.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its kind.
    pub kind: &'static str,
    /// The complete document in its stored form, as JSON.
    pub body: Arc<str>,
    pub(super) id: Id,
    /// A hash of its kind and id.
    pub(super) key: u64,
    pub(super) standing: Standing,
    /// The document as it is shown to who brought it, where that is not the stored form.
    pub(super) shown: Option<Box<Fields>>,
    pub(super) times: Times,
    /// A hash of what it was made of, if nothing else was.
    pub(super) origin: Option<NonZeroU64>,
}

/// The id of an entity, or what takes its place.
#[derive(Clone, Debug)]
pub(super) enum Id {
    /// It is in the body.
    At(Span),
    Own(Box<str>),
}

/// What is to be done with an entity.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It may be new or changed.
    Open {
        noted: Noted,
        /// The place that one of its kind and id had among the entities that were loaded last.
        before: Option<usize>,
    },
    /// It is as it was loaded last, at this place.
    Same(usize),
}

/// What a store has to know of an entity.
#[derive(Clone, Debug)]
pub(super) enum Noted {
    /// It is in the body.
    Marked(Box<[Mark]>),
    Own(Box<Facts>),
}

/// What is used again for each entity.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    text: String,
    written: Vec<Written>,
    marks: Vec<Mark>,
}

impl Id {
    pub(super) fn of<'e>(&'e self, body: &'e str) -> &'e str {
        match self {
            Self::At(span) => span.of(body),
            Self::Own(id) => id,
        }
    }
}

impl Entity {
    pub(super) fn new(kind: &Kind<'_>, document: &Filled<'_>, scratch: &mut Scratch) -> Self {
        scratch.text.clear();
        scratch.written.clear();
        let times = document.write(&mut scratch.text, &mut scratch.written);
        let body = Arc::from(scratch.text.as_str());
        let marks = kind.roles.as_ref().and_then(|roles| roles.marks(document, &scratch.written, &mut scratch.marks));
        let (id, noted) = match marks {
            Some((id, marks)) => (Id::At(id), Noted::Marked(marks)),
            None => own(kind.entity.facts(document), &body),
        };
        let standing = Standing::Open { noted, before: None };
        let key = known::key(kind.name, id.of(&body));
        Self { kind: kind.name, body, id, key, standing, shown: None, times, origin: None }
    }

    pub(super) fn of_document(kind: &EntitySchema, document: &Fields, shown: Option<Fields>) -> Self {
        let mut text = String::new();
        let times = write_object(document, &mut text);
        let body = Arc::from(text);
        let (id, noted) = own(kind.facts(document), &body);
        let standing = Standing::Open { noted, before: None };
        let key = known::key(kind.name(), id.of(&body));
        Self { kind: kind.name(), body, id, key, standing, shown: shown.map(Box::new), times, origin: None }
    }

    /// Its id, or the field that takes its place.
    pub fn id(&self) -> &str {
        self.id.of(&self.body)
    }

    /// Whether it is as it was loaded last.
    pub fn is_same(&self) -> bool {
        matches!(self.standing, Standing::Same(_))
    }

    #[cfg(test)]
    pub(super) fn is_marked(&self) -> bool {
        matches!(self.standing, Standing::Open { noted: Noted::Marked(_), .. })
    }

    /// For how many seconds it lives, as it was given.
    pub fn ttl(&self) -> Option<&Value> {
        match &self.standing {
            Standing::Open { noted: Noted::Own(facts), .. } => facts.ttl.as_ref(),
            // What has one is not marked.
            Standing::Open { noted: Noted::Marked(_), .. } | Standing::Same(_) => None,
        }
    }

    /// Calls `visit` with what a store has to know of it, those of a sort in the order of the fields, and forgets that.
    /// Nothing of what is as it was.
    pub fn take_facts(&mut self, visit: &mut dyn FnMut(Fact<'_>)) {
        let Standing::Open { noted, .. } = &mut self.standing else { return };
        match std::mem::replace(noted, Noted::Marked(Box::default())) {
            Noted::Marked(marks) => marks.iter().for_each(|mark| mark.visit(&self.body, visit)),
            Noted::Own(facts) => {
                facts.unique.iter().for_each(|(field, value)| visit(Fact::Unique(field, value)));
                facts.parents.iter().for_each(|(kind, id)| visit(Fact::Parent(kind, id)));
                facts.references.iter().for_each(|(kind, id)| visit(Fact::Reference(kind, id)));
                facts.tags.into_iter().for_each(|tag| visit(Fact::Tag(tag)));
            }
        }
    }

    /// The place that it, or one of its kind and id, had among the entities that were loaded last.
    pub fn place_before(&self) -> Option<usize> {
        match &self.standing {
            Standing::Open { before, .. } => *before,
            Standing::Same(place) => Some(*place),
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
        self.times.created.map(|span| span.of(&self.body))
    }

    /// When it was changed, as in the document.
    pub(super) fn updated(&self) -> Option<&str> {
        self.times.updated.map(|span| span.of(&self.body))
    }

    /// The text before, between and behind the times.
    pub(super) fn without_times(&self) -> [&str; 3] {
        without_times(&self.body, self.times)
    }

    /// Puts another time in place of those that it has.
    pub(super) fn set_times(&mut self, time: &str) {
        if u32::try_from(self.body.len() + 2 * time.len()).is_err() {
            // Nobody could tell where anything is in so long a text.
            return;
        }
        let parts = self.without_times();
        let [first, second] = places(&self.body, self.times).map(|(start, end)| if start < end { time } else { "" });
        let body = [parts[0], first, parts[1], second, parts[2]].concat();
        let before = [self.times.created, self.times.updated];
        let moved = |at: usize| {
            let earlier = before.into_iter().flatten().filter(|other| other.start() < at);
            earlier.fold(at, |at, other| at + time.len() - (other.end() - other.start()))
        };
        let span = |start, end| Span::new(start, end).expect("the text is not that much longer");
        let moved_time = |other: Span| span(moved(other.start()), moved(other.start()) + time.len());
        self.times = Times { created: before[0].map(moved_time), updated: before[1].map(moved_time) };
        self.move_marks(|other| span(moved(other.start()), moved(other.end())));
        self.body = body.into();
        let value: Value = serde_json::from_str(time).expect("times are JSON");
        for name in ["created_at", "updated_at"] {
            if let Some(time) = self.shown.as_mut().and_then(|shown| shown.get_mut(name)) {
                time.clone_from(&value);
            }
        }
    }

    /// Follows what is in the body to where it is now.
    fn move_marks(&mut self, moved: impl Fn(Span) -> Span) {
        let marks = match &mut self.standing {
            Standing::Open { noted: Noted::Marked(marks), .. } => &mut **marks,
            Standing::Open { noted: Noted::Own(_), .. } | Standing::Same(_) => &mut [],
        };
        let id = match &mut self.id {
            Id::At(span) => Some(span),
            Id::Own(_) => None,
        };
        for span in marks.iter_mut().map(|mark| &mut mark.span).chain(id) {
            *span = moved(*span);
        }
    }
}

/// Facts of a document that are kept by themselves, and its id.
fn own(facts: Facts, body: &str) -> (Id, Noted) {
    let id = if facts.id.is_empty() {
        let document: Fields = serde_json::from_str(body).expect("it was written as JSON");
        let id = document.get("id").or_else(|| document.get("key"));
        id.and_then(Value::as_str).unwrap_or_default().to_owned()
    } else {
        facts.id.clone()
    };
    (Id::Own(id.into()), Noted::Own(Box::new(facts)))
}

/// The text of a document before, between and behind its times.
pub(super) fn without_times(body: &str, times: Times) -> [&str; 3] {
    let [first, second] = places(body, times);
    [&body[..first.0], &body[first.1..second.0], &body[second.1..]]
}

/// Where the times are in the text, in order; at its end if they are not.
fn places(body: &str, times: Times) -> [(usize, usize); 2] {
    let none = (body.len(), body.len());
    let place = |time: Option<Span>| time.map_or(none, |span| (span.start(), span.end()));
    let mut places = [place(times.created), place(times.updated)];
    places.sort_unstable();
    places
}
