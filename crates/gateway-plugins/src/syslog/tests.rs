use serde_json::json;
use tokio::net::UnixDatagram;

use super::{Compiled, compile};
use crate::log::testing::{exchange, log};
use crate::testing::{Lab, configuration, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "log_level": "info", "successful_severity": "info", "client_errors_severity": "info",
        "server_errors_severity": "info", "facility": "user", "custom_fields_by_lua": null,
    });
    assert_eq!(shown("syslog", json!({})), expected);
    let error = configuration("syslog", json!({ "facility": "local8" })).unwrap_err();
    assert!(error["fields"]["config"]["facility"].as_str().unwrap().starts_with("expected one of: auth, authpriv"));
}

/// Which priorities answers with these statuses are logged with; those that are not logged are left out.
async fn priorities(config: serde_json::Value, statuses: &[u16], expected: &[u32]) {
    let lab = Lab::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    let config = configuration("syslog", config).unwrap();
    let plugin: std::sync::Arc<Compiled> = compile(&config, &lab.environment(), &path).unwrap();
    for status in statuses {
        log(&*plugin, &exchange(&lab), *status);
    }
    for priority in expected {
        let mut datagram = vec![0; 65_536];
        let len = socket.recv(&mut datagram).await.unwrap();
        let line = std::str::from_utf8(&datagram[..len]).unwrap();
        let head = format!("<{priority}>Jan  2 03:04:05 kong[{}]: {{\"request\":", std::process::id());
        assert!(line.starts_with(&head), "{line}");
    }
}

#[tokio::test]
async fn severity_is_that_of_the_status() {
    priorities(json!({}), &[200, 404, 500], &[14, 14, 14]).await;
    let config = json!({
        "facility": "local7", "log_level": "warning", "client_errors_severity": "notice",
        "server_errors_severity": "crit",
    });
    priorities(config, &[200, 404, 500], &[186]).await;
}
