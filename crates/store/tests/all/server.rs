//! A real PostgreSQL server.

use std::time::Duration;

use base::Secret;
use store::postgres::{Endpoint, Settings, Tls, migrate};
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
    Settings {
        primary: endpoint(address),
        replica: None,
        idle_timeout: Duration::from_secs(60),
        commit_timeout: Duration::from_secs(10),
        max_connections: 4,
    }
}

/// The way there, in the clear.
pub(super) fn endpoint(address: &Address) -> Endpoint {
    Endpoint {
        host: address.host.clone(),
        port: address.port,
        user: address.user.clone(),
        password: Secret::new(address.password.clone()),
        database: address.database.clone(),
        schema: None,
        tls: Tls::OFF,
        connect_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_secs(5),
    }
}
