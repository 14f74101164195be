//! Requests that go upstream.

use std::borrow::Cow;
use std::hint::cold_path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use engine::balance::{Picked, Tried};
use engine::exchange::{BodyError, BodyFilter, Exchange, Responded};
use engine::forward::{ForwardError, Kind, Stage, Timeouts, Upload};
use engine::headers::{Headers, Names};
use engine::health::Outcome as Attempt;
use engine::http1::write_field;
use engine::message::{Method, RequestHead, ResponseHead};
use engine::upstream::{Connection, Endpoint};

use super::phases::{self, Collected};
use super::{Gateway, Trail, own};
use crate::config::{Config, ServiceRuntime, authority};
use crate::error_body;
use crate::forwarding;
use crate::pdk::{Answer, Context, Source, Try};
use crate::upstreams::UpstreamRuntime;

/// How much of a request's body is read before it goes upstream, if the route asks for that: with it in hand, a failed
/// attempt can be repeated.
const BUFFERED: usize = 256 * 1024;

/// The longest body of an answer that is held back for plugins.
const HELD: usize = 16 << 20;

impl Gateway {
    /// Forwards the request, tries again where that is safe, and relays the response. What is rare waits apart, so
    /// that the usual request's state is small.
    #[expect(clippy::too_many_arguments, reason = "a request's whole state, in one place")]
    pub(super) async fn proxy(
        &self,
        config: &Config,
        exchange: &mut Exchange,
        context: &mut Context,
        collected: &Collected<'_>,
        service: &ServiceRuntime,
        prefix: Option<&[u8]>,
        trail: &mut Trail,
    ) {
        let upstream = config.upstream_named(host_of(context, service));
        let hash = upstream
            .and_then(|upstream| upstream.hashing.as_ref())
            .map(|hashing| hashing.hash(context, || uuid::Uuid::new_v4().to_string()));
        let logged = phases::have_log(collected) || self.access_log.is_some();
        let detour = context.detour.as_deref();
        let usual = [service.connect_timeout, service.write_timeout, service.read_timeout];
        let [connect, write, read] = detour.and_then(|detour| detour.timeouts).unwrap_or(usual);
        let timeouts = Timeouts { connect, write, read };
        let retries = detour.and_then(|detour| detour.retries).unwrap_or(service.retries);
        let body = context.replaced_body.take();
        let upgrade = exchange.wants_upgrade() && is_websocket(&context.request);

        if context.route.as_ref().is_some_and(|route| route.request_buffering)
            && body.is_none()
            && !service.grpc
            && exchange.has_body()
        {
            cold_path();
            // A body that is too long to be kept goes up as it comes, after what was read of it.
            if let Err(BodyError::Io(_) | BodyError::Timeout | BodyError::Malformed(_)) =
                Box::pin(exchange.buffer_body(BUFFERED)).await
            {
                exchange.close_after();
                let answer = Answer::error(400, error_body::usual_message(400));
                let answered = self.answer(config, exchange, context, collected, answer, Source::Error, trail);
                return Box::pin(answered).await;
            }
        }

        let mut tried = Tried::default();
        let mut tries = 0;
        let (connection, responded, picked, sent) = loop {
            let sent = Instant::now();
            let peer = match choose(config, context, service, upstream, hash, &mut tried) {
                Ok(Some(peer)) => Ok(peer),
                Ok(None) => {
                    cold_path();
                    resolve(config, context, service).await
                }
                Err(answer) => Err(answer),
            };
            let peer = match peer {
                Ok(peer) => peer,
                Err(answer) => {
                    cold_path();
                    let answered = self.answer(config, exchange, context, collected, answer, Source::Error, trail);
                    return Box::pin(answered).await;
                }
            };
            tries += 1;
            let chosen = logged.then(|| (context.now_ms(), sent.elapsed()));
            let tell = |trail: &mut Trail, failed, keepalive| {
                if let Some((start_ms, choosing)) = chosen {
                    let (address, balancer_latency_ns) = (peer.endpoint.addr(), choosing.as_nanos() as u64);
                    trail.tries.push(Try { address, start_ms, balancer_latency_ns, failed, keepalive });
                }
            };
            let mut reused = false;
            let error = match exchange.connect(&peer.endpoint, timeouts.connect).await {
                Ok(mut connection) => {
                    reused = connection.is_reused();
                    let upload = match &body {
                        Some(body) => Upload::Bytes(body),
                        None => Upload::Client,
                    };
                    let peer_of_client = Rc::clone(&exchange.peer);
                    let request = forwarding::Forwarded {
                        context,
                        settings: &config.settings,
                        peer: &peer_of_client,
                        // A group's members may be called differently.
                        host: &host_header(context, service, upstream, peer.picked.as_ref()),
                        prefix,
                        upgrade,
                    };
                    match exchange.send(&mut connection, &request, upload, &timeouts).await {
                        Ok(responded) => {
                            tell(trail, None, reused);
                            break (connection, responded, peer.picked, sent);
                        }
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            cold_path();
            tell(trail, Some(status_of(&error)), reused);
            if error.stage == Stage::Client {
                let answered = self.client_failed(config, exchange, context, collected, &error, trail);
                return Box::pin(answered).await;
            }
            report(peer.picked.as_ref(), &error);
            // A kept connection that the upstream closed just now says nothing about the upstream.
            let stale = reused && error.kind == Kind::Closed;
            if stale {
                tries -= 1;
            }
            if tries <= retries && may_try_again(&error, &context.request.method, body.is_some(), stale) {
                continue;
            }
            tell_failed(&error, &peer.endpoint);
            let status = status_of(&error);
            let answer = Answer::error(status, error_body::usual_message(status));
            trail.sent = Some(sent);
            let answered = self.answer(config, exchange, context, collected, answer, Source::Error, trail);
            return Box::pin(answered).await;
        };

        trail.sent = Some(sent);
        trail.answered = Some(responded.received);
        trail.upstream_status = Some(responded.head.status);
        context.source = Source::Service;
        if let Some(picked) = picked {
            picked.report(Attempt::Status(responded.head.status));
            picked.done(responded.received - sent, responded.received);
        }
        let mut responded = responded;
        forwarding::strip_response(&mut responded.head.headers, responded.tunnel);
        if logged || phases::have_header_filter(collected) {
            forwarding::strip_hop_by_hop(&mut responded.head.headers);
        }
        let held = context.detour.as_ref().is_some_and(|detour| detour.hold_answer);
        if held && !responded.tunnel && context.request.method != Method::Head {
            cold_path();
            let held = self.hold(config, exchange, context, collected, connection, responded, &timeouts, trail);
            return Box::pin(held).await;
        }
        filter_head(config, collected, context, &mut responded.head);
        self.date(config, &mut responded.head);
        own::name_charset(&mut responded.head.headers);
        match exchange.lines() {
            // Nobody looks at them any more.
            Some(lines) if !logged && !responded.head.headers.has_any(&SIGNED) => {
                let mut write = |name: &str, value: &[u8]| write_field(name, value, lines);
                sign_proxied(&responded.head, config, context, trail, &mut write);
            }
            _ => {
                let mut said = Headers::new();
                sign_proxied(&responded.head, config, context, trail, &mut |name, value| said.append(name, value));
                responded.head.headers.replace(&said);
            }
        }
        let seen = logged.then(|| responded.head.clone());

        let relayed = if responded.tunnel {
            cold_path();
            Box::pin(exchange.tunnel(connection, responded, timeouts.read)).await.map(drop)
        } else {
            let mut filter =
                phases::have_body_filter(collected).then(|| Filter { collected, context, part: Vec::new() });
            let filter = filter.as_mut().map(|filter| filter as &mut dyn BodyFilter);
            exchange.relay(connection, responded, filter, &timeouts).await
        };
        if let Err(error) = relayed {
            tell_broken(&error);
        }
        if let Some(head) = seen {
            self.finish(exchange, context, collected, &head, trail);
        }
    }

    /// Reads an answer to its end, and sends it as plugins changed it who saw its body before its head left.
    #[expect(clippy::too_many_arguments, reason = "a request's whole state, in one place")]
    async fn hold(
        &self,
        config: &Config,
        exchange: &mut Exchange,
        context: &mut Context,
        collected: &Collected<'_>,
        connection: Box<Connection>,
        responded: Responded,
        timeouts: &Timeouts,
        trail: &Trail,
    ) {
        let mut head = responded.head;
        let mut body = match exchange.collect(connection, HELD, timeouts).await {
            Ok(body) => body,
            Err(error) => {
                tracing::debug!(%error, "Response could not be held");
                let status = status_of(&error);
                let answer = Answer::error(status, error_body::usual_message(status));
                return self.answer(config, exchange, context, collected, answer, Source::Error, trail).await;
            }
        };
        context.detour_mut().held_body = Some(Arc::from(&body[..]));
        forwarding::strip_hop_by_hop(&mut head.headers);
        head.headers.remove("Content-Length");
        filter_head(config, collected, context, &mut head);
        if phases::have_body_filter(collected) {
            head.headers.remove("Content-Length");
            phases::last_body_filter(collected, context, &mut body);
        }
        self.date(config, &mut head);
        own::name_charset(&mut head.headers);
        let mut said = Headers::new();
        sign_proxied(&head, config, context, trail, &mut |name, value| said.append(name, value));
        head.headers.replace(&said);
        if let Err(error) = exchange.respond(&head, &body).await {
            tracing::debug!(%error, "Client went away");
        }
        self.finish(exchange, context, collected, &head, trail);
    }

    /// The client broke its own request, or is gone.
    async fn client_failed(
        &self,
        config: &Config,
        exchange: &mut Exchange,
        context: &mut Context,
        collected: &Collected<'_>,
        error: &ForwardError,
        trail: &Trail,
    ) {
        let status = match error.kind {
            Kind::Timeout => 408,
            Kind::BadMessage => 400,
            _ => 499,
        };
        exchange.close_after();
        let answer = Answer::error(status, error_body::usual_message(status));
        self.answer(config, exchange, context, collected, answer, Source::Error, trail).await;
    }
}

/// Runs the header filters on an upstream's head.
fn filter_head(config: &Config, collected: &Collected<'_>, context: &mut Context, head: &mut ResponseHead) {
    head.headers.replace(&context.response_headers);
    if !phases::have_header_filter(collected) {
        return;
    }
    // What is said of the hops does not depend on what plugins take away.
    let hops = forwarding::list(&head.headers, "Via");
    phases::header_filter(collected, context, head);
    if config.settings.headers.via {
        head.headers.remove("Via");
        if !hops.is_empty() {
            head.headers.append("Via", hops);
        }
    }
}

/// Where one attempt goes.
struct Peer {
    endpoint: Endpoint,
    picked: Option<Picked>,
}

/// Where the next attempt goes; `None` if a name has to be resolved for that.
fn choose(
    config: &Config,
    context: &Context,
    service: &ServiceRuntime,
    upstream: Option<&Arc<UpstreamRuntime>>,
    hash: Option<u32>,
    tried: &mut Tried,
) -> Result<Option<Peer>, Answer> {
    let Some(upstream) = upstream else {
        let endpoint = service.fixed_endpoint(&context.target).map_err(|reason| refused(&reason))?;
        return Ok(endpoint.map(|endpoint| Peer { endpoint, picked: None }));
    };
    let picked = upstream
        .balancer
        .load_full()
        .pick(hash, tried, Instant::now())
        .map_err(|_| Answer::error(503, "failure to get a peer from the ring-balancer"))?;
    let host = host_header(context, service, Some(upstream), Some(&picked));
    let tls = service.tls_towards(&host, upstream.identity.as_ref(), &config.tls).map_err(|reason| refused(&reason))?;
    Ok(Some(Peer { endpoint: Endpoint::new(picked.socket(), tls, service.grpc), picked: Some(picked) }))
}

async fn resolve(config: &Config, context: &Context, service: &ServiceRuntime) -> Result<Peer, Answer> {
    let (host, port) = (host_of(context, service), context.target.port);
    let resolved = match config.names.cached(host, port) {
        Some(resolved) => resolved,
        None => Box::pin(config.names.lookup(host, port)).await,
    };
    let address = resolved.map_err(|error| {
        if error.is_absent() {
            Answer::error(503, "name resolution failed")
        } else {
            Answer::error(500, format!("failed the initial dns/balancer resolve for '{host}' with: {error}"))
        }
    })?;
    let tls = service.tls_towards(&service.authority, None, &config.tls).map_err(|reason| refused(&reason))?;
    Ok(Peer { endpoint: Endpoint::new(address, tls, service.grpc), picked: None })
}

/// Host name, IP address or the name of an upstream that the request goes to.
fn host_of<'a>(context: &'a Context, service: &'a ServiceRuntime) -> &'a str {
    context.target.host.as_deref().unwrap_or(&service.document.host)
}

/// `Host` as the upstream sees it.
fn host_header<'a>(
    context: &'a Context,
    service: &'a ServiceRuntime,
    upstream: Option<&'a Arc<UpstreamRuntime>>,
    picked: Option<&Picked>,
) -> Cow<'a, [u8]> {
    if let Some(host) = &context.target.host_header {
        return Cow::Borrowed(host);
    }
    if context.route.as_ref().is_some_and(|route| route.preserve_host)
        && let Some(host) = context.request.headers.get("Host")
    {
        return Cow::Borrowed(host);
    }
    match (upstream.and_then(|upstream| upstream.host_header.as_ref()), picked) {
        (Some(host), _) => Cow::Borrowed(host.as_bytes()),
        (None, Some(picked)) => Cow::Owned(authority(picked.target(), picked.target_port(), service.tls).into()),
        (None, None) => Cow::Borrowed(&service.authority),
    }
}

/// Only WebSocket gets through; any other protocol is not offered to upstreams.
fn is_websocket(request: &RequestHead) -> bool {
    request.headers.get("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}

/// Whether the request may go out once more.
fn may_try_again(error: &ForwardError, method: &Method, replaced_body: bool, stale: bool) -> bool {
    if error.body_consumed && !replaced_body {
        return false;
    }
    if !error.request_sent || stale {
        return true;
    }
    // What these do is done twice if it is sent twice.
    !matches!(method, Method::Post | Method::Patch) && method.as_str() != "LOCK"
}

fn status_of(error: &ForwardError) -> u16 {
    if error.kind == Kind::Timeout { 504 } else { 502 }
}

fn report(picked: Option<&Picked>, error: &ForwardError) {
    if let Some(picked) = picked {
        picked.report(match (error.kind, error.stage) {
            (Kind::Timeout, _) => Attempt::TimedOut,
            (_, Stage::Connect | Stage::Send | Stage::Receive | Stage::Client) => Attempt::ConnectFailed,
        });
    }
}

#[cold]
fn tell_failed(error: &ForwardError, endpoint: &Endpoint) {
    tracing::debug!(%error, address = %endpoint.addr(), "Upstream failed");
}

#[cold]
fn tell_broken(error: &ForwardError) {
    tracing::debug!(%error, "Response was not relayed to its end");
}

#[cold]
fn refused(reason: &str) -> Answer {
    tracing::warn!(reason, "Upstream cannot be spoken to");
    Answer::error(502, error_body::usual_message(502))
}

/// Fields that [`sign_proxied`] may give another value.
const SIGNED: Names = Names::new(&[
    "Via",
    "X-Kong-Upstream-Latency",
    "X-Kong-Proxy-Latency",
    "X-Kong-Upstream-Status",
    "X-Kong-Request-Id",
    "Kong-Route-Id",
    "Kong-Route-Name",
    "Kong-Service-Id",
    "Kong-Service-Name",
]);

/// Says what every answer of an upstream has from the gateway: fields that replace those of the same names.
#[inline(always)]
fn sign_proxied(
    head: &ResponseHead,
    config: &Config,
    context: &Context,
    trail: &Trail,
    say: &mut impl FnMut(&str, &[u8]),
) {
    let added = config.settings.headers;
    let mut digits = itoa::Buffer::new();
    if added.via {
        match forwarding::list(&head.headers, "Via") {
            earlier if earlier.is_empty() => say("Via", config.node.hop(head.version).as_bytes()),
            earlier => say("Via", &[&earlier[..], b", ", config.node.hop(head.version).as_bytes()].concat()),
        }
    }
    if added.server && !head.headers.contains("Server") {
        say("Server", config.node.server().as_bytes());
    }
    if let (Some(sent), Some(answered)) = (trail.sent, trail.answered) {
        let milliseconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_millis() as u64;
        if added.upstream_latency {
            say("X-Kong-Upstream-Latency", digits.format(milliseconds(sent, answered)).as_bytes());
        }
        if added.proxy_latency {
            say("X-Kong-Proxy-Latency", digits.format(milliseconds(trail.started, sent)).as_bytes());
        }
    }
    if added.upstream_status {
        say("X-Kong-Upstream-Status", digits.format(head.status).as_bytes());
    }
    if added.request_id {
        say("X-Kong-Request-Id", context.id.as_bytes());
    }
    if config.settings.allow_debug_header && context.request.headers.get("kong-debug") == Some(b"1") {
        own::tell_debug(context, say);
    }
}

/// Plugins' body filters as the engine calls them.
struct Filter<'a, 'b> {
    collected: &'a Collected<'b>,
    context: &'a mut Context,
    part: Vec<u8>,
}

impl BodyFilter for Filter<'_, '_> {
    fn filter(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>) {
        self.part.clear();
        self.part.extend_from_slice(data);
        if last {
            phases::last_body_filter(self.collected, self.context, &mut self.part);
        } else {
            phases::body_filter(self.collected, self.context, &mut self.part, false);
        }
        out.extend_from_slice(&self.part);
    }
}
