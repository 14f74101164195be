//! What a route asks of the connection, after it matched.

use engine::exchange::{BodyError, Exchange};
use engine::message::{Method, RequestHead};

use crate::config::{Config, Grpc, RouteRuntime};
use crate::error_body;
use crate::forwarding;
use crate::gateway::routing::{self, Routed};
use crate::pdk::{Answer, Context, ErrorFormat};

/// The status of a request that no route can be asked about: what it wants is nothing a gateway does, or means one
/// thing here and may mean another to the upstream.
pub(super) fn no_business(request: &RequestHead) -> Option<u16> {
    let path = request.path();
    // Of these there is no resource: `*`, and what `CONNECT` names.
    let nowhere = path == b"*" || request.method == Method::Connect && !path.starts_with(b"/");
    if nowhere
        || gateway_router::path::leaves_root(routing::path_of(path))
        || forwarding::has_doubled_field(&request.headers)
    {
        return Some(400);
    }
    matches!(request.method, Method::Trace | Method::Connect).then_some(405)
}

/// The refusal of a request that the route's protocols or the node's limits exclude.
pub(super) async fn refusal(
    routed: &Routed<'_>,
    config: &Config,
    exchange: &mut Exchange,
    context: &mut Context,
) -> Option<Answer> {
    if let Some(answer) = protocol(routed, context) {
        return Some(answer);
    }
    let limit = config.settings.max_body?;
    let too_large = match exchange.body_length() {
        Some(length) => length > limit,
        // Without a length there is only one way to know.
        None if exchange.has_body() => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            matches!(exchange.buffer_body(limit).await, Err(BodyError::TooLarge(_)))
        }
        None => false,
    };
    too_large.then(|| {
        exchange.close_after();
        Answer::error(413, error_body::usual_message(413))
    })
}

/// The refusal of a request that came over the wrong protocol.
fn protocol(routed: &Routed<'_>, context: &mut Context) -> Option<Answer> {
    let route: &RouteRuntime = routed.route;
    if let Some(status) = route.https_only
        && context.forwarded_scheme() != "https"
    {
        return Some(to_https(status, context));
    }
    grpc(route.grpc?, context)
}

#[inline(never)]
fn grpc(grpc: Grpc, context: &mut Context) -> Option<Answer> {
    let is_grpc =
        context.request.headers.get("content-type").is_some_and(|value| value.starts_with(b"application/grpc"));
    if !is_grpc {
        return Some(Answer::error(415, "Non-gRPC request matched gRPC route"));
    }
    if !matches!(context.request.version, engine::message::Version::Http2) {
        return Some(
            Answer::error(426, "Please use HTTP2 protocol").with("Connection", "Upgrade").with("Upgrade", "HTTP/2"),
        );
    }
    context.error_format = ErrorFormat::Grpc;
    if grpc.tls_only && context.client.tls.is_none() {
        return Some(
            Answer::empty(200).with("grpc-status", "1").with("grpc-message", "gRPC request matched gRPCs route"),
        );
    }
    None
}

#[cold]
fn to_https(status: u16, context: &Context) -> Answer {
    if status == 426 {
        return Answer::error(426, "Please use HTTPS protocol")
            .with("Connection", "Upgrade")
            .with("Upgrade", "TLS/1.2, HTTP/1.1");
    }
    let location = [b"https://", context.forwarded_host().as_bytes(), &context.request.target].concat();
    Answer::empty(status).with("Location", location)
}
