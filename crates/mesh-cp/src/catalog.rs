//! `/catalog`: where programs of the old releases find the other servers.

use serde_json::{Value, json};

use crate::config::Config;

/// The addresses of the servers, seen from a caller who reached this one under `host`.
pub fn catalog(config: &Config, host: Option<&str>) -> Value {
    let reached = host.map(without_port).filter(|host| !host.is_empty());
    let host = match (config.advertised_hostname.as_str(), reached) {
        ("localhost" | "", Some(reached)) => reached,
        (advertised, _) => advertised,
    };
    let bootstrap_port = config.api.https.or(config.api.http).map_or(0, |address| address.port());
    let local = format!("http://localhost:{}", config.admin.local.port());
    let public = config
        .admin
        .public
        .as_ref()
        .map_or_else(String::new, |public| format!("https://{host}:{}", public.address.port()));
    let given = &config.catalog;
    let or = |given: &Option<String>, derived: String| given.clone().unwrap_or(derived);
    let servers = json!({ "localUrl": local, "publicUrl": public });
    json!({
        "apis": {
            "bootstrap": { "url": or(&given.bootstrap, format!("http://{host}:{bootstrap_port}")) },
            "dataplaneToken": servers,
            "admin": servers,
            "monitoringAssignment": { "url": or(&given.monitoring_assignment, format!("grpc://{host}:{}", config.mads_port)) },
            "sds": { "url": or(&given.sds, format!("grpcs://{host}:{}", config.sds_port)) },
        }
    })
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_host_the_caller_used_unless_one_is_advertised() {
        let config = Config::with(|_| {}).unwrap();
        let url = |catalog: Value| catalog["apis"]["bootstrap"]["url"].clone();
        assert_eq!(url(catalog(&config, Some("mesh.example:5681"))), "http://mesh.example:5682");
        assert_eq!(url(catalog(&config, Some("[::1]:5681"))), "http://[::1]:5682");
        let config = Config::with(|tree| tree["general"]["advertisedHostname"] = "cp.internal".into()).unwrap();
        assert_eq!(url(catalog(&config, Some("mesh.example:5681"))), "http://cp.internal:5682");
    }
}
