use std::io::Write as _;
use std::process::{Command, Stdio};

use store::postgres::{SchemaStatus, Settings};

use crate::support::Bench;

/// The printed schema, as psql takes it from a pipe, is the one that control planes want; taken twice as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_takes_the_schema_and_it_is_the_current_one() {
    let database = testkit::postgres::shared().await.unwrap().database().await.unwrap();
    let address = database.address();
    let settings = Settings::plain(&address.host, address.port, &address.user, &address.password, &address.database);
    assert_eq!(store::postgres::status(&settings).await.unwrap(), SchemaStatus::Absent);
    let schema = Bench::new().run("install database-schema --target=postgres").await.stdout;
    for _ in 0..2 {
        let mut psql = Command::new("psql");
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--host",
            &address.host,
            "--user",
            &address.user,
        ]);
        psql.args(["--port", &address.port.to_string(), "--dbname", &address.database]);
        psql.env("PGPASSWORD", &address.password);
        let mut psql = psql.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        psql.stdin.take().unwrap().write_all(schema.as_bytes()).unwrap();
        let done = psql.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(store::postgres::status(&settings).await.unwrap(), SchemaStatus::Current);
    }
    let migrated = store::postgres::migrate(&settings).await.unwrap();
    assert_eq!(migrated.from, migrated.to);
}
