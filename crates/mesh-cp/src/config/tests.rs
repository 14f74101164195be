use store::postgres::{Tls, TlsMode};

use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let around = Surroundings { home: Some(PathBuf::from("/home/k")) };
    match Config::load(Some(file), environment, &around) {
        Ok((config, _)) => Ok(config),
        Err(problems) => Err(problems.0.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn nothing_given_is_a_durable_control_plane_on_the_documented_ports() {
    let config = load("", &[]).unwrap();
    assert!(matches!(&config.store, StoreConfig::Sqlite(path) if path.as_os_str() == "/home/k/.kuma/kuma.db"));
    assert_eq!(config.api.http.unwrap().to_string(), "0.0.0.0:5681");
    assert_eq!(config.api.https.unwrap().to_string(), "0.0.0.0:5682");
    assert_eq!(config.admin.local.to_string(), "127.0.0.1:5679");
    assert_eq!((config.diagnostics.port(), config.dp_server.port), (5680, 5678));
    assert_eq!(config.dp_server.authn, DpAuthn::DpToken);
    assert_eq!(config.bootstrap.xds_port, 5678);
    assert_eq!(config.default_mesh.unwrap().name, "default");
    assert_eq!(config.tls, None);
}

#[test]
fn keys_of_old_releases_mean_their_successors() {
    let file = "
apiServer: {port: 15681}
bootstrapServer: {port: 15682}
xdsServer: {grpcPort: 15678, diagnosticsPort: 15680}
dataplaneTokenServer: {local: {port: 15679}}
";
    let config = load(file, &[]).unwrap();
    let port = |address: Option<SocketAddr>| address.unwrap().port();
    assert_eq!((port(config.api.http), port(config.api.https)), (15681, 15682));
    assert_eq!((config.dp_server.port, config.diagnostics.port(), config.admin.local.port()), (15678, 15680, 15679));
    assert_eq!(config.shown()["apiServer"]["http"]["port"], 15681);

    let config = load("apiServer: {port: 1, http: {port: 2}}", &[]).unwrap();
    assert_eq!(port(config.api.http), 2);
    assert_eq!(config.shown()["apiServer"]["port"], 2);
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = [
        ("KUMA_STORE_TYPE", "memory"),
        ("KUMA_API_SERVER_HTTP_PORT", "7"),
        ("KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY", "3s"),
    ];
    let config = load("store: {type: sqlite}\napiServer: {http: {port: 8}}", &environment).unwrap();
    assert!(matches!(config.store, StoreConfig::Memory));
    assert_eq!(config.api.http.unwrap().port(), 7);
    assert_eq!(config.dp_server.deregistration_delay, Duration::from_secs(3));
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let file = "
store: {type: kubernetes}
environment: kubernetes
xdsServer: {dataplaneStatusFlushInterval: soon}
apiServer: {http: {interface: everywhere, port: 70000}, https: {tlsCertFile: /a}}
adminServer: {public: {enabled: true, interface: 0.0.0.0}}
defaults: {mesh: '{type: Mesh, name: UPPER}'}
";
    let problems = load(file, &[]).unwrap_err();
    for path in [
        "store.type: ",
        "environment: ",
        "xdsServer.dataplaneStatusFlushInterval: ",
        "apiServer.http.interface: ",
        "apiServer.http.port: ",
        "apiServer.https.tlsKeyFile: ",
        "adminServer.public.tlsCertFile: ",
        "adminServer.public.clientCertsDir: ",
        "defaults.mesh.name: ",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(path)), "{path} in {problems:#?}");
    }
    assert_eq!(problems.len(), 9, "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.contains("not available in this build yet")));
}

#[test]
fn what_is_shown_has_no_secrets() {
    let config = load("store: {postgres: {password: hunter2}}", &[]).unwrap();
    assert_eq!(config.shown()["store"]["postgres"]["password"], "*****");
    assert!(!config.shown().to_string().contains("hunter2"));
}

#[test]
fn the_default_mesh_can_be_another_or_none() {
    let config = load("defaults: {mesh: '{type: Mesh, name: demo}'}", &[]).unwrap();
    assert_eq!(config.default_mesh.unwrap().name, "demo");
    assert!(load("defaults: {skipMeshCreation: true}", &[]).unwrap().default_mesh.is_none());
}

#[test]
fn every_alias_names_a_key_that_exists() {
    let keys = known_keys();
    for (variable, path) in ENV_ALIASES {
        assert!(keys.contains_key(*path), "{path} of {variable}");
    }
    for (old, new) in legacy::SUCCESSORS {
        assert!(keys.contains_key(*old) && keys.contains_key(*new), "{old} {new}");
    }
}

#[test]
fn a_configuration_as_documented_for_old_releases_is_taken() {
    let file = "
environment: universal
store:
  type: memory
  kubernetes: {systemNamespace: kuma-system}
  postgres:
    host: 127.0.0.1
    port: 15432
    user: kuma
    password: kuma
    dbName: kuma
    connectionTimeout: 5
    tls: {mode: disable, certPath: , keyPath: , caPath: }
bootstrapServer:
  port: 5682
  params: {adminAddress: 127.0.0.1, adminPort: 0, adminAccessLogPath: /dev/null, xdsHost: '', xdsPort: 0, xdsConnectTimeout: 1s}
sdsServer: {grpcPort: 5677, tlsCertFile: , tlsKeyFile: }
monitoringAssignmentServer: {grpcPort: 5676, assignmentRefreshInterval: 1s}
adminServer:
  local: {port: 5679}
  public: {enabled: false, port: 0, interface: , tlsCertFile: , tlsKeyFile: , clientCertsDir: }
  apis: {dataplaneToken: {enabled: true}}
xdsServer:
  grpcPort: 5678
  diagnosticsPort: 5680
  dataplaneConfigurationRefreshInterval: 1s
  dataplaneStatusFlushInterval: 1s
apiServer: {port: 5681, readOnly: false, corsAllowedDomains: ['.*']}
runtime: {kubernetes: {admissionServer: {address: , port: 5443, certDir: }}}
defaults: {mesh: \"type: Mesh\\nname: default\\nmtls:\\n  ca: {}\\n  enabled: false\\n\"}
reports: {enabled: true}
general: {advertisedHostname: localhost}
guiServer: {port: 5683, apiServerUrl: }
";
    let config = load(file, &[]).unwrap();
    assert!(matches!(config.store, StoreConfig::Memory));
    assert_eq!(config.api.cors_allowed_domains, [".*"]);
}

#[test]
fn what_is_set_without_effect_is_told() {
    let file = "
apiServer: {port: 1, authn: {tokens: {validator: {publicKeys: [{kid: '1', key: k}]}}}}
store: {type: memory, postgres: {host: db}}
";
    let environment = [("KUMA_STORE_TIPE".to_owned(), "memory".to_owned())];
    // What only repeats a default changes nothing, whether it is used or not.
    let repeated = [("KUMA_REPORTS_ENABLED".to_owned(), "false".to_owned())];
    let (_, warnings) = Config::load(None, repeated, &Surroundings::default()).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    let (_, warnings) = Config::load(Some(file), environment, &Surroundings::default()).unwrap();
    let paths: Vec<_> = warnings.0.iter().map(|warning| warning.path.as_str()).collect();
    assert!(paths.contains(&"apiServer.authn.tokens.validator.publicKeys"), "{warnings}");
    assert!(paths.contains(&"store.postgres.host"), "{warnings}");
    assert!(warnings.to_string().contains("KUMA_STORE_TIPE"), "{warnings}");
    assert_eq!(warnings.0.len(), 3, "{warnings}");
}

#[test]
fn a_file_with_every_default_spelled_out_changes_nothing() {
    let (config, warnings) = Config::load(Some(DEFAULTS), [], &Surroundings::default()).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(config.tree, Config::with(|_| {}).unwrap().tree);
    for key in ["proxy.gateway.globalDownstreamMaxConnections", "runtime.kubernetes.injector.ebpf.enabled"] {
        assert!(reader::at(&config.tree, key).is_some(), "{key} is a key of the product");
    }
}

#[test]
fn a_database_is_described_by_the_documented_keys_and_variables() {
    let none = load("store: {type: postgres}", &[]).unwrap();
    let StoreConfig::Postgres(settings) = none.store else { panic!("{:?}", none.store) };
    let primary = &settings.primary;
    assert_eq!((primary.host.as_str(), primary.port), ("127.0.0.1", 15432));
    assert_eq!((primary.user.as_str(), primary.password.expose(), primary.database.as_str()), ("kuma", "kuma", "kuma"));
    assert_eq!(primary.tls, Tls::OFF);
    assert_eq!((primary.connect_timeout, settings.max_connections), (Duration::from_secs(5), 50));
    assert!(settings.replica.is_none());

    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, "x").unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    for ca_variable in ["KUMA_STORE_POSTGRES_TLS_CA_PATH", "KUMA_STORE_POSTGRES_TLS_ROOT_CERT_PATH"] {
        let environment = [
            ("KUMA_STORE_TYPE", "postgres"),
            ("KUMA_STORE_POSTGRES_HOST", "db.example"),
            ("KUMA_STORE_POSTGRES_PORT", "5432"),
            ("KUMA_STORE_POSTGRES_USER", "kuma-user"),
            ("KUMA_STORE_POSTGRES_PASSWORD", "kuma-password"),
            ("KUMA_STORE_POSTGRES_DB_NAME", "mesh"),
            ("KUMA_STORE_POSTGRES_CONNECTION_TIMEOUT", "7"),
            ("KUMA_STORE_POSTGRES_MAX_OPEN_CONNECTIONS", "9"),
            ("KUMA_STORE_POSTGRES_MAX_CONNECTION_IDLE_TIME", "2m"),
            ("KUMA_STORE_POSTGRES_DRIVER_NAME", "postgres"),
            ("KUMA_STORE_POSTGRES_TLS_MODE", "verifyFull"),
            (ca_variable, ca.as_str()),
            ("KUMA_STORE_POSTGRES_TLS_CERT_PATH", cert.as_str()),
            ("KUMA_STORE_POSTGRES_TLS_KEY_PATH", key.as_str()),
            ("KUMA_STORE_POSTGRES_READ_REPLICA_HOST", "replica.example"),
            ("KUMA_STORE_POSTGRES_READ_REPLICA_PORT", "5433"),
        ];
        let config = load("", &environment).unwrap();
        let StoreConfig::Postgres(settings) = &config.store else { panic!("{:?}", config.store) };
        let primary = &settings.primary;
        assert_eq!((primary.host.as_str(), primary.port, primary.database.as_str()), ("db.example", 5432, "mesh"));
        assert_eq!((primary.user.as_str(), primary.password.expose()), ("kuma-user", "kuma-password"));
        assert_eq!(primary.tls.mode, TlsMode::VerifyFull);
        assert_eq!(primary.tls.ca.as_deref(), Some(Path::new(&ca)));
        assert_eq!(primary.tls.client, Some((PathBuf::from(&cert), PathBuf::from(&key))));
        assert_eq!((primary.connect_timeout, settings.max_connections), (Duration::from_secs(7), 9));
        assert_eq!(settings.idle_timeout, Duration::from_secs(120));
        let replica = settings.replica.as_ref().unwrap();
        assert_eq!(
            (replica.host.as_str(), replica.port, replica.user.as_str()),
            ("replica.example", 5433, "kuma-user")
        );
        assert!(!config.shown().to_string().contains("kuma-password"));
    }
}

#[test]
fn everything_wrong_with_a_database_is_reported_at_once() {
    let file = "
store:
  type: postgres
  postgres:
    host: ''
    port: 0
    connectionTimeout: 0
    maxOpenConnections: 0
    driverName: odbc
    tls: {mode: verifyCa, caPath: /no/such/file, certPath: /no/such/cert}
    readReplica: {host: r, ratio: 101}
";
    let problems = load(file, &[]).unwrap_err();
    let keys = ["host", "port", "connectionTimeout", "maxOpenConnections", "driverName"];
    let nested = ["tls.caPath", "tls.keyPath", "readReplica.ratio"];
    for key in keys.iter().chain(&nested) {
        let path = format!("store.postgres.{key}: ");
        assert!(problems.iter().any(|problem| problem.starts_with(&path)), "{path} in {problems:#?}");
    }
    assert_eq!(problems.len(), keys.len() + nested.len(), "{problems:#?}");
}

#[test]
fn keys_of_a_database_without_effect_are_told() {
    let file = "store: {type: postgres, postgres: {maxIdleConnections: 3, tls: {disableSSLSNI: true}, host: db}}";
    let (_, warnings) = Config::load(Some(file), [], &Surroundings::default()).unwrap();
    let paths: Vec<_> = warnings.0.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["store.postgres.maxIdleConnections", "store.postgres.tls.disableSSLSNI"], "{warnings}");
}
