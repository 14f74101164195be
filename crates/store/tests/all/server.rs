//! A real PostgreSQL server.

use std::time::Duration;

use base::Secret;
use store::postgres::{Endpoint, Settings, Tls, migrate};
use testkit::postgres::{Address, Database, shared};

/// A database of one test, with the store's schema and nothing in it.
pub(super) async fn database() -> Database {
    let server = shared().await.expect("PostgreSQL is installed");
    let prepared = server.database_from("store", |address| async move {
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
