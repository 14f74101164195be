//! Names that others rely on: of clusters and listeners, in certificates, in statistics.

use std::fmt::Write as _;

use mesh_model::Tags;
use mesh_model::tags::{SERVICE, service};
use sha2::{Digest, Sha256};

/// Cluster of an application behind an inbound.
pub(crate) fn local_cluster(port: u16) -> String {
    format!("localhost:{port}")
}

/// Cluster of a destination: its service, and a digest of the tags when more than the service is asked for.
pub(crate) fn cluster(tags: &Tags) -> String {
    let service = service(tags);
    if tags.len() == 1 && tags.contains_key(SERVICE) {
        return service.to_owned();
    }
    let mut digest = Sha256::new();
    for (key, value) in tags {
        digest.update(key);
        digest.update(value);
    }
    let digest = digest.finalize();
    let mut name = format!("{service}-");
    for byte in digest.iter().take(8) {
        write!(name, "{byte:02x}").expect("a String takes everything");
    }
    name
}

/// Listener of an inbound.
pub(crate) fn inbound_listener(address: &str, port: u16) -> String {
    format!("inbound:{}:{port}", bracketed(address))
}

/// Listener of an outbound.
pub(crate) fn outbound_listener(address: &str, port: u16) -> String {
    format!("outbound:{}:{port}", bracketed(address))
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// Secret with the trust anchors of a mesh.
pub(crate) fn mesh_ca(mesh: &str) -> String {
    format!("mesh_ca:secret:{mesh}")
}

/// Secret with the certificate of the proxy that asks.
pub(crate) fn identity(mesh: &str) -> String {
    format!("identity_cert:secret:{mesh}")
}

/// Secret with the authority of those who may ask for administration interfaces.
pub(crate) const ADMIN_CA: &str = "envoy_admin:ca";

/// Secret with the certificate of a proxy's administration interface.
pub(crate) const ADMIN_IDENTITY: &str = "envoy_admin:cert";

/// Identity of a service in certificates.
pub(crate) fn spiffe(mesh: &str, service: &str) -> String {
    format!("spiffe://{mesh}/{service}")
}

/// Server name that tells a destination apart: `service{key=value,...,mesh=name}`, keys sorted.
pub(crate) fn sni(mesh: &str, tags: &Tags) -> String {
    let mut all: Tags = tags.iter().filter(|(key, _)| *key != SERVICE).map(|(k, v)| (k.clone(), v.clone())).collect();
    all.insert("mesh".to_owned(), mesh.to_owned());
    let pairs: Vec<_> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{}{{{}}}", service(tags), pairs.join(","))
}

/// A name as it may stand in the name of a statistic.
pub(crate) fn metric(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    name.chars().map(plain).collect()
}

/// Value of the header that tells a server who calls: `&key=value,value&&key=value&`, keys sorted.
pub(crate) fn tags_header<'a>(sources: impl Iterator<Item = &'a Tags>) -> String {
    let mut values: std::collections::BTreeMap<&str, std::collections::BTreeSet<&str>> = Default::default();
    for (key, value) in sources.flatten() {
        values.entry(key).or_default().insert(value);
    }
    values
        .iter()
        .map(|(key, values)| format!("&{key}={}&", values.iter().copied().collect::<Vec<_>>().join(",")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_cluster_of_a_whole_service_has_its_name() {
        assert_eq!(cluster(&tags(&[(SERVICE, "db")])), "db");
    }

    #[test]
    fn a_cluster_of_some_endpoints_has_a_digest() {
        assert_eq!(cluster(&tags(&[(SERVICE, "db"), ("role", "replica")])), "db-c182dd9f4bf584d7");
        assert_eq!(cluster(&tags(&[(SERVICE, "db"), ("role", "master")])), "db-f7d9086d4169338b");
    }

    #[test]
    fn a_server_name_has_its_tags_sorted() {
        assert_eq!(sni("default", &tags(&[(SERVICE, "backend")])), "backend{mesh=default}");
        assert_eq!(
            sni("mesh1", &tags(&[(SERVICE, "db"), ("role", "master"), ("az", "1")])),
            "db{az=1,mesh=mesh1,role=master}"
        );
    }

    #[test]
    fn listeners_bracket_ipv6() {
        assert_eq!(inbound_listener("10.0.0.1", 80), "inbound:10.0.0.1:80");
        assert_eq!(outbound_listener("::1", 80), "outbound:[::1]:80");
    }

    #[test]
    fn the_tags_header_joins_values_of_a_key() {
        let header = tags_header([tags(&[(SERVICE, "web"), ("v", "1")]), tags(&[(SERVICE, "api")])].iter());
        assert_eq!(header, "&kuma.io/service=api,web&&v=1&");
    }

    #[test]
    fn statistics_have_no_dots_colons_or_slashes() {
        assert_eq!(metric("localhost:8080"), "localhost_8080");
        assert_eq!(metric("inbound:10.0.0.1:80"), "inbound_10_0_0_1_80");
        assert_eq!(metric("web-1"), "web-1");
    }
}
