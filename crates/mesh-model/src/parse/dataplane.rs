//! `Dataplane` in all dialects.

mod checks;

use serde_json::Value;

use super::reader::Object;
use super::tags::{self, Rules, ServiceRule};
use super::{mesh, net};
use crate::dataplane::{Dataplane, Gateway, Inbound, Outbound, TransparentProxying};
use crate::tags::{PROTOCOL, SERVICE, Tags};

const LOOPBACK: &str = "127.0.0.1";

pub(super) fn read(dataplane: &Object<'_, '_>) -> Dataplane {
    let field = dataplane.field("networking");
    if !field.is_present() {
        field.problem("must be defined");
    }
    let result = field.section(networking);
    let probes = dataplane.field("probes");
    if result.gateway.as_ref().is_some_and(|gateway| gateway.builtin) && probes.is_present() {
        probes.problem("probes cannot be defined for builtin gateways");
    }
    checks::probes(&probes);
    dataplane.field("metrics").object(metrics);
    result
}

fn networking(networking: &Object<'_, '_>) -> Dataplane {
    let mut address = address(networking);
    let gateway = networking.field("gateway").object(gateway);
    let inbounds =
        networking.field("inbound").list(|inbound| inbound.object(|inbound| self::inbound(inbound, &address)));
    let outbounds = networking.field("outbound").list(|outbound| outbound.object(self::outbound));
    if address.is_empty()
        && let Some(first) = inbounds.first()
    {
        address.clone_from(&first.address);
    }
    let result = Dataplane {
        address,
        advertised_address: advertised_address(networking),
        inbounds,
        gateway,
        outbounds,
        transparent: networking.field("transparentProxying").object(transparent_proxying),
        admin_port: admin_port(networking),
    };
    checks::networking(networking, &result);
    result
}

/// The proxy's address; it may be left out where `interface` names it, or where nothing listens on it.
fn address(networking: &Object<'_, '_>) -> String {
    let field = networking.field("address");
    let address = field.text();
    let items = |name| networking.field(name).raw().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let has_interface = |name| items(name).iter().any(|item| item.get("interface").is_some());
    if address.is_empty() {
        let is_old_gateway = networking.has("gateway") && items("inbound").is_empty();
        if !has_interface("inbound") && !has_interface("outbound") && !is_old_gateway {
            field.problem("address can't be empty");
        }
        return address;
    }
    net::check_address(&field, &address);
    address
}

fn advertised_address(networking: &Object<'_, '_>) -> Option<String> {
    let field = networking.field("advertisedAddress");
    let address = field.filled()?;
    if !net::is_ip(&address) && !net::is_dns_name(&address) {
        field.problem("address has to be valid IP address or domain name");
    }
    Some(address)
}

fn gateway(gateway: &Object<'_, '_>) -> Gateway {
    let field = gateway.field("tags");
    let tags = tags::tags(&field, Rules { service: ServiceRule::Required, ..Rules::VALUES });
    if let Some(protocol) = tags.get(PROTOCOL).filter(|word| !word.eq_ignore_ascii_case("tcp")) {
        field.problem_at_key(PROTOCOL, format!("other values than tcp are not allowed, provided value {protocol:?}"));
    }
    let builtin = gateway.field("type").choice(&[("DELEGATED", false), ("BUILTIN", true)]).unwrap_or_default();
    Gateway { tags, builtin }
}

fn inbound(inbound: &Object<'_, '_>, dataplane_address: &str) -> Inbound {
    let mut result = Inbound { service_address: LOOPBACK.to_owned(), ..Inbound::default() };
    let interface = inbound.field("interface");
    if interface.is_present() {
        match interface.string().map(parse_inbound_interface) {
            Some(Some((address, port, service_port))) => {
                result.address = address;
                result.port = port;
                result.service_port = service_port;
            }
            Some(None) => interface.problem(
                "invalid format: expected format is DATAPLANE_IP:DATAPLANE_PORT:WORKLOAD_PORT \
                 ex. 192.168.0.100:9090:8080",
            ),
            None => {}
        }
    } else {
        inbound_endpoint(inbound, dataplane_address, &mut result);
    }
    result.tags = inbound_tags(inbound);
    result.name = inbound.field("name").filled();
    result.ready = is_ready(inbound);
    result.service_probe = inbound.field("serviceProbe").object(checks::service_probe).unwrap_or_default();
    result
}

fn inbound_endpoint(inbound: &Object<'_, '_>, dataplane_address: &str, result: &mut Inbound) {
    let own = |name: &'static str| {
        let field = inbound.field(name);
        let address = field.filled();
        if address.as_deref().is_some_and(|address| !net::is_ip(address)) {
            field.problem(format!("{name} has to be valid IP address"));
        }
        address
    };
    let (address, service_address) = (own("address"), own("serviceAddress"));
    result.port = net::port(&inbound.field("port"));
    let service_port = inbound.field("servicePort");
    result.service_port = match service_port.u32() {
        None | Some(0) => result.port,
        Some(_) => net::port(&service_port),
    };
    let listens_on = address.as_deref().unwrap_or(dataplane_address);
    if service_address.as_deref() == Some(listens_on) && result.service_port == result.port {
        inbound
            .here()
            .problem_at("serviceAddress", "serviceAddress and servicePort has to differ from address and port");
    }
    result.address = listens_on.to_owned();
    if let Some(service_address) = service_address {
        result.service_address = service_address;
    }
}

fn inbound_tags(inbound: &Object<'_, '_>) -> Tags {
    let field = inbound.field("tags");
    let mut tags = tags::tags(&field, Rules::VALUES);
    if let Some(word) = tags.get(PROTOCOL).filter(|word| !tags::is_protocol(word)) {
        let message = format!("tag {PROTOCOL:?} has an invalid value {word:?}. {}", tags::PROTOCOLS);
        field.problem_at_key(PROTOCOL, message);
    }
    let protocol = inbound.field("protocol");
    if let Some(word) = protocol.filled() {
        if !tags::is_protocol(&word) {
            protocol.problem(format!("has an invalid value {word:?}. {}", tags::PROTOCOLS));
        }
        if !tags.contains_key(PROTOCOL) {
            tags.insert(PROTOCOL.to_owned(), word);
        }
    }
    if !tags.contains_key(SERVICE) {
        field.problem_at_key(SERVICE, "tag has to exist");
    }
    tags
}

fn is_ready(inbound: &Object<'_, '_>) -> bool {
    let healthy = inbound.field("health").object(|health| health.field("ready").flag()).unwrap_or(true);
    let state = inbound.field("state").choice(&[("Ready", true), ("NotReady", false), ("Ignored", false)]);
    healthy && state.unwrap_or(true)
}

fn outbound(outbound: &Object<'_, '_>) -> Outbound {
    let mut result = Outbound { address: LOOPBACK.to_owned(), ..Outbound::default() };
    let interface = outbound.field("interface");
    if interface.is_present() {
        match interface.string().map(parse_outbound_interface) {
            Some(Some((address, port))) => {
                result.address = address.unwrap_or(result.address);
                result.port = port;
            }
            Some(None) => interface.problem(
                "invalid format: expected format is IP_ADDRESS:PORT where IP_ADDRESS is optional. \
                 ex. 192.168.0.100:9090 or :9090",
            ),
            None => {}
        }
        // The oldest releases read it and made nothing of it.
        outbound.field("servicePort").u32();
    } else {
        result.port = net::port(&outbound.field("port"));
        let field = outbound.field("address");
        if let Some(address) = field.filled() {
            if !net::is_ip(&address) {
                field.problem("address has to be valid IP address");
            }
            result.address = address;
        }
    }
    result.tags = outbound_tags(outbound);
    result
}

fn outbound_tags(outbound: &Object<'_, '_>) -> Tags {
    let backend_ref = outbound.field("backendRef").object(checks::backend_ref);
    let service = outbound.field("service").filled();
    let field = outbound.field("tags");
    let is_empty = field.raw().is_none_or(|tags| tags.as_object().is_some_and(serde_json::Map::is_empty));
    if backend_ref.is_some() && (service.is_some() || !is_empty) {
        outbound.here().problem_at("backendRef", "both backendRef and tags/service cannot be defined");
    }
    match (backend_ref, service) {
        (Some(service), _) => Tags::from([(SERVICE.to_owned(), service)]),
        (None, Some(service)) if is_empty => Tags::from([(SERVICE.to_owned(), service)]),
        (None, None) if is_empty => {
            field.problem(format!("mandatory tag {SERVICE:?} is missing"));
            Tags::default()
        }
        (None, _) => tags::tags(&field, Rules { service: ServiceRule::Required, ..Rules::VALUES }),
    }
}

fn transparent_proxying(proxying: &Object<'_, '_>) -> TransparentProxying {
    let optional_port = |name| {
        let field = proxying.field(name);
        match field.u32() {
            None | Some(0) => 0,
            Some(_) => net::port(&field),
        }
    };
    let oldest = optional_port("redirectPort");
    let outbound = optional_port("redirectPortOutbound");
    let inbound = optional_port("redirectPortInbound");
    optional_port("redirectPortInboundV6");
    proxying.field("ipFamilyMode").choice(&[("UnSpecified", ()), ("DualStack", ()), ("IPv4", ()), ("IPv6", ())]);
    proxying.field("reachableBackends").object(|backends| {
        backends.field("refs").list(|item| item.object(checks::reachable_backend));
    });
    TransparentProxying {
        inbound_port: inbound,
        outbound_port: if outbound == 0 { oldest } else { outbound },
        direct_access: proxying.field("directAccessServices").strings(),
        reachable: proxying.field("reachableServices").strings(),
    }
}

fn admin_port(networking: &Object<'_, '_>) -> Option<u16> {
    networking
        .field("admin")
        .object(|admin| {
            let field = admin.field("port");
            match field.u32() {
                None | Some(0) => None,
                Some(_) => Some(net::port(&field)).filter(|port| *port > 0),
            }
        })
        .flatten()
}

fn metrics(metrics: &Object<'_, '_>) {
    if metrics.has("prometheus") {
        mesh::prometheus(&metrics.field("prometheus"), "");
        return;
    }
    let kind = metrics.field("type");
    if kind.string() != Some("prometheus") {
        kind.problem("unknown backend type. Available backends: \"prometheus\"");
    }
    metrics.field("name").string();
    mesh::prometheus(&metrics.field("conf"), "");
}

/// `address:port:service port`.
fn parse_inbound_interface(text: &str) -> Option<(String, u16, u16)> {
    let (front, service_port) = text.rsplit_once(':')?;
    let (address, port) = parse_outbound_interface(front)?;
    Some((address?, port, interface_port(service_port)?))
}

/// `address:port` or `:port`.
fn parse_outbound_interface(text: &str) -> Option<(Option<String>, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
    if !address.is_empty() && !net::is_ip(address) {
        return None;
    }
    Some(((!address.is_empty()).then(|| address.to_owned()), interface_port(port)?))
}

fn interface_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}
