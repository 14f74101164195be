//! Migrations, and who refuses what.

use futures_util::future::join_all;
use store::postgres::{Migrated, SchemaStatus, migrate, reset, schema_sql, status};
use store::{SchemaMismatch, StoreError};
use testkit::postgres::Database;

use super::*;

async fn empty() -> (Database, Settings) {
    let database = server::shared().await.database().await.unwrap();
    let settings = server::settings(database.address());
    (database, settings)
}

async fn mismatch(settings: &Settings) -> SchemaMismatch {
    match open(settings.clone(), Arc::new(SystemClock)).await {
        Err(StoreError::Schema(mismatch)) => mismatch,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn schema_comes_and_goes() {
    let (_database, settings) = empty().await;
    assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Absent);
    assert_eq!(mismatch(&settings).await, SchemaMismatch::Absent);
    assert!(refusal(&settings).await.contains("run the migrations"));

    assert_eq!(migrate(&settings).await.unwrap(), Migrated { from: 0, to: 1 });
    assert_eq!(migrate(&settings).await.unwrap(), Migrated { from: 1, to: 1 });
    assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Current);
    open_now(&settings).await.commit(create("a")).await.unwrap();
    assert!(has(&open_now(&settings).await, "a").await);

    for _ in 0..2 {
        reset(&settings).await.unwrap();
        assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Absent);
    }
    migrate(&settings).await.unwrap();
    assert_eq!(count(&open_now(&settings).await).await, 0);
}

#[tokio::test]
async fn other_versions_are_refused() {
    let (database, settings) = empty().await;
    migrate(&settings).await.unwrap();
    database.sql("update store_schema set version = 99").unwrap();
    assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Newer { found: 99, known: 1 });
    assert_eq!(mismatch(&settings).await, SchemaMismatch::Newer { found: 99, known: 1 });
    let refused = migrate(&settings).await;
    assert!(matches!(refused, Err(StoreError::Schema(SchemaMismatch::Newer { .. }))), "{refused:?}");

    database.sql("update store_schema set version = 0").unwrap();
    assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Older { found: 0, known: 1 });
    assert_eq!(mismatch(&settings).await, SchemaMismatch::Older { found: 0, known: 1 });
}

#[tokio::test]
async fn tables_of_others_are_left_alone() {
    let (database, settings) = empty().await;
    database.sql("create table store_products (id int); create table store_record (id int)").unwrap();
    assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Foreign);
    for result in [migrate(&settings).await.map(drop), reset(&settings).await] {
        assert!(matches!(result, Err(StoreError::Schema(SchemaMismatch::Foreign))), "{result:?}");
    }
    database.sql("drop table store_record").unwrap();
    migrate(&settings).await.unwrap();
    reset(&settings).await.unwrap();
    assert_eq!(database.sql("select count(*) from store_products").unwrap(), "0");
}

#[tokio::test]
async fn many_may_migrate_at_once() {
    let (_database, settings) = empty().await;
    let migrated = join_all((0..8).map(|_| migrate(&settings))).await;
    let first = migrated.into_iter().map(Result::unwrap).filter(|migrated| migrated.from == 0).count();
    assert_eq!(first, 1);
}

#[tokio::test]
async fn psql_can_do_it_too() {
    let (database, settings) = empty().await;
    let sql = format!("set role {}; {}", settings.primary.user, schema_sql());
    for _ in 0..2 {
        database.sql(&sql).unwrap();
        assert_eq!(status(&settings).await.unwrap(), SchemaStatus::Current);
        open_now(&settings).await;
    }
    assert_eq!(migrate(&settings).await.unwrap(), Migrated { from: 1, to: 1 });
    database.sql("update store_schema set version = 99").unwrap();
    assert!(format!("{:?}", database.sql(&sql)).contains("later version"));
}

#[tokio::test]
async fn schemas_are_apart() {
    let (database, mut settings) = empty().await;
    let user = settings.primary.user.clone();
    let mut stores = Vec::new();
    for name in ["one", "Zwei \" 2"] {
        database.sql(&format!("create schema \"{}\" authorization {user}", name.replace('"', "\"\""))).unwrap();
        settings.primary.schema = Some(name.to_owned());
        migrate(&settings).await.unwrap();
        let store = open_now(&settings).await;
        let role = store.lead("a").await.unwrap();
        store.commit(create(name)).await.unwrap();
        let expires = jiff::Timestamp::MAX;
        let counts = store.add(vec![store::Increment { key: "a".into(), by: 1, expires }]).await.unwrap();
        assert_eq!((count(&store).await, counts), (1, vec![1]));
        stores.push((store, role));
    }
    settings.primary.schema = Some("absent".to_owned());
    let text = refusal(&settings).await;
    assert!(text.contains("no schema absent"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let (database, settings) = empty().await;
    let text = |change: fn(&mut Settings)| {
        let mut settings = settings.clone();
        change(&mut settings);
        async move { refusal(&settings).await }
    };
    let password = text(|settings| settings.primary.password = base::Secret::new("wrong-secret")).await;
    assert!(password.contains("check the user and the password"), "{password}");
    let place = format!("127.0.0.1:{} (database {}, user", settings.primary.port, settings.primary.database);
    assert!(password.contains(&place), "{password}");
    let absent = text(|settings| settings.primary.database = "absent".to_owned()).await;
    assert!(absent.contains("check the name of the database"), "{absent}");
    let refused = text(|settings| settings.primary.port = 1).await;
    assert!(
        refused.contains("cannot connect to PostgreSQL at 127.0.0.1:1 ") && refused.contains("refused"),
        "{refused}"
    );
    let nowhere = text(|settings| settings.primary.host = "host.invalid".to_owned()).await;
    assert!(nowhere.contains("host.invalid"), "{nowhere}");
    drop(database);
}

#[tokio::test]
async fn damaged_row_is_named() {
    let (database, settings) = empty().await;
    migrate(&settings).await.unwrap();
    for damage in ["details = 'x'", "body = '\\xff'"] {
        reset(&settings).await.unwrap();
        migrate(&settings).await.unwrap();
        open_now(&settings).await.commit(create("the-row")).await.unwrap();
        database.sql(&format!("update store_record set {damage}")).unwrap();
        let error = open(settings.clone(), Arc::new(SystemClock)).await.expect_err("it is damaged");
        let text = base::report(&error);
        assert!(matches!(error, StoreError::Corrupt(_)) && text.contains("thing/the-row: column"), "{text}");
    }
}
