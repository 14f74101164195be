//! The state in memory that follows the log.

use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Nonce;
use crate::postgres::failure::{Failure, Place};
use crate::postgres::frame;
use crate::record::{Change, Committed};
use crate::shared::Shared;
use crate::state::State;
use crate::state::overlay::{Outcome, Touched};

/// Whoever is that many revisions behind loads everything instead of following step by step.
const TOO_FAR: i64 = 20_000;

/// What of the database is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) revision: i64,
    pub(super) epoch: i64,
    pub(super) origin: i64,
}

impl Position {
    /// From a row that begins with it.
    pub(super) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { revision: row.try_get(0)?, epoch: row.try_get(1)?, origin: row.try_get(2)? })
    }
}

/// The published state, and where it is.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) shared: Arc<Shared>,
    pub(super) position: Position,
    /// The last of the groups of this instance that was found in the log, among what was not published yet.
    pub(super) found: Nonce,
}

impl Replica {
    pub(super) fn replace(&mut self, state: State, position: Position) {
        self.shared.replace(state);
        self.position = position;
    }

    fn publish(&mut self, commits: Vec<Committed>, revision: i64) {
        let mut records = Touched::default();
        for change in commits.iter().flat_map(|commit| &commit.changes) {
            match change {
                Change::Put(record) => records.insert(record.draft.key.clone(), Some(Arc::clone(record))),
                Change::Delete(key) => records.insert(key.clone(), None),
            };
        }
        self.shared.publish(Outcome::elsewhere(revision.cast_unsigned(), records), commits.into_iter().map(Arc::new));
        self.position.revision = revision;
    }
}

/// What came of following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// The state is that of the database.
    Current,
    /// The log does not lead from the state to that of the database.
    Lost,
}

/// Takes the rows of [`super::statements::LOOK`].
#[derive(Debug)]
pub(super) struct Follow<'a> {
    replica: &'a mut Replica,
    place: Place,
    lost: bool,
    head: Option<Position>,
    group: Option<Group>,
}

/// The parts so far of an entry of the log.
#[derive(Debug)]
struct Group {
    revision: i64,
    previous: i64,
    nonce: Nonce,
    commits: Vec<Committed>,
}

impl<'a> Follow<'a> {
    pub(super) fn new(replica: &'a mut Replica, place: Place) -> Self {
        Self { replica, place, lost: false, head: None, group: None }
    }

    pub(super) fn since(&self) -> i64 {
        self.replica.position.revision
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn row(&mut self, row: &PgRow) -> Result<(), Failure> {
        let place = self.place.clone();
        let unreadable = |cause| Failure::asking(&place, cause);
        let head = Position::of(row).map_err(unreadable)?;
        let known = self.replica.position;
        let within_reach = (0..=TOO_FAR).contains(&(head.revision - known.revision));
        self.lost |= head.origin != known.origin || !within_reach;
        self.head = Some(head);
        let revision: Option<i64> = row.try_get(3).map_err(unreadable)?;
        let Some(revision) = revision else { return Ok(()) };
        if self.lost {
            return Ok(());
        }
        if self.group.as_ref().is_none_or(|group| group.revision != revision) {
            let previous = row.try_get(4).map_err(unreadable)?;
            let nonce =
                Nonce { author: row.try_get(5).map_err(unreadable)?, number: row.try_get(6).map_err(unreadable)? };
            self.publish();
            self.group = Some(Group { revision, previous, nonce, commits: Vec::new() });
        }
        let content: Vec<u8> = row.try_get(7).map_err(unreadable)?;
        let group = self.group.as_mut().expect("there is one now");
        frame::decode(&content, &mut group.commits)
            .map_err(|error| Failure::content(&place, format!("the log's entry {revision}: {error}")))
    }

    pub(super) fn finish(mut self) -> Result<Looked, Failure> {
        self.publish();
        let Some(head) = self.head else {
            return Err(Failure::content(&self.place, "the table store_revision is empty"));
        };
        if self.lost || self.replica.position.revision != head.revision {
            return Ok(Looked::Lost);
        }
        self.replica.position = head;
        Ok(Looked::Current)
    }

    fn publish(&mut self) {
        let Some(group) = self.group.take() else { return };
        if group.previous != self.replica.position.revision {
            self.lost = true;
        }
        if !self.lost {
            // To be remembered whatever becomes of the rest, since it will not come again.
            if group.nonce.author == self.replica.found.author {
                self.replica.found = group.nonce;
            }
            self.replica.publish(group.commits, group.revision);
        }
    }
}
