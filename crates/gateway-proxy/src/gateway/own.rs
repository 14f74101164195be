//! Answers of the gateway's own, made into what is sent.

use std::time::Instant;

use engine::headers::Headers;
use engine::http1::BadRequest;
use engine::message::ResponseHead;
use engine::service::Refusal;
use gateway_model::typed::Protocol;

use crate::config::Config;
use crate::error_body;
use crate::forwarding;
use crate::gateway::Trail;
use crate::pdk::{Answer, Content, Context, ErrorFormat, RequestId, Source};
use crate::settings::{ErrorTemplates, Settings};

/// Head and body of an answer, without the fields that only the end of the exchange knows.
pub(super) fn render(answer: Answer, context: &Context, templates: &ErrorTemplates) -> (ResponseHead, Vec<u8>) {
    let mut head = ResponseHead::new(answer.status);
    head.headers = answer.headers;
    let body = match answer.content {
        Content::Empty => Vec::new(),
        Content::Bytes(body) => body,
        Content::Json(value) => {
            default_type(&mut head, "application/json; charset=utf-8");
            value.to_string().into_bytes()
        }
        Content::Error(message) => {
            let format = context.error_format;
            if !head.headers.contains("Content-Type") {
                head.headers.append("Content-Type", error_body::content_type(format));
            }
            // A client that merely accepts gRPC gets an empty answer; one that speaks it learns the reason.
            if format == ErrorFormat::Grpc && matches!(context.client.protocol, Protocol::Grpc | Protocol::Grpcs) {
                let status = error_body::grpc_status(head.status);
                head.headers.set("grpc-status", itoa::Buffer::new().format(status));
                head.headers.set("grpc-message", percent_encoded(&message));
            }
            error_body::render(templates, format, &message, context.id.as_str()).into_bytes()
        }
    };
    head.headers.replace(&context.response_headers);
    (head, body)
}

/// Adds what every answer of the gateway's own has. One that stands for an upstream's tells how long that was waited
/// for, as if the upstream had given it; so does one that the upstream gave earlier and a plugin kept, which is why the
/// plugin names the service as its source.
pub(super) fn sign(head: &mut ResponseHead, config: &Config, context: &Context, trail: &Trail) {
    let added = config.settings.headers;
    let kept = context.source == Source::Service;
    let now = Instant::now();
    let mut digits = itoa::Buffer::new();
    let mut set = |name, from: Instant, to: Instant| {
        let milliseconds = to.saturating_duration_since(from).as_millis() as u64;
        head.headers.set(name, digits.format(milliseconds));
    };
    let waited = match trail.sent {
        None if kept => Some((now, now)),
        sent => sent.map(|sent| (sent, now)),
    };
    match waited {
        Some((sent, answered)) => {
            if added.upstream_latency {
                set("X-Kong-Upstream-Latency", sent, answered);
            }
            if added.proxy_latency {
                set("X-Kong-Proxy-Latency", trail.started, sent);
            }
        }
        None if added.response_latency => set("X-Kong-Response-Latency", trail.started, now),
        None => {}
    }
    if added.upstream_status && trail.sent.is_some() {
        head.headers.set("X-Kong-Upstream-Status", digits.format(head.status));
    }
    if (kept || trail.sent.is_some()) && added.via {
        forwarding::add_via(&mut head.headers, config.node.hop(head.version));
    }
    let server = if kept { head.headers.get("Server").map(<[u8]>::to_vec) } else { None };
    sign_always(head, config, context.id);
    if let Some(server) = server {
        head.headers.set("Server", server);
    }
    if kept {
        name_charset(&mut head.headers);
    }
}

/// Text that does not say so is in UTF-8.
pub(super) fn name_charset(headers: &mut Headers) {
    const TEXT: [(&str, &str); 6] = [
        ("text/html", "text/html; charset=UTF-8"),
        ("text/plain", "text/plain; charset=UTF-8"),
        ("text/xml", "text/xml; charset=UTF-8"),
        ("text/vnd.wap.wml", "text/vnd.wap.wml; charset=UTF-8"),
        ("application/javascript", "application/javascript; charset=UTF-8"),
        ("application/rss+xml", "application/rss+xml; charset=UTF-8"),
    ];
    headers.change("Content-Type", |kind| {
        let (_, named) = TEXT.iter().find(|(text, _)| text.as_bytes() == kind)?;
        Some(*named)
    });
}

/// Tells which route and service a request met.
pub(super) fn tell_debug(context: &Context, say: &mut impl FnMut(&str, &[u8])) {
    if let Some(route) = &context.route {
        say("Kong-Route-Id", route.id.as_bytes());
        if let Some(name) = &route.name {
            say("Kong-Route-Name", name.as_bytes());
        }
    }
    if let Some(service) = &context.service {
        say("Kong-Service-Id", service.id.as_bytes());
        if let Some(name) = &service.name {
            say("Kong-Service-Name", name.as_bytes());
        }
    }
}

/// Head and body for a request that was not understood, of which so much was `read`.
pub(super) fn refusal(refusal: Refusal, read: &[u8], settings: &Settings, id: RequestId) -> (ResponseHead, Vec<u8>) {
    let fallback = settings.error_default_type;
    let status = refusal.status();
    let page = |title: &str, words: &str| (error_body::PAGE_TYPE, error_body::page(title, words));
    let (kind, body) = match (refusal, status) {
        // These have the plain pages of a server, whatever the client reads.
        (Refusal::PlainOnTls, _) => page("400 Bad Request", "The plain HTTP request was sent to HTTPS port"),
        (_, 501) => page("501 Not Implemented", ""),
        (_, 505) => page("505 HTTP Version Not Supported", ""),
        (Refusal::Head(error), _) => {
            let format = if is_of_first_line(error) { fallback } else { error_body::format_of_read(read, fallback) };
            // A head too large has a status of its own only within.
            let message = error_body::usual_message(if status == 431 { 494 } else { status });
            (
                error_body::content_type(format),
                error_body::render(&settings.error_templates, format, &message, id.as_str()),
            )
        }
    };
    let mut head = ResponseHead::new(if status == 431 { 400 } else { status });
    head.headers.append("Content-Type", kind);
    (head, body.into_bytes())
}

/// Whether it is the request line that is wrong: what comes after it is not looked at then.
fn is_of_first_line(error: BadRequest) -> bool {
    matches!(
        error,
        BadRequest::RequestLine
            | BadRequest::Method
            | BadRequest::Target
            | BadRequest::Version
            | BadRequest::UnsupportedVersion
            | BadRequest::LineEnd
            | BadRequest::LineTooLong
    )
}

/// The same for a request that was not understood.
pub(super) fn sign_refusal(head: &mut ResponseHead, config: &Config, id: RequestId) {
    if config.settings.headers.response_latency {
        head.headers.set("X-Kong-Response-Latency", "0");
    }
    sign_always(head, config, id);
}

fn sign_always(head: &mut ResponseHead, config: &Config, id: RequestId) {
    let added = config.settings.headers;
    if added.server {
        head.headers.set("Server", config.node.server());
    }
    if added.request_id {
        head.headers.set("X-Kong-Request-Id", id.as_bytes());
    }
}

fn default_type(head: &mut ResponseHead, media_type: &str) {
    if !head.headers.contains("Content-Type") {
        head.headers.append("Content-Type", media_type);
    }
}

/// A message as `grpc-message` wants it.
fn percent_encoded(message: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    percent_encoding::utf8_percent_encode(message, KEPT).to_string()
}
