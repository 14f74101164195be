//! `Timeout`.

use crate::parse::reader::{Cursor, Object};
use crate::policy::Timeout;

pub(super) fn read(policy: &Object<'_, '_>) -> Timeout {
    let conf = policy.field("conf");
    if !conf.is_present() {
        conf.problem("has to be defined");
    }
    conf.section(|conf| {
        let mut result = Timeout { connect: conf.field("connectTimeout").positive_duration(), ..Timeout::default() };
        tcp(&conf.field("tcp"), &mut result);
        http(&conf.field("http"), &mut result);
        grpc(&conf.field("grpc"), &mut result);
        result
    })
}

const EMPTY: &str = "at least one timeout in section has to be defined";

fn tcp(field: &Cursor<'_, '_>, result: &mut Timeout) {
    field.object(|tcp| {
        let idle = tcp.field("idleTimeout");
        if !idle.is_present() {
            field.problem(EMPTY);
        }
        result.tcp_idle = idle.positive_duration();
    });
}

fn http(field: &Cursor<'_, '_>, result: &mut Timeout) {
    field.object(|http| {
        result.http_request = http.field("requestTimeout").positive_duration();
        result.http_idle = http.field("idleTimeout").positive_duration();
        result.stream_idle = http.field("streamIdleTimeout").positive_duration();
        result.max_stream_duration = http.field("maxStreamDuration").positive_duration();
        let timeouts = ["requestTimeout", "idleTimeout", "streamIdleTimeout", "maxStreamDuration"];
        if !timeouts.into_iter().any(|name| http.has(name)) {
            field.problem(EMPTY);
        }
    });
}

/// The older place of the stream timeouts; `http` has precedence.
fn grpc(field: &Cursor<'_, '_>, result: &mut Timeout) {
    field.object(|grpc| {
        let idle = grpc.field("streamIdleTimeout").positive_duration();
        let max = grpc.field("maxStreamDuration").positive_duration();
        if !grpc.has("streamIdleTimeout") && !grpc.has("maxStreamDuration") {
            field.problem(EMPTY);
        }
        result.stream_idle = result.stream_idle.or(idle);
        result.max_stream_duration = result.max_stream_duration.or(max);
    });
}
