//! One leader, and soon another one when it is gone.

use std::time::Instant;

use futures_util::FutureExt;
use testkit::link::Link;

use super::*;

const TAKEOVER: Duration = Duration::from_secs(5);

/// Sessions that hold a role's lock are ended as if the server had thrown them out.
#[tokio::test]
async fn leader_notices_that_it_is_none() {
    let database = server::database().await;
    let settings = server::settings(database.address());
    let (one, two) = (open_now(&settings).await, open_now(&settings).await);
    let mut first = one.lead("a").await.unwrap();
    let mut second = two.lead("a");
    assert!((&mut second).now_or_never().is_none());
    database
        .sql("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())")
        .unwrap();
    let ended = Instant::now();
    let (lost, ()) = tokio::join!(
        async {
            first.lost().await;
            Instant::now()
        },
        async {
            let _second = second.await.unwrap();
            assert!(first_is_over(ended), "the first could not know yet");
        }
    );
    assert!(lost - ended < Duration::from_secs(2), "{:?}", lost - ended);
    assert!(ended.elapsed() < TAKEOVER);
}

/// Whether a leader of before must have noticed by now.
fn first_is_over(ended: Instant) -> bool {
    ended.elapsed() >= Duration::from_millis(1500)
}

#[tokio::test]
async fn leader_that_is_cut_off_is_replaced() {
    let database = server::database().await;
    let link = Link::to(database.address().port).unwrap();
    let one = open_now(&server::settings(&database.address().through(&link))).await;
    let two = open_now(&server::settings(database.address())).await;
    let mut first = one.lead("a").await.unwrap();
    let cut = Instant::now();
    link.refuse();
    let (lost, second) = tokio::join!(
        async {
            first.lost().await;
            Instant::now()
        },
        async {
            let _second = two.lead("a").await.unwrap();
            Instant::now()
        }
    );
    assert!(lost < second, "there were two leaders");
    assert!(lost - cut < Duration::from_secs(2), "{:?}", lost - cut);
    assert!(second - cut < TAKEOVER, "{:?}", second - cut);

    // It stands again as soon as it can.
    let third = one.lead("a");
    link.restore();
    tokio::time::timeout(PATIENCE, third).await.unwrap().unwrap();
}
