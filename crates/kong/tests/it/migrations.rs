//! `kong migrations …` and `kong start` against a real server.

use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::free_port;
use testkit::postgres::{self, Address, Database};

use crate::node::{Said, Settings};

async fn empty() -> Database {
    postgres::shared().await.unwrap().database().await.unwrap()
}

#[tokio::test]
async fn a_database_is_bootstrapped_looked_at_and_reset() {
    let database = empty().await;
    let node = Settings::new(database.address());
    let needs_bootstrap = "Database needs bootstrapping; run 'kong migrations bootstrap'";
    let said = node.run("migrations list");
    assert_eq!((said.code, said.out.as_str()), (3, needs_bootstrap), "{said:?}");
    let said = node.run("migrations status");
    assert_eq!(said.code, 3);
    assert!(said.out.contains("\"needs_bootstrap\":true"), "{said:?}");
    let said = node.run("migrations up");
    assert!(said.code == 1 && said.err.contains("kong migrations bootstrap"), "{said:?}");
    let said = node.run("migrations finish");
    assert!(said.code == 1 && said.err.contains("kong migrations bootstrap"), "{said:?}");
    let said = node.run("migrations reset --yes");
    assert_eq!((said.code, said.out.as_str()), (1, "Database not bootstrapped, nothing to reset"), "{said:?}");

    assert_eq!(node.out("migrations bootstrap"), "Bootstrapping database...\nDatabase is up-to-date");
    assert_eq!(node.out("migrations bootstrap"), "Database already bootstrapped");
    assert_eq!(node.out("migrations up"), "Database is already up-to-date");
    assert_eq!(node.out("migrations finish"), "No pending migrations to finish");
    assert!(node.out("migrations list").starts_with("Executed migrations:\n"));
    assert!(node.out("migrations status").contains("\"needs_bootstrap\":false"));
    assert_eq!(node.out("migrations up -q"), "");

    let said = node.run("migrations reset");
    assert!(said.code == 1 && said.err.contains("not a tty"), "{said:?}");
    assert_eq!(node.out("migrations reset -y"), "Resetting database...\nDatabase successfully reset");
    assert_eq!(node.run("migrations list").code, 3);
    node.out("migrations bootstrap");
    let again = node.out("migrations bootstrap --force");
    assert!(again.starts_with("Resetting database...") && again.ends_with("Database is up-to-date"), "{again}");
}

#[tokio::test]
async fn several_may_bootstrap_at_once() {
    let database = empty().await;
    let node = Settings::new(database.address());
    let start = || {
        let mut command = node.command("migrations bootstrap");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..6).map(|_| start()).collect();
    for child in children {
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.ends_with("up-to-date") || said.out.ends_with("bootstrapped"), "{said:?}");
    }
    assert_eq!(node.run("migrations list").code, 0);
}

#[tokio::test]
async fn a_node_refuses_a_database_that_is_not_prepared_and_says_what_to_do() {
    let database = empty().await;
    let node = Settings::new(database.address());
    let said = node.run("start");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("Database needs bootstrapping; run 'kong migrations bootstrap'"), "{said:?}");
    for command in ["config db_export", "config db_import nowhere.yml"] {
        assert_eq!(node.run(command).code, 1, "{command}");
    }
    assert!(node.out("start --run-migrations").contains("Kong started"));
    assert!(node.out("health").contains("healthy"));
    assert!(node.out("stop").contains("stopped"));

    // What a later version leaves behind.
    database.sql("update store_schema set version = 1000").unwrap();
    for command in ["start", "start --run-migrations", "migrations up", "migrations list", "migrations bootstrap"] {
        let said = node.run(command);
        assert_eq!(said.code, 1, "{command}: {said:?}");
        assert!(said.err.contains("later version"), "{command}: {said:?}");
    }
    // And an earlier one.
    database.sql("update store_schema set version = 0").unwrap();
    let said = node.run("start");
    assert!(said.code == 1 && said.err.contains("run 'kong migrations up'"), "{said:?}");
    let said = node.run("migrations list");
    assert!(said.code == 5 && said.out.contains("New migrations available"), "{said:?}");
    let said = node.run("migrations status");
    assert!(said.code == 5 && said.out.contains("\"new_migrations\":[\"core\"]"), "{said:?}");
    assert!(node.out("migrations bootstrap").contains("run 'kong migrations up'"));
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_then_told() {
    let nobody = Address {
        host: "127.0.0.1".to_owned(),
        port: free_port().unwrap(),
        user: "u".to_owned(),
        password: "hush".to_owned(),
        database: "d".to_owned(),
    };
    let node = Settings::new(&nobody);
    let begin = Instant::now();
    let said = node.run("start");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("the database at 127.0.0.1:{} is not available", nobody.port)), "{said:?}");
    assert!(!said.err.contains("hush"));
    assert!((Duration::from_secs(5)..Duration::from_secs(30)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn exports_and_imports_do_not_mind_nodes_that_run() {
    let database = empty().await;
    let node = Settings::new(database.address());
    node.out("migrations bootstrap");
    node.out("start");
    let file = node.prefix.path().join("in.yml");
    let text =
        "_format_version: \"3.0\"\nconsumers:\n- username: ann\n  tags: [t]\n  keyauth_credentials:\n  - key: k\n";
    std::fs::write(&file, text).unwrap();
    assert_eq!(node.out(&format!("config db_import {}", file.display())), "import successful");
    let out = node.prefix.path().join("out.yml");
    node.out(&format!("config db_export {}", out.display()));
    let exported = std::fs::read_to_string(&out).unwrap();
    assert!(exported.contains("ann") && exported.contains("keyauth_credentials"), "{exported}");
    node.out("stop");
}
