//! Records and transactions as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::record::{Change, Committed, Draft, Key, Record, Revision};

/// What is wrong with bytes that this program did not write.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("it ends too early")]
    Short,
    #[error("it has an unknown part ({0})")]
    Unknown(u8),
    #[error("it has text that is no UTF-8")]
    Text(#[from] std::str::Utf8Error),
    #[error("its details cannot be read: {0}")]
    Details(#[from] serde_json::Error),
}

/// What a record is besides key, body, version and revision.
#[derive(Serialize, Deserialize)]
struct Details<T: Ord, K> {
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<T, T>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    unique: Vec<(T, T)>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    parents: Vec<K>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    references: Vec<K>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    created: Timestamp,
    modified: Timestamp,
}

/// A key is a line of a table by this.
pub(super) fn id(key: &Key) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [&key.collection, &key.scope, &key.name] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

pub(super) fn details(record: &Record) -> Vec<u8> {
    let Record { draft, created, modified, .. } = record;
    let details = Details {
        labels: draft.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect(),
        unique: draft.unique.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect(),
        parents: draft.parents.iter().map(parts).collect(),
        references: draft.references.iter().map(parts).collect(),
        expires: draft.expires,
        created: *created,
        modified: *modified,
    };
    serde_json::to_vec(&details).expect("strings, times, lists and maps of them are JSON")
}

fn parts(key: &Key) -> [&str; 3] {
    [&key.collection, &key.scope, &key.name]
}

pub(super) fn record(
    key: Key,
    body: &str,
    version: u64,
    revision: Revision,
    details: &[u8],
) -> Result<Record, FrameError> {
    let details: Details<String, [Arc<str>; 3]> = serde_json::from_slice(details)?;
    let keys = |keys: Vec<[Arc<str>; 3]>| {
        keys.into_iter().map(|[collection, scope, name]| Key { collection, scope, name }).collect()
    };
    Ok(Record {
        version,
        revision,
        created: details.created,
        modified: details.modified,
        draft: Draft {
            labels: details.labels,
            unique: details.unique,
            parents: keys(details.parents),
            references: keys(details.references),
            expires: details.expires,
            body: body.into(),
            key,
        },
    })
}

const TRANSACTION: u8 = b'T';
const PUT: u8 = b'P';
const DELETE: u8 = b'D';

/// The transactions as parts of about `limit` bytes, one part at least. A part may end within a transaction, but not
/// within one of its changes.
pub(super) fn encode<'a>(commits: impl IntoIterator<Item = &'a Committed>, limit: usize) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    for commit in commits {
        let part = parts.last_mut().expect("there is one part at least");
        part.push(TRANSACTION);
        part.extend_from_slice(&commit.revision.to_le_bytes());
        for change in &commit.changes {
            let mut part = parts.last_mut().expect("there is one part at least");
            if part.len() >= limit {
                parts.push(Vec::new());
                part = parts.last_mut().expect("it was added");
            }
            encode_change(part, change);
        }
    }
    parts
}

fn encode_change(part: &mut Vec<u8>, change: &Change) {
    part.push(match change {
        Change::Put(_) => PUT,
        Change::Delete(_) => DELETE,
    });
    let Key { collection, scope, name } = change.key();
    for text in [collection, scope, name] {
        add(part, text.as_bytes());
    }
    if let Change::Put(record) = change {
        part.extend_from_slice(&record.version.to_le_bytes());
        add(part, record.draft.body.as_bytes());
        add(part, &details(record));
    }
}

fn add(part: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("the size of records is limited");
    part.extend_from_slice(&length.to_le_bytes());
    part.extend_from_slice(bytes);
}

/// Adds the transactions of a part to those of the parts before it.
pub(super) fn decode(mut part: &[u8], commits: &mut Vec<Committed>) -> Result<(), FrameError> {
    while let [tag, rest @ ..] = part {
        part = rest;
        if *tag == TRANSACTION {
            commits.push(Committed { revision: number(&mut part)?, changes: Vec::new() });
            continue;
        }
        let Some(commit) = commits.last_mut() else { return Err(FrameError::Unknown(*tag)) };
        let key = Key::new(text(&mut part)?, text(&mut part)?, text(&mut part)?);
        commit.changes.push(match *tag {
            PUT => {
                let version = number(&mut part)?;
                let body = text(&mut part)?;
                let details = bytes(&mut part)?;
                Change::Put(Arc::new(record(key, body, version, commit.revision, details)?))
            }
            DELETE => Change::Delete(key),
            other => return Err(FrameError::Unknown(other)),
        });
    }
    Ok(())
}

fn number(part: &mut &[u8]) -> Result<u64, FrameError> {
    let (number, rest) = part.split_first_chunk().ok_or(FrameError::Short)?;
    *part = rest;
    Ok(u64::from_le_bytes(*number))
}

fn text<'a>(part: &mut &'a [u8]) -> Result<&'a str, FrameError> {
    Ok(std::str::from_utf8(bytes(part)?)?)
}

fn bytes<'a>(part: &mut &'a [u8]) -> Result<&'a [u8], FrameError> {
    let (length, rest) = part.split_first_chunk().ok_or(FrameError::Short)?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(FrameError::Short)?;
    *part = rest;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
