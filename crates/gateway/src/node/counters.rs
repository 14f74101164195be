//! The store's counters for plugins on workers.

use gateway_proxy::pdk::counters::Additions;
use runtime::tasks::Shutdown;
use store::{Increment, Store};
use tracing::warn;

/// Puts together what workers add at the same time, until shutdown: whoever asks while the store is at work is in the
/// next batch.
pub(super) async fn serve(store: Store, mut additions: Additions, mut shutdown: Shutdown) {
    let mut is_away = false;
    loop {
        let batch = tokio::select! {
            batch = additions.next() => batch,
            () = shutdown.wait() => return,
        };
        let Some(batch) = batch else { return };
        let increments =
            batch.increments().iter().map(|of| Increment { key: of.key.clone(), by: of.by, expires: of.expires });
        match store.add(increments.collect()).await {
            Ok(counts) => {
                batch.answer(Some(&counts));
                is_away = false;
            }
            Err(error) => {
                batch.answer(None);
                if !std::mem::replace(&mut is_away, true) {
                    warn!(error = %base::report(&error), "Shared counters are not available");
                }
            }
        }
    }
}
