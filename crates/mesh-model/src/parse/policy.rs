//! Policies in all dialects.

mod circuit_breaker;
mod external_service;
mod fault_injection;
mod gateway;
mod health_check;
mod proxy_template;
mod rate_limit;
mod retry;
mod timeout;
mod traffic_route;
mod virtual_outbound;

pub(super) use external_service::read as external_service;
pub(super) use gateway::{gateway, gateway_route};
pub(super) use proxy_template::read as proxy_template;
pub(super) use virtual_outbound::read as virtual_outbound;

use super::reader::{Cursor, Object};
use super::tags::{self, Rules};
use crate::mesh::DataSource;
use crate::policy::{
    CircuitBreaker, Connection, FaultInjection, HealthCheck, RateLimit, Retry, Selected, Timeout, TrafficLog,
    TrafficPermission, TrafficRoute, TrafficTrace,
};
use crate::tags::{PROTOCOL, Protocol};

pub(super) fn traffic_permission(policy: &Object<'_, '_>) -> Connection<TrafficPermission> {
    connection(policy, Rules::SELECTOR, Rules::SELECTOR, |_| ())
}

pub(super) fn traffic_route(policy: &Object<'_, '_>) -> Connection<TrafficRoute> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, traffic_route::read)
}

pub(super) fn traffic_log(policy: &Object<'_, '_>) -> Connection<TrafficLog> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, |policy| TrafficLog { backend: backend(policy) })
}

pub(super) fn health_check(policy: &Object<'_, '_>) -> Connection<HealthCheck> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, health_check::read)
}

pub(super) fn circuit_breaker(policy: &Object<'_, '_>) -> Connection<CircuitBreaker> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, circuit_breaker::read)
}

pub(super) fn timeout(policy: &Object<'_, '_>) -> Connection<Timeout> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, timeout::read)
}

/// The product's own example has a `protocol` next to the destination's service, although clients know nothing
/// of it.
pub(super) fn retry(policy: &Object<'_, '_>) -> Connection<Retry> {
    let destinations = Rules { ignored: Some("protocol"), ..Rules::SERVICE_ALONE };
    connection(policy, Rules::SERVICE_AND_MORE, destinations, retry::read)
}

pub(super) fn rate_limit(policy: &Object<'_, '_>) -> Connection<RateLimit> {
    connection(policy, Rules::SELECTOR, Rules::SELECTOR, rate_limit::read)
}

/// Faults need HTTP, so destinations have to name a protocol.
pub(super) fn fault_injection(policy: &Object<'_, '_>) -> Connection<FaultInjection> {
    Connection {
        sources: tags::selectors(&policy.field("sources"), Rules::SELECTOR),
        destinations: tags::selectors_with(&policy.field("destinations"), Rules::SELECTOR, |field, tags| {
            match tags.get(PROTOCOL).map(|word| Protocol::parse(word).is_http()) {
                None => field.problem("protocol must be specified"),
                Some(false) => field.problem_at_key(PROTOCOL, "must be one of the [http, http2, grpc]"),
                Some(true) => {}
            }
        }),
        conf: fault_injection::read(policy),
    }
}

pub(super) fn traffic_trace(policy: &Object<'_, '_>) -> Selected<TrafficTrace> {
    let selectors = tags::selectors(&policy.field("selectors"), Rules::SELECTOR);
    Selected { selectors, conf: TrafficTrace { backend: backend(policy) } }
}

/// `conf.backend`; without it the mesh's default applies.
fn backend(policy: &Object<'_, '_>) -> Option<String> {
    policy.field("conf").section(|conf| conf.field("backend").filled())
}

fn connection<C>(
    policy: &Object<'_, '_>,
    sources: Rules,
    destinations: Rules,
    conf: impl FnOnce(&Object<'_, '_>) -> C,
) -> Connection<C> {
    Connection {
        sources: tags::selectors(&policy.field("sources"), sources),
        destinations: tags::selectors(&policy.field("destinations"), destinations),
        conf: conf(policy),
    }
}

/// `{secret}`, `{file}`, `{inline}` or `{inlineString}`.
pub(super) fn data_source(field: &Cursor<'_, '_>) -> Option<DataSource> {
    let source = field.object(|source| {
        let mut given = Vec::new();
        given.extend(source.field("secret").filled().map(DataSource::Secret));
        given.extend(source.field("file").filled().map(DataSource::File));
        given.extend(source.field("inline").bytes().filter(|bytes| !bytes.is_empty()).map(DataSource::Inline));
        given.extend(source.field("inlineString").filled().map(DataSource::InlineString));
        if given.len() > 1 {
            field.problem("must have only one type defined: secret, file, inline, inlineString");
        }
        let source = given.pop();
        if source.is_none() {
            field.problem("data source cannot be empty");
        }
        source
    });
    source.flatten()
}
