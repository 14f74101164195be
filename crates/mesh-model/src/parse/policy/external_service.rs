//! `ExternalService`.

use crate::parse::net;
use crate::parse::policy::data_source;
use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::{self, Rules, ServiceRule};
use crate::policy::{ExternalService, ExternalTls};
use crate::tags::{PROTOCOL, SERVICE, Tags};

pub(in crate::parse) fn read(service: &Object<'_, '_>) -> ExternalService {
    let networking = service.field("networking");
    if !networking.is_present() {
        networking.problem("should have networking");
    }
    let mut result = networking.section(self::networking);
    let field = service.field("tags");
    result.tags = tags::tags(&field, Rules { service: ServiceRule::Required, ..Rules::VALUES });
    if let Some(word) = result.tags.get(PROTOCOL).filter(|word| !tags::is_protocol(word)) {
        let message = format!("tag {PROTOCOL:?} has an invalid value {word:?}. {}", tags::PROTOCOLS);
        field.problem_at_key(PROTOCOL, message);
    }
    if result.tags.get(SERVICE).is_some_and(|service| !service.is_empty() && *service == result.host) {
        field.problem_at_key(SERVICE, "cannot be the same as networking.address");
    }
    result
}

fn networking(networking: &Object<'_, '_>) -> ExternalService {
    let (host, port) = address(&networking.field("address")).unwrap_or_default();
    networking.field("disableHostDNSEntry").flag();
    ExternalService { host, port, tls: networking.field("tls").object(tls), tags: Tags::default() }
}

fn address(field: &Cursor<'_, '_>) -> Option<(String, u16)> {
    let Some(address) = field.filled() else {
        if !matches!(field.raw(), Some(value) if !value.is_string()) {
            field.problem("address can't be empty");
        }
        return None;
    };
    let Some((host, port)) = net::split_host_port(&address) else {
        field.problem("unable to parse address");
        return None;
    };
    if !net::is_ip(host) && !net::is_dns_name(host) {
        field.problem("address has to be a valid IP address or a domain name");
    }
    let Ok(port) = port.parse::<u32>() else {
        field.problem("unable to parse port in address");
        return None;
    };
    match u16::try_from(port) {
        Ok(port) if port > 0 => Some((host.to_owned(), port)),
        _ => {
            field.problem("port must be in the range [1, 65535]");
            None
        }
    }
}

fn tls(tls: &Object<'_, '_>) -> ExternalTls {
    let server_name = tls.field("serverName");
    if server_name.string() == Some("") {
        server_name.problem("cannot be empty");
    }
    ExternalTls {
        enabled: tls.field("enabled").flag(),
        server_name: server_name.filled(),
        allow_renegotiation: tls.field("allowRenegotiation").flag(),
        skip_hostname_verification: tls.field("skipHostnameVerification").flag(),
        ca: data_source(&tls.field("caCert")),
        cert: data_source(&tls.field("clientCert")),
        key: data_source(&tls.field("clientKey")),
    }
}
