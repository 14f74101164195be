//! What commands say, as scripts look for it.

use std::fs;

use testkit::postgres::Address;

use super::node::Settings;

fn embedded() -> Settings {
    let [user, password, database] = ["kong", "kong", "kong"].map(str::to_owned);
    let nowhere = Address { host: "127.0.0.1".to_owned(), port: 1, user, password, database };
    Settings::new(&nowhere).with("database", "sqlite")
}

#[test]
fn commands_say_why_they_refuse() {
    let node = embedded();
    let prefix = node.prefix.path().display().to_string();
    for (line, told) in [
        ("start -c foobar.conf", "Error: no file at: foobar.conf".to_owned()),
        ("check foobar.conf", "Error: no file at: foobar.conf".to_owned()),
        ("stop", format!("Error: nginx not running in prefix: {prefix}")),
        ("reload", format!("Error: nginx not running in prefix: {prefix}")),
        ("health", format!("Error: Kong is not running at {prefix}")),
        ("health -p /nonexistent/x", "Error: no such prefix: /nonexistent/x".to_owned()),
    ] {
        let said = node.run(line);
        assert_eq!((said.code, &said.err), (1, &told), "{line}: {said:?}");
    }
}

#[test]
fn commands_say_what_they_found() {
    let node = embedded();
    let file = node.prefix.path().join("kong.conf");
    fs::write(&file, "log_level = debug\n").unwrap();
    let file = file.display();
    assert_eq!(node.out(&format!("check {file}")), format!("configuration at {file} is valid"));
    assert_eq!(node.out("version"), "3.9.3");
    assert!(node.out("version -a").starts_with("Kong: 3.9.3\n"));
    assert_eq!(node.out("start"), "Kong started");
    let again = node.run("start");
    assert_eq!(again.err, format!("Error: Kong is already running in {}", node.prefix.path().display()));
    assert!(node.out("health").ends_with(&format!("Kong is healthy at {}", node.prefix.path().display())));
    assert_eq!(node.out("stop"), "Kong stopped");
}
