//! A real PostgreSQL server.

use store::postgres::{Settings, migrate};
use testkit::postgres::{Address, Database, Options, Server};
use tokio::sync::OnceCell;

/// The server of these tests. None of them cuts the power, so that it need not wait for the disk.
pub(super) async fn shared() -> &'static Server {
    static SHARED: OnceCell<Server> = OnceCell::const_new();
    let options = Options { fsync: false, ..Options::default() };
    SHARED.get_or_try_init(|| Server::start(options)).await.expect("PostgreSQL is installed")
}

/// A database of one test, with the store's schema and nothing in it.
pub(super) async fn database() -> Database {
    let prepared = shared().await.database_from("store", |address| async move {
        migrate(&settings(&address)).await?;
        Ok(())
    });
    prepared.await.expect("the server makes databases")
}

/// How to use it.
pub(super) fn settings(address: &Address) -> Settings {
    Settings::plain(&address.host, address.port, &address.user, &address.password, &address.database)
}
