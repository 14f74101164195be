//! `Zone` and the proxies at its borders.

use super::net;
use super::reader::{Cursor, Object};
use super::tags::{self, Rules, ServiceRule};

/// `enabled`, and the `ingress` of the releases before there was a `ZoneIngress`.
pub(super) fn zone(zone: &Object<'_, '_>) {
    zone.field("enabled").boolean();
    zone.field("ingress").object(|ingress| {
        ingress.field("address").string();
        ingress.field("publicAddress").string();
    });
}

pub(super) fn ingress(ingress: &Object<'_, '_>) {
    ingress.field("zone").string();
    let networking = ingress.field("networking");
    if !networking.is_present() {
        networking.problem_at("port", "port must be in the range [1, 65535]");
    }
    networking.object(|networking| {
        endpoint(networking);
        let (address, port) = (networking.field("advertisedAddress"), networking.field("advertisedPort"));
        let (has_address, has_port) = (address.filled().is_some(), port.u32().unwrap_or_default() != 0);
        if has_port && !has_address {
            address.problem("has to be defined with advertisedPort");
        }
        if has_address && !has_port {
            port.problem("has to be defined with advertisedAddress");
        }
        check_address(&address);
        if has_port {
            net::port(&port);
        }
    });
    ingress.field("availableServices").list(|item| {
        item.object(|service| {
            tags::tags(&service.field("tags"), Rules { service: ServiceRule::Required, ..Rules::VALUES });
            service.field("instances").u32();
            service.field("mesh").string();
            service.field("externalService").flag();
        })
    });
}

pub(super) fn egress(egress: &Object<'_, '_>) {
    egress.field("zone").string();
    let networking = egress.field("networking");
    if !networking.is_present() {
        networking.problem_at("port", "port must be in the range [1, 65535]");
    }
    networking.object(endpoint);
}

fn endpoint(networking: &Object<'_, '_>) {
    check_address(&networking.field("address"));
    let port = net::port(&networking.field("port"));
    networking.field("admin").object(|admin| {
        let field = admin.field("port");
        if field.u32().is_some_and(|admin| admin != 0 && admin == u32::from(port)) {
            field.problem("must differ from port");
        }
    });
}

fn check_address(field: &Cursor<'_, '_>) {
    if let Some(address) = field.filled() {
        net::check_address(field, &address);
    }
}
