//! `MeshGateway`, and with it `MeshGatewayRoute`.

mod route;

pub(in crate::parse) use route::read as gateway_route;

use crate::parse::net;
use crate::parse::policy::data_source;
use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::{self, Rules};
use crate::tags::{PROTOCOL, SERVICE, ZONE};

/// Tags that are properties of proxies and so cannot be given to a gateway.
const RESERVED_TAGS: [&str; 4] = ["kuma.io/external-service-name", PROTOCOL, SERVICE, ZONE];

pub(in crate::parse) fn gateway(gateway: &Object<'_, '_>) {
    let selectors = gateway.field("selectors");
    let selected = tags::selectors(&selectors, Rules::SERVICE_AND_MORE);
    gateway_tags(&gateway.field("tags"));
    let conf = gateway.field("conf");
    if !conf.is_present() {
        conf.problem("cannot be empty");
    }
    conf.object(|conf| {
        let field = conf.field("listeners");
        let listeners = field.list(|listener| listener.object(listener_of));
        if listeners.is_empty() {
            field.problem("cannot be empty");
        }
        if listeners.iter().any(|listener| listener.cross_mesh) && selected.len() > 1 {
            selectors.problem("there can be at most one selector");
        }
        conflicts(&field, &listeners);
    });
}

fn gateway_tags(field: &Cursor<'_, '_>) {
    let tags = tags::tags(field, Rules { filled: false, ..Rules::SELECTOR });
    for key in tags.keys().filter(|key| RESERVED_TAGS.contains(&key.as_str())) {
        field.problem_at_key(key, format!("tag name must not be {key:?}"));
    }
}

/// What listeners on one port have to agree on.
#[derive(Debug)]
struct Listener {
    hostname: String,
    port: u16,
    protocol: Protocol,
    cross_mesh: bool,
    connection_limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    None,
    Tcp,
    Tls,
    Http,
    Https,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TlsMode {
    None,
    Terminate,
    Passthrough,
}

fn listener_of(listener: &Object<'_, '_>) -> Listener {
    let hostname = listener.field("hostname");
    let cross_mesh = listener.field("crossMesh").flag();
    if hostname.filled().is_some_and(|name| !is_hostname(&name)) {
        hostname.problem("invalid hostname");
    }
    gateway_tags(&listener.field("tags"));
    let protocols = [
        ("NONE", Protocol::None),
        ("TCP", Protocol::Tcp),
        // Number 2 was UDP once.
        ("UDP", Protocol::None),
        ("TLS", Protocol::Tls),
        ("HTTP", Protocol::Http),
        ("HTTPS", Protocol::Https),
    ];
    let field = listener.field("protocol");
    let protocol = field.choice(&protocols).unwrap_or(Protocol::None);
    if protocol == Protocol::None {
        field.problem("cannot be empty");
    }
    let tls = listener.field("tls");
    if protocol == Protocol::Https && cross_mesh {
        field.problem("protocol is not supported with crossMesh");
    } else if protocol == Protocol::Https && !tls.is_present() {
        tls.problem("cannot be empty");
    }
    tls.object(|tls| check_tls(tls, protocol, cross_mesh));
    let limit = listener.field("resources").object(|resources| resources.field("connectionLimit").u32()).flatten();
    Listener {
        hostname: hostname.filled().unwrap_or_else(|| "*".to_owned()),
        port: net::port(&listener.field("port")),
        protocol,
        cross_mesh,
        connection_limit: limit.filter(|limit| *limit != 0),
    }
}

fn is_hostname(name: &str) -> bool {
    name == "*" || net::is_dns_name(name.strip_prefix("*.").unwrap_or(name))
}

fn check_tls(tls: &Object<'_, '_>, protocol: Protocol, cross_mesh: bool) {
    let modes = [("NONE", TlsMode::None), ("TERMINATE", TlsMode::Terminate), ("PASSTHROUGH", TlsMode::Passthrough)];
    let field = tls.field("mode");
    let mode = field.choice(&modes).unwrap_or(TlsMode::None);
    let certificates = tls.field("certificates");
    let count = certificates.list(|certificate| data_source(certificate)).len();
    tls.field("options").object(|_| ());
    if cross_mesh {
        if mode != TlsMode::None || count > 0 {
            tls.here().problem("must be empty with crossMesh");
        }
        return;
    }
    match mode {
        TlsMode::None => field.problem("cannot be empty"),
        TlsMode::Terminate if count == 0 => certificates.problem("cannot be empty in TLS termination mode"),
        TlsMode::Terminate if count > 2 => certificates.problem("cannot have more than 2 certificates"),
        TlsMode::Passthrough if protocol == Protocol::Https => {
            field.problem("mode is not supported on HTTPS listeners")
        }
        TlsMode::Terminate | TlsMode::Passthrough => {}
    }
}

fn conflicts(field: &Cursor<'_, '_>, listeners: &[Listener]) {
    let mut index = 0;
    field.list(|item| {
        let listener = listeners.get(index)?;
        let others = || {
            let on_port = listeners.iter().enumerate().filter(|(_, other)| other.port == listener.port);
            on_port.filter(|(position, _)| *position != index).map(|(_, other)| other)
        };
        if others().any(|other| other.protocol != listener.protocol) {
            item.problem("protocol conflicts with other listeners on this port");
        }
        if others().any(|other| other.hostname == listener.hostname) {
            item.problem("multiple listeners for hostname on this port");
        }
        let limit = listener.connection_limit;
        if limit.is_some() && others().any(|other| other.connection_limit.is_some_and(|other| Some(other) != limit)) {
            item.problem_at("resources.connectionLimit", "conflicting values for this port");
        }
        index += 1;
        Some(())
    });
}
