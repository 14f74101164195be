//! Requests: from the first look to the log.

mod checks;
mod own;
mod phases;
mod proxying;
mod routing;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use engine::exchange::Exchange;
use engine::http1::DateCache;
use engine::message::{RequestHead, ResponseHead};
use engine::peer::Peer;
use engine::service::{self, Refusal, Service};
use futures_util::future::LocalBoxFuture;
use gateway_model::typed::Protocol;

use crate::access_log::AccessLog;
use crate::config::{Config, ServiceRuntime};
use crate::error_body;
use crate::pdk::{
    Answer, BodyError, Client, Context, Latencies, Outcome, RequestBody, RequestId, Source, Tls, Trust, Try,
};
use crate::real_ip;
use phases::Collected;

/// How many requests' memory a worker keeps.
const KEPT: usize = 64;

/// Serves requests on one worker.
pub struct Gateway {
    config: Arc<ArcSwap<Config>>,
    access_log: Option<AccessLog>,
    ids: Cell<u128>,
    dates: RefCell<DateCache>,
    /// Memory of paths and queries that went upstream.
    texts: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// What a request went through, for its last phase.
#[derive(Debug)]
struct Trail {
    started: Instant,
    /// When the request was handed to the upstream.
    sent: Option<Instant>,
    /// When the upstream's head was there.
    answered: Option<Instant>,
    tries: Vec<Try>,
    upstream_status: Option<u16>,
}

impl Gateway {
    /// A gateway that serves whatever the configuration is when a request arrives. `seed` makes request ids differ
    /// between workers and processes.
    pub fn new(config: Arc<ArcSwap<Config>>, access_log: Option<AccessLog>, seed: u128) -> Self {
        Self { config, access_log, ids: Cell::new(seed), dates: RefCell::default(), texts: RefCell::default() }
    }

    async fn handle(&self, config: &Config, exchange: &mut Exchange, context: &mut Context, trail: &mut Trail) {
        if let Some(status) = checks::no_business(&context.request) {
            context.error_format =
                error_body::format_of_protocol_error(&context.request.headers, config.settings.error_default_type);
            let collected = phases::collect_global(&config.global, context);
            let answer = Answer::error(status, error_body::usual_message(status));
            return Box::pin(self.answer(config, exchange, context, &collected, answer, Source::Error, trail)).await;
        }
        let protocol = context.client.protocol;
        for instance in config.rewrite.iter().filter(|instance| instance.serves(protocol)) {
            instance.plugin.rewrite(context);
        }
        let refused = |answer, source| Reply::Own { answer, source };
        let mut collected = Collected::new();
        let reply = match routing::route(config, context) {
            None => {
                collected = phases::collect_global(&config.global, context);
                refused(Box::new(Answer::error(404, "no Route matched with those values")), Source::Error)
            }
            Some(routed) => match checks::refusal(&routed, config, exchange, context).await {
                Some(answer) => refused(Box::new(answer), Source::Error),
                None => {
                    let chain = config.chains[routed.route.chain].as_deref();
                    let mut body = ClientBody(exchange);
                    let answer = match chain {
                        Some(chain) => phases::access(chain, context, &mut body, &mut collected).await,
                        None => None,
                    };
                    match (answer, routed.service) {
                        (Some(answer), _) => refused(answer, Source::Exit),
                        (None, Some(service)) => Reply::Proxy { service, prefix: routed.prefix },
                        (None, None) => {
                            refused(Box::new(Answer::error(503, "no Service found with those values")), Source::Error)
                        }
                    }
                }
            },
        };
        match reply {
            Reply::Own { answer, source } => {
                // Apart, so that requests that go on do not keep room for it.
                Box::pin(self.answer(config, exchange, context, &collected, *answer, source, trail)).await;
            }
            Reply::Proxy { service, prefix } => {
                self.proxy(config, exchange, context, &collected, service, prefix.as_deref(), trail).await;
            }
        }
    }

    /// Sends an answer of the gateway's own.
    #[expect(clippy::too_many_arguments, reason = "a request's whole state, in one place")]
    async fn answer(
        &self,
        config: &Config,
        exchange: &mut Exchange,
        context: &mut Context,
        collected: &Collected<'_>,
        answer: Answer,
        source: Source,
        trail: &Trail,
    ) {
        context.source = source;
        let (mut head, mut body) = own::render(answer, context, &config.settings.error_templates);
        phases::header_filter(collected, context, &mut head);
        if phases::have_body_filter(collected) {
            head.headers.remove("Content-Length");
            phases::last_body_filter(collected, context, &mut body);
        }
        own::sign(&mut head, config, context, trail);
        self.date(config, &mut head);
        // A client that is gone has nothing to be told; the log says how far it came.
        if let Err(error) = exchange.respond(&head, &body).await {
            tracing::debug!(%error, "Client went away");
        }
        self.finish(exchange, context, collected, &head, trail);
    }

    /// Dates an answer that has no date.
    fn date(&self, config: &Config, head: &mut ResponseHead) {
        if !head.headers.contains("Date") {
            let now = config.node.clock.now().as_second();
            head.headers.append("Date", self.dates.borrow_mut().at(now.unsigned_abs()));
        }
    }

    /// The last phase.
    #[inline(never)]
    fn finish(
        &self,
        exchange: &Exchange,
        context: &Context,
        collected: &Collected<'_>,
        response: &ResponseHead,
        trail: &Trail,
    ) {
        if self.access_log.is_none() && !phases::have_log(collected) {
            return;
        }
        let milliseconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
        let now = Instant::now();
        let request = milliseconds(trail.started, now);
        let proxy = trail.sent.zip(trail.answered).map_or(-1.0, |(sent, answered)| milliseconds(sent, answered));
        let receive = trail.answered.map_or(0.0, |answered| milliseconds(answered, now));
        let kong = match (trail.sent, trail.answered) {
            (Some(sent), _) => milliseconds(trail.started, sent),
            _ => request,
        };
        let outcome = Outcome {
            response,
            request_size: exchange.received(),
            response_size: exchange.sent(),
            latencies: Latencies { request, kong, proxy, receive },
            tries: &trail.tries,
            upstream_status: trail.upstream_status,
            started_ms: context.now_ms().saturating_sub(request as i64),
        };
        phases::log(collected, context, &outcome);
        if let Some(access_log) = &self.access_log {
            access_log.write(context, &outcome);
        }
    }

    fn begin(&self, config: &Config, exchange: &mut Exchange) -> Context {
        let request = std::mem::take(&mut exchange.request);
        let peer = &*exchange.peer;
        let (ip, port) = real_ip::resolve(&config.settings, client_end(peer), &request.headers);
        let trust = if config.settings.trusted_ips.is_empty() || !config.settings.trusts(peer.ip()) {
            Trust::Untrusted
        } else {
            Trust::Trusted
        };
        let client = Client {
            ip,
            port,
            peer: peer.addr,
            local: peer.proxied.map_or(peer.local, |proxied| proxied.destination),
            trust,
            protocol: protocol(peer, &request),
            tls: tls(peer),
        };
        Context::new(Arc::clone(&config.node), Arc::clone(&config.directory), self.next_id(), request, client)
    }

    /// Keeps a request's memory for later ones.
    fn end(&self, context: &mut Context, exchange: &mut Exchange) {
        // The connection's next request is read into the same memory.
        exchange.request = std::mem::take(&mut context.request);
        let mut texts = self.texts.borrow_mut();
        if texts.len() < KEPT {
            let (mut path, mut query) =
                (std::mem::take(&mut context.target.path), std::mem::take(&mut context.target.query));
            path.clear();
            query.clear();
            texts.push((path, query));
        }
    }

    /// Ids only need to differ, from each other and from other nodes': a counter, well stirred (SplitMix's finish on
    /// both halves).
    fn next_id(&self) -> RequestId {
        let count = self.ids.get().wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.ids.set(count);
        let stir = |mut half: u64| {
            half = (half ^ (half >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            half = (half ^ (half >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            half ^ (half >> 31)
        };
        let (high, low) = ((count >> 64) as u64, count as u64);
        RequestId::new(u128::from(stir(high ^ low.rotate_left(32))) << 64 | u128::from(stir(low)))
    }
}

impl Service for Gateway {
    async fn call(&self, exchange: &mut Exchange) {
        let config = self.config.load();
        let mut context = self.begin(&config, exchange);
        context.error_format = error_body::format_by_accept(&context.request.headers);
        if let Some(texts) = self.texts.borrow_mut().pop() {
            (context.target.path, context.target.query) = texts;
        }
        let mut trail =
            Trail { started: exchange.started, sent: None, answered: None, tries: Vec::new(), upstream_status: None };
        self.handle(&config, exchange, &mut context, &mut trail).await;
        self.end(&mut context, exchange);
    }

    fn refuse(&self, refusal: Refusal, read: &[u8], _: &Peer) -> service::Answer {
        let config = self.config.load();
        let id = self.next_id();
        let (mut head, body) = own::refusal(refusal, read, &config.settings, id);
        own::sign_refusal(&mut head, &config, id);
        self.date(&config, &mut head);
        service::Answer { head, body }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// How a request is answered.
enum Reply<'a> {
    Own { answer: Box<Answer>, source: Source },
    Proxy { service: &'a ServiceRuntime, prefix: Option<routing::Prefix> },
}

/// The body of the request as plugins read it.
struct ClientBody<'a>(&'a mut Exchange);

impl RequestBody for ClientBody<'_> {
    fn read<'a>(&'a mut self, limit: usize) -> LocalBoxFuture<'a, Result<&'a [u8], BodyError>> {
        Box::pin(async move {
            match self.0.buffer_body(limit).await {
                Ok(body) => Ok(body),
                Err(engine::exchange::BodyError::TooLarge(_)) => Err(BodyError::TooLarge(limit)),
                Err(error) => Err(BodyError::Broken(std::io::Error::other(error))),
            }
        })
    }

    fn announced_length(&self) -> Option<u64> {
        self.0.body_length()
    }
}

fn client_end(peer: &Peer) -> std::net::SocketAddr {
    peer.proxied.map_or(std::net::SocketAddr::new(peer.ip(), peer.addr.port()), |proxied| proxied.source)
}

fn protocol(peer: &Peer, request: &RequestHead) -> Protocol {
    let grpc =
        peer.http2 && request.headers.get("Content-Type").is_some_and(|value| value.starts_with(b"application/grpc"));
    match (grpc, peer.tls.is_some()) {
        (true, true) => Protocol::Grpcs,
        (true, false) => Protocol::Grpc,
        (false, true) => Protocol::Https,
        (false, false) => Protocol::Http,
    }
}

/// Worked out once a connection.
fn tls(peer: &Peer) -> Option<Arc<Tls>> {
    let session = peer.tls.as_ref()?;
    let made = peer.extension.get_or_init(|| {
        Box::new(Arc::new(Tls { sni: session.sni.clone(), version: session.version, cipher: session.cipher }))
    });
    made.downcast_ref::<Arc<Tls>>().cloned()
}
