//! Each back end against the suite.

mod memory {
    use store::conformance::Lab;

    async fn lab() -> Lab {
        Lab::new(async |clock| store::memory::open(clock)).await
    }

    store::conformance!(lab);
}

mod sqlite {
    use std::sync::Arc;

    use store::conformance::Lab;

    async fn lab() -> Lab {
        let folder = Arc::new(tempfile::tempdir().expect("there is a place for temporary files"));
        Lab::new(move |clock| {
            let folder = folder.clone();
            async move { store::sqlite::open(&folder.path().join("store.db"), clock).await.expect("the file opens") }
        })
        .await
    }

    store::conformance!(lab);

    mod durable {
        use super::lab;

        store::conformance_durable!(lab);
    }
}

mod postgres {
    use std::sync::Arc;

    use store::conformance::Lab;

    use crate::all::server;

    async fn lab() -> Lab {
        let database = Arc::new(server::database().await);
        Lab::new(move |clock| {
            let database = database.clone();
            async move {
                let settings = server::settings(database.address());
                store::postgres::open(settings, clock).await.expect("the database is prepared")
            }
        })
        .await
    }

    store::conformance!(lab);

    mod durable {
        use super::lab;

        store::conformance_durable!(lab);
    }

    mod shared {
        use super::lab;

        store::conformance_shared!(lab);
    }
}
