use serde_json::{Value, json};

use super::FileLog;
use crate::log::testing::{exchange, log, until};
use crate::testing::{Lab, configuration, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({ "path": "/tmp/f.log", "reopen": false, "custom_fields_by_lua": null });
    assert_eq!(shown("file-log", json!({ "path": "/tmp/f.log" })), expected);
    for (config, field, message) in
        [(json!({}), "path", "required field missing"), (json!({ "path": "/tmp/*" }), "path", "not a valid filename")]
    {
        assert_eq!(configuration("file-log", config).unwrap_err()["fields"]["config"][field], message);
    }
    for fine in [json!({}), json!({ "a.b": "return 1" })] {
        assert!(configuration("file-log", json!({ "path": "/a", "custom_fields_by_lua": fine })).is_ok());
    }
    let error = configuration("file-log", json!({ "path": "/a", "custom_fields_by_lua": { "a": "x y" } })).unwrap_err();
    let told = error["fields"]["config"]["custom_fields_by_lua"].to_string();
    assert!(told.contains("Error parsing function: "), "{told}");
}

#[tokio::test]
async fn operators_may_make_fields() {
    let lab = Lab::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let fields = json!({
        "tenant": "return kong.request.get_header('x-dup')", "response.code": "return kong.response.get_status() + 1",
        "new.deep.list": "return { 1, 'x' }", "client_ip": "return nil", "request.id.x": "return 1", "bad": "error('x')",
    });
    let plugin = lab.plugin(&FileLog, json!({ "path": path, "custom_fields_by_lua": fields }));
    log(&*plugin, &exchange(&lab), 200);
    let line = lines(&path, 1).await.remove(0);
    assert_eq!((&line["tenant"], &line["response"]["code"]), (&json!("a"), &json!(201)));
    assert_eq!(line["new"]["deep"]["list"], json!([1, "x"]));
    assert_eq!((line.get("client_ip"), line.get("bad")), (None, None));
    assert_eq!(line["request"]["method"], "GET", "what is there stays");
}

async fn lines(path: &std::path::Path, count: usize) -> Vec<Value> {
    until(|| {
        let text = std::fs::read_to_string(path).ok()?;
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() == count).then_some(lines)
    })
    .await
}

#[tokio::test]
async fn lines_are_appended() {
    let lab = Lab::new();
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("log"), directory.path().join("moved"));
    let plugin = lab.plugin(&FileLog, json!({ "path": path, "reopen": true }));
    assert!(plugin.phases().log);
    log(&*plugin, &exchange(&lab), 200);
    log(&*plugin, &exchange(&lab), 200);
    assert_eq!(lines(&path, 2).await[1]["response"]["status"], 200);
    std::fs::rename(&path, &moved).unwrap();
    log(&*plugin, &exchange(&lab), 200);
    assert_eq!(lines(&path, 1).await[0]["service"]["name"], "service");
    assert_eq!(lines(&moved, 2).await.len(), 2);

    let kept = lab.plugin(&FileLog, json!({ "path": path }));
    log(&*kept, &exchange(&lab), 200);
    lines(&path, 2).await;
    std::fs::rename(&path, &moved).unwrap();
    log(&*kept, &exchange(&lab), 200);
    lines(&moved, 3).await;
}
