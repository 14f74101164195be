//! What a store has to know of a document, as places in its text.

use serde_json::Value;

use crate::entity::EntitySchema;
use crate::schema::filled::{Filled, Span, Written};
use crate::schema::{Kind, OnDelete};

/// Something that a store has to know of a document besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<'e> {
    Tag(String),
    /// A field, or a list of fields with commas between them, whose value no two documents share, and the value.
    Unique(&'e str, &'e str),
    /// What it goes with: kind and id.
    Parent(&'static str, &'e str),
    /// What stays as long as it is there: kind and id.
    Reference(&'static str, &'e str),
}

/// A place in a document's text, and what stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    what: What,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A list of texts.
    Tags,
    Unique(&'static str),
    Parent(&'static str),
    Reference(&'static str),
}

/// The fields of a kind that a store has to know something of, by their places.
#[derive(Debug)]
pub(super) struct Roles {
    id: usize,
    others: Vec<(usize, What)>,
}

impl Roles {
    /// None if there is more to know than what stands in single fields.
    pub(super) fn new(kind: &EntitySchema) -> Option<Self> {
        if kind.has_ttl() || kind.unique_keys().any(|fields| fields.len() != 1) {
            return None;
        }
        let fields = kind.fields();
        let id = fields.iter().position(|field| field.name() == "id" && matches!(field.kind(), Kind::String))?;
        let mut others = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            match field.kind() {
                Kind::Array(item) | Kind::Set(item)
                    if field.name() == "tags" && matches!(item.kind(), Kind::String) =>
                {
                    others.push((at, What::Tags));
                }
                _ if field.name() == "tags" => return None,
                _ => {}
            }
            if field.is_unique() {
                others.push((at, What::Unique(field.name())));
            }
            match field.kind() {
                Kind::Foreign { reference, on_delete: OnDelete::Cascade } => {
                    others.push((at, What::Parent(reference)));
                }
                Kind::Foreign { reference, on_delete: OnDelete::Restrict } => {
                    others.push((at, What::Reference(reference)));
                }
                _ => {}
            }
        }
        Some(Self { id, others })
    }

    /// Where the id is in the text of a document, and what else there is. None if not all of it stands there plainly.
    /// `scratch` is for the use of this function.
    pub(super) fn marks(
        &self,
        document: &Filled<'_>,
        written: &[Written],
        scratch: &mut Vec<Mark>,
    ) -> Option<(Span, Box<[Mark]>)> {
        let plain = |at: usize, text: &str, around: (usize, usize)| {
            let (start, end) = written.iter().find(|(place, _)| *place == at)?.1;
            // Something longer has escapes, or is more than it seems.
            (end - start == around.0 + text.len() + around.1).then_some(())?;
            Span::new(start + around.0, end - around.1)
        };
        let id = plain(self.id, document.at(self.id)?.as_str()?, (1, 1))?;
        scratch.clear();
        for (at, what) in &self.others {
            let span = match (what, document.at(*at)) {
                (_, None | Some(Value::Null)) => continue,
                (What::Tags, Some(tags)) => {
                    tags.as_array()?.iter().all(Value::is_string).then_some(())?;
                    let (start, end) = written.iter().find(|(place, _)| place == at)?.1;
                    Span::new(start, end)?
                }
                (What::Unique(_), Some(value)) => plain(*at, value.as_str()?, (1, 1))?,
                (What::Parent(_) | What::Reference(_), Some(value)) => {
                    plain(*at, value.get("id")?.as_str()?, (r#"{"id":""#.len(), r#""}"#.len()))?
                }
            };
            scratch.push(Mark { what: *what, span });
        }
        Some((id, scratch.as_slice().into()))
    }
}

impl Mark {
    /// Calls `visit` with what is marked in the text.
    pub(super) fn visit<'e>(&self, text: &'e str, visit: &mut dyn FnMut(Fact<'e>)) {
        let marked = self.span.of(text);
        match self.what {
            What::Tags => {
                let tags: Vec<String> = serde_json::from_str(marked).expect("it was written as a list of texts");
                tags.into_iter().for_each(|tag| visit(Fact::Tag(tag)));
            }
            What::Unique(field) => visit(Fact::Unique(field, marked)),
            What::Parent(kind) => visit(Fact::Parent(kind, marked)),
            What::Reference(kind) => visit(Fact::Reference(kind, marked)),
        }
    }
}
