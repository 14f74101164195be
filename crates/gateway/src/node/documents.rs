//! The database's documents for plugins on workers.

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use gateway_model::entity::EntitySchema;
use gateway_model::error::DaoError;
use gateway_proxy::pdk::documents::{Call, DocumentsUnavailable};
use runtime::tasks::Shutdown;
use tokio::sync::mpsc;
use tracing::warn;

use crate::dao::{By, Dao};

/// How many calls are under way at a time; what the store gets at once it writes at once.
const AT_ONCE: usize = 128;

/// Answers calls until shutdown.
pub(super) async fn serve(dao: Dao, mut calls: mpsc::Receiver<Call>, mut shutdown: Shutdown) {
    let mut under_way: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            call = calls.recv(), if under_way.len() < AT_ONCE => match call {
                Some(call) => under_way.push(Box::pin(answer(&dao, call))),
                None => return,
            },
            Some(()) = under_way.next() => {}
            () = shutdown.wait() => return,
        }
    }
}

/// A plugin that is gone wants no answer.
async fn answer(dao: &Dao, call: Call) {
    match call {
        Call::Find { collection, field, value, answer } => {
            let found = match entity(dao, collection) {
                Ok(entity) => dao.select_unique(entity, field, &value).await.map_err(told),
                Err(error) => Err(error),
            };
            answer.send(found).ok();
        }
        Call::Insert { collection, document, answer } => {
            let made = match entity(dao, collection) {
                Ok(entity) => dao.insert(entity, document).await.map(drop).map_err(told),
                Err(error) => Err(error),
            };
            answer.send(made).ok();
        }
        Call::Delete { collection, id, answer } => {
            let gone = match entity(dao, collection) {
                Ok(entity) => dao.delete(entity, By::Id(&id)).await.map_err(told),
                Err(error) => Err(error),
            };
            answer.send(gone).ok();
        }
    }
}

fn entity<'a>(dao: &'a Dao, collection: &str) -> Result<&'a EntitySchema, DocumentsUnavailable> {
    let missing = || DocumentsUnavailable(format!("there are no {collection}"));
    dao.registry().entity(collection).ok_or_else(missing)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn told(error: DaoError) -> DocumentsUnavailable {
    if let DaoError::Database(text) | DaoError::Unavailable { text, .. } = &error {
        warn!(error = %text, "What a plugin asks of the database cannot be done");
    }
    DocumentsUnavailable(error.message())
}
