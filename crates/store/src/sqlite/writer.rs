//! Decides transactions, makes them durable, publishes them, in this order.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::database::{Database, WriteError};
use super::{answer, unavailable};
use crate::StoreError;
use crate::record::{Committed, Op};
use crate::shared::Shared;

/// The most transactions that share an fsync.
const MAX_GROUP: usize = 256;

/// A transaction somebody waits for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) ops: Vec<Op>,
    pub(super) done: oneshot::Sender<Result<Arc<Committed>, StoreError>>,
}

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    pub(super) database: Database,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, database: Database) -> Self {
        Self { shared, database }
    }

    /// Writes until no sender of requests is left and none waits.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while queue.recv_many(&mut group, MAX_GROUP).await > 0 {
            self.commit(group.drain(..)).await;
        }
        self.database.close().await;
    }

    pub(super) async fn commit(&mut self, group: impl Iterator<Item = Request>) {
        let (outcome, (expired, results)) = self.shared.attempt(|overlay| {
            let expired = overlay.expire();
            let results: Vec<_> = group.map(|request| (request.done, overlay.transact(request.ops))).collect();
            (expired, results)
        });
        if !outcome.records.is_empty() {
            if let Err(error) = self.database.write(&outcome).await {
                tracing::error!(error = %base::report(&error), "Cannot write to the store's file");
                return refuse(results.into_iter().map(|(done, _)| done), error);
            }
            let accepted = results.iter().filter_map(|(_, result)| result.as_ref().ok().cloned());
            self.shared.publish(outcome, expired.into_iter().chain(accepted));
        }
        for (done, result) in results {
            answer(done, result);
        }
    }
}

/// Tells all that nothing was changed; also those whose transaction was refused, since that may have been for what
/// another transaction of the group did.
fn refuse(callers: impl Iterator<Item = oneshot::Sender<Result<Arc<Committed>, StoreError>>>, error: WriteError) {
    let error = Arc::new(error);
    for caller in callers {
        answer(caller, Err(unavailable(error.clone())));
    }
}
