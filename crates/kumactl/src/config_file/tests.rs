use super::*;

const FILE: &str = "\
controlPlanes:
- name: test1
  coordinates:
    apiServer:
      url: https://test1.internal:5681
      headers:
      - key: abc
        value: xyz
      authType: tokens
      authConf:
        token: s3cret
contexts:
- name: test1
  controlPlane: test1
  defaults:
    mesh: demo
  credentials:
    dataplaneTokenApi:
      clientCert: /c.pem
      clientKey: /k.pem
- name: elsewhere
  controlPlane: test1
currentContext: elsewhere
fromTheFuture:
  kept: true
";

fn other() -> ControlPlane {
    ControlPlane { name: "other".into(), ..ControlPlane::default() }
}

#[test]
fn a_round_trip_keeps_everything() {
    let config = ConfigFile::from_yaml(FILE).unwrap();
    let again = ConfigFile::from_yaml(&config.to_yaml().unwrap()).unwrap();
    assert_eq!(again, config);
    let text = config.to_yaml().unwrap();
    assert!(text.contains("kept: true"), "{text}");
    assert!(text.contains("clientCert: /c.pem"), "{text}");
}

#[test]
fn what_is_shown_holds_no_secret() {
    let shown = ConfigFile::from_yaml(FILE).unwrap().masked().to_yaml().unwrap();
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("xyz"), "{shown}");
}

#[test]
fn removing_a_control_plane_removes_its_contexts() {
    let mut config = ConfigFile::from_yaml(FILE).unwrap();
    config.upsert(other(), None);
    assert_eq!(config.current_context, "other");
    assert!(config.switch("test1"));
    assert_eq!(config.current_context, "test1");
    assert!(!config.remove("nobody"));
    assert!(config.remove("test1"));
    assert_eq!(config.contexts.len(), 1);
    assert_eq!(config.current_context, "other");
    assert!(config.remove("other"));
    assert_eq!(config.current_context, "");
    assert!(config.active_context().is_err());
}

#[test]
fn the_file_is_private_and_replaced_as_a_whole() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new").join("config");
    assert_eq!(ConfigFile::load(&path).unwrap(), ConfigFile::built_in());
    ConfigFile::from_yaml(FILE).unwrap().save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    ConfigFile::built_in().save(&path).unwrap();
    assert_eq!(ConfigFile::load(&path).unwrap(), ConfigFile::built_in());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn empty_files_are_read_and_bad_ones_named() {
    for empty in ["", "\n", "# nothing\n", "---\n"] {
        assert_eq!(ConfigFile::from_yaml(empty).unwrap(), ConfigFile::default(), "{empty:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, "controlPlanes: 7").unwrap();
    let error = format!("{:#}", ConfigFile::load(&path).unwrap_err());
    assert!(error.contains("config is not valid: controlPlanes: invalid type"), "{error}");
}
