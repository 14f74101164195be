//! Policies in all dialects.

mod traffic_route;

use super::reader::{Cursor, Object};
use super::tags::{self, Rules};
use crate::mesh::DataSource;
use crate::policy::{Connection, Selected, TrafficLog, TrafficPermission, TrafficRoute, TrafficTrace};

pub(super) fn traffic_permission(policy: &Object<'_, '_>) -> Connection<TrafficPermission> {
    connection(policy, Rules::SELECTOR, Rules::SELECTOR, |_| ())
}

pub(super) fn traffic_route(policy: &Object<'_, '_>) -> Connection<TrafficRoute> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, traffic_route::read)
}

pub(super) fn traffic_log(policy: &Object<'_, '_>) -> Connection<TrafficLog> {
    connection(policy, Rules::SERVICE_AND_MORE, Rules::SERVICE_ALONE, |policy| TrafficLog { backend: backend(policy) })
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
        given.extend(source.field("secret").string().map(|name| DataSource::Secret(name.to_owned())));
        given.extend(source.field("file").string().map(|path| DataSource::File(path.to_owned())));
        given.extend(source.field("inline").bytes().map(DataSource::Inline));
        given.extend(source.field("inlineString").string().map(|text| DataSource::InlineString(text.to_owned())));
        if given.len() > 1 {
            field.problem("must have only one type defined: secret, file, inline, inlineString");
        }
        let source = given.pop();
        if source.is_none() {
            field.problem("data source has to be chosen. Available sources: secret, file, inline");
        }
        source
    });
    source.flatten()
}
