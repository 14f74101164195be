//! Hears of what other instances commit.

use std::sync::Arc;
use std::time::Duration;

use base::Backoff;
use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Settings;
use super::connect;
use super::failure::{Failure, Place};
use super::writer::{FIRST_WAIT, LONGEST_WAIT};

/// How often a connection that says nothing is asked whether it is still there.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// What the listener has heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// The highest revision.
    pub(super) revision: u64,
    /// How often nothing was heard for a while, so that only looking tells.
    pub(super) gaps: u64,
}

/// Listens on the channel that the writer has found, for ever.
pub(super) async fn listen(
    settings: Arc<Settings>,
    mut channel: watch::Receiver<Option<String>>,
    hints: watch::Sender<Hint>,
    seed: u64,
) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed.rotate_left(17));
    loop {
        let name = channel.borrow_and_update().clone();
        let Some(name) = name else {
            if channel.changed().await.is_err() {
                return;
            }
            continue;
        };
        let ended = match start(&settings, &name).await {
            Ok(mut listener) => {
                backoff.reset();
                // What was said before is lost.
                hints.send_modify(|hint| hint.gaps += 1);
                tokio::select! {
                    failure = hear(&settings, &mut listener, &hints) => failure,
                    // Another channel, or the end.
                    changed = channel.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                }
            }
            Err(failure) => failure,
        };
        tracing::debug!(error = %base::report(&ended), "Not listening to the database");
        // The writer finds out whether it is the listener's connection alone.
        hints.send_modify(|hint| hint.gaps += 1);
        tokio::time::sleep_until(Instant::now() + backoff.next_delay()).await;
    }
}

async fn start(settings: &Settings, channel: &str) -> Result<PgListener, Failure> {
    let endpoint = &settings.primary;
    let place = Place::of(endpoint);
    let connecting = async {
        let options = connect::options(endpoint, &place).await?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(endpoint.connect_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            // A break must be noticed, since what is said meanwhile is not heard.
            listener.eager_reconnect(false);
            listener.listen(channel).await?;
            Ok(listener)
        };
        listening.await.map_err(|cause| Failure::connecting(&place, cause))
    };
    connect::within(&place, endpoint.connect_timeout, connecting).await
}

/// Passes on what is said until the connection breaks.
async fn hear(settings: &Settings, listener: &mut PgListener, hints: &watch::Sender<Hint>) -> Failure {
    let place = Place::of(&settings.primary);
    let broken = || Failure::asking(&place, sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into()));
    loop {
        let heard = match tokio::time::timeout(CHECK_EVERY, listener.try_recv()).await {
            Ok(heard) => heard,
            Err(_) => {
                let check = connect::ask(&place, connect::limit(&settings.primary), listener.execute("SELECT 1"));
                match check.await {
                    Ok(_) => continue,
                    Err(failure) => return failure,
                }
            }
        };
        match heard {
            Ok(Some(notification)) => {
                let revision = notification.payload().parse().unwrap_or(u64::MAX);
                hints.send_modify(|hint| hint.revision = revision);
            }
            Ok(None) => return broken(),
            Err(cause) => return Failure::asking(&place, cause),
        }
    }
}
