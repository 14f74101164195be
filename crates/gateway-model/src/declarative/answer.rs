//! The answer to who brought a configuration.

use std::{io, vec};

use serde_json::Value;

use super::entity::Id;
use super::{Declared, Entity};
use crate::schema::Source;

/// `{kind: {id: document}}` as JSON, with the documents as they were before passwords became hashes. It is made part by
/// part: all of it at once would be as large as everything it is about.
#[derive(Debug)]
pub struct Answer {
    entities: vec::IntoIter<Entity>,
    state: State,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    /// Behind an entity of this kind.
    Behind(&'static str),
    End,
}

impl Declared {
    /// What is answered to who brought it.
    pub fn into_answer(mut self, source: &mut dyn Source) -> Answer {
        self.entities.retain(|entity| entity.kind != "workspaces");
        let mut length = "{}".len();
        let mut last = None;
        for entity in &self.entities {
            source.pause();
            length += match last.replace(entity.kind) {
                None => entity.kind.len() + r#""":{"#.len() + "}".len(),
                Some(kind) if kind == entity.kind => ",".len(),
                Some(_) => entity.kind.len() + r#"},"":{"#.len(),
            };
            length += id_length(entity) + ":".len() + document_length(entity);
        }
        Answer { entities: self.entities.into_iter(), state: State::Begin, length }
    }
}

impl Answer {
    /// How long all of it is, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The next part: so many bytes, or as many more as a document has.
    pub fn part(&mut self, size: usize) -> Option<String> {
        if self.state == State::End {
            return None;
        }
        let mut part = String::with_capacity(size.min(self.length) + MOST_DOCUMENTS);
        while part.len() < size {
            let Some(entity) = self.entities.next() else {
                part.push_str(if self.state == State::Begin { "{}" } else { "}}" });
                self.state = State::End;
                break;
            };
            match self.state {
                State::Behind(kind) if kind == entity.kind => part.push(','),
                before => {
                    part.push_str(if before == State::Begin { "{\"" } else { "},\"" });
                    part.push_str(entity.kind);
                    part.push_str("\":{");
                }
            }
            self.state = State::Behind(entity.kind);
            write_id(&entity, &mut part);
            part.push(':');
            match &entity.shown {
                Some(shown) => part.push_str(&serde_json::to_string(shown).expect(DOCUMENT)),
                None => part.push_str(&entity.body),
            }
        }
        Some(part)
    }
}

/// What most documents are shorter than, in bytes.
const MOST_DOCUMENTS: usize = 4096;

const DOCUMENT: &str = "a document is JSON";

/// Appends an id as JSON. What is marked in a body has nothing to escape.
fn write_id(entity: &Entity, out: &mut String) {
    match &entity.id {
        Id::At(_) => {
            out.push('"');
            out.push_str(entity.id());
            out.push('"');
        }
        Id::Own(id) => out.push_str(&Value::from(&**id).to_string()),
    }
}

fn id_length(entity: &Entity) -> usize {
    match &entity.id {
        Id::At(span) => span.end() - span.start() + 2,
        Id::Own(id) => Value::from(&**id).to_string().len(),
    }
}

fn document_length(entity: &Entity) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let Some(shown) = &entity.shown else { return entity.body.len() };
    let mut count = Count(0);
    serde_json::to_writer(&mut count, shown).expect(DOCUMENT);
    count.0
}
