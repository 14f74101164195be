//! The headers between the hops: what is taken away, and what the gateway tells upstream and client.

use std::borrow::Cow;

use engine::forward::Outgoing;
use engine::headers::{Headers, Names};
use engine::http1::{write_field, write_length};
use engine::message::Method;
use engine::peer::Peer;

use crate::pdk::{Context, Trust};
use crate::settings::Settings;

/// Fields of responses that concern one connection only; framing is the engine's.
const HOP_BY_HOP_OF_RESPONSE: Names = Names::new(&["Connection", "Keep-Alive", "Proxy-Connection"]);

/// Whether a field that can be there only once is there twice: such a request is refused, as it means one thing to us
/// and may mean another to the upstream. `Host` and framing are the codec's.
pub(crate) fn has_doubled_field(headers: &Headers) -> bool {
    const ONCE: [&str; 8] = [
        "Authorization",
        "Content-Range",
        "Expect",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
    ];
    const NAMES: Names = Names::new(&ONCE);
    headers.may_have(&NAMES)
        && ONCE.iter().any(|name| headers.may_repeat(name) && headers.get_all(name).nth(1).is_some())
}

/// Removes what concerns only the upstream's connection, which the engine would leave out, before others see it.
pub(crate) fn strip_hop_by_hop(headers: &mut Headers) {
    headers.remove_any(&HOP_BY_HOP_OF_RESPONSE);
}

/// Removes what clients are not told: other protocols, unless the change to one was agreed on, and of `Server`, which
/// there can be one of, all but the first.
pub(crate) fn strip_response(headers: &mut Headers, upgrade: bool) {
    if !upgrade {
        headers.remove("Upgrade");
    }
    headers.keep_first("Server");
    if headers.may_have(&CONNECTION)
        && let Cow::Owned(left) = without_named(headers)
    {
        *headers = left;
    }
}

/// What may name fields that are not meant for clients.
const CONNECTION: Names = Names::new(&["Connection"]);

/// All values of a field as one list.
#[inline(always)]
pub(crate) fn list(headers: &Headers, name: &str) -> Vec<u8> {
    if headers.contains(name) { join(headers, name) } else { Vec::new() }
}

fn join(headers: &Headers, name: &str) -> Vec<u8> {
    headers.get_all(name).collect::<Vec<_>>().join(b", ".as_slice())
}

/// Fields of a request that go no further: what concerns one connection only, and what the gateway says itself.
const SETTLED: Names = Names::new(&[
    "Host",
    "Connection",
    "Content-Length",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Path",
    "X-Forwarded-Prefix",
    "X-Real-IP",
    "X-Kong-Request-Id",
    "Via",
    "TE",
    "Proxy",
    "Expect",
    "Upgrade",
    "Keep-Alive",
    "Proxy-Connection",
    "Transfer-Encoding",
]);

/// A request as its upstream gets it: before what the client said stands what the gateway says of it, `Via`, `Host`,
/// `X-Forwarded-*`, `X-Real-IP` and `X-Kong-Request-Id`.
pub(crate) struct Forwarded<'a> {
    pub(crate) context: &'a Context,
    pub(crate) settings: &'a Settings,
    pub(crate) peer: &'a Peer,
    pub(crate) host: &'a [u8],
    /// The part of the path that was stripped.
    pub(crate) prefix: Option<&'a [u8]>,
    /// Whether WebSocket is asked for.
    pub(crate) upgrade: bool,
}

impl Outgoing for Forwarded<'_> {
    fn method(&self) -> &Method {
        &self.context.request.method
    }

    fn write_target(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.context.target.path);
        out.extend_from_slice(&self.context.target.query);
    }

    fn write_fields(&self, length: Option<u64>, out: &mut Vec<u8>) {
        let context = self.context;
        let said = &without_named(&context.request.headers);
        if self.settings.headers.via {
            out.extend_from_slice(b"Via: ");
            write_earlier(said, "Via", out);
            out.extend_from_slice(context.node.hop(context.request.version).as_bytes());
            out.extend_from_slice(b"\r\n");
        } else if said.contains("Via") {
            write_field("Via", join(said, "Via"), out);
        }
        out.extend_from_slice(b"Host: ");
        out.extend_from_slice(self.host);
        out.extend_from_slice(b"\r\nConnection: keep-alive");
        out.extend_from_slice(if self.upgrade { b", Upgrade\r\n" } else { b"\r\n" });
        self.write_origin(said, out);
        if self.settings.request_id_upstream {
            out.extend_from_slice(b"X-Kong-Request-Id: ");
            out.extend_from_slice(context.id.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if wants_trailers(said) {
            out.extend_from_slice(b"TE: trailers\r\n");
        }
        if let Some(length) = length {
            write_length(length, out);
        }
        said.write_without(&SETTLED, out);
        if self.upgrade {
            out.extend_from_slice(b"Upgrade: websocket\r\n");
        }
    }
}

impl Forwarded<'_> {
    /// Where the request came from. What a trusted proxy says of that stays.
    fn write_origin(&self, said: &Headers, out: &mut Vec<u8>) {
        let Context { client, request, .. } = self.context;
        let trusted = |name| {
            let value = if client.trust == Trust::Trusted { request.headers.get(name) } else { None };
            value.filter(|value| !value.is_empty())
        };
        let behind_proxy = (client.ip != self.peer.ip()).then(|| client.ip.to_string());
        let ip = behind_proxy.as_deref().unwrap_or(self.peer.ip_text()).as_bytes();
        out.extend_from_slice(b"X-Forwarded-For: ");
        let next = if write_earlier(said, "X-Forwarded-For", out) { self.peer.ip_text().as_bytes() } else { ip };
        out.extend_from_slice(next);
        let scheme: &[u8] = if client.tls.is_some() { b"https" } else { b"http" };
        out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
        out.extend_from_slice(trusted("x-forwarded-proto").unwrap_or(scheme));
        out.extend_from_slice(b"\r\nX-Forwarded-Host: ");
        match trusted("x-forwarded-host") {
            Some(host) => out.extend_from_slice(host),
            None => {
                let start = out.len();
                out.extend_from_slice(self.context.forwarded_host_bytes());
                out[start..].make_ascii_lowercase();
            }
        }
        out.extend_from_slice(b"\r\nX-Forwarded-Port: ");
        match trusted("x-forwarded-port") {
            Some(port) => out.extend_from_slice(port),
            None => out.extend_from_slice(itoa::Buffer::new().format(client.local.port()).as_bytes()),
        }
        out.extend_from_slice(b"\r\nX-Forwarded-Path: ");
        out.extend_from_slice(trusted("x-forwarded-path").unwrap_or(request.path()));
        if let Some(prefix) = trusted("x-forwarded-prefix").or(self.prefix.filter(|prefix| *prefix != b"/")) {
            out.extend_from_slice(b"\r\nX-Forwarded-Prefix: ");
            out.extend_from_slice(prefix);
        }
        out.extend_from_slice(b"\r\nX-Real-IP: ");
        out.extend_from_slice(ip);
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether the client takes trailers: the one thing of `TE` that is the upstream's business too.
#[inline(always)]
fn wants_trailers(headers: &Headers) -> bool {
    headers.contains("TE")
        && headers.get_all("TE").any(|value| {
            value.split(|byte| *byte == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        })
}

/// Begins a list with what a field says already; whether it says anything.
#[inline(always)]
fn write_earlier(headers: &Headers, name: &str, out: &mut Vec<u8>) -> bool {
    let earlier = list(headers, name);
    if earlier.is_empty() {
        return false;
    }
    out.extend_from_slice(&earlier);
    out.extend_from_slice(b", ");
    true
}

/// The fields without those that `Connection` names. A length stays whatever it says, as the body must remain framed,
/// and so does `Host`.
fn without_named(headers: &Headers) -> Cow<'_, Headers> {
    let usual = |value: &&[u8]| {
        [&b"keep-alive"[..], b"close", b"upgrade"].iter().any(|usual| value.eq_ignore_ascii_case(usual))
    };
    let named = headers.get("Connection").filter(|value| !usual(value));
    let Some(named) = named.and_then(|value| std::str::from_utf8(value).ok()) else {
        return Cow::Borrowed(headers);
    };
    let stays = |name: &str| {
        name.is_empty() || name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("host")
    };
    let mut left = headers.clone();
    for name in named.split(',').map(str::trim).filter(|name| !stays(name)) {
        left.remove(name);
    }
    Cow::Owned(left)
}

/// Adds this hop to `Via`.
pub(crate) fn add_via(headers: &mut Headers, hop: &str) {
    let earlier = list(headers, "Via");
    if earlier.is_empty() {
        headers.set("Via", hop);
    } else {
        headers.remove("Via");
        headers.append_parts("Via", &[&earlier, b", ", hop.as_bytes()]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use gateway_model::typed::Protocol;
    use runtime::tasks::Tasks;

    use super::*;
    use crate::pdk::{Client, Node, RequestHead, RequestId};

    #[test]
    fn what_connection_names_goes_but_not_the_framing() {
        let mut headers = Headers::new();
        for (name, value) in [
            ("Connection", "X-Secret, Content-Length"),
            ("X-Secret", "1"),
            ("Content-Length", "3"),
            ("TE", "trailers"),
            ("Proxy", "x"),
            ("Accept", "*/*"),
        ] {
            headers.append(name, value);
        }
        let left = without_named(&headers);
        assert!(!left.contains("x-secret") && left.contains("content-length"));
        let mut written = Vec::new();
        left.write_without(&SETTLED, &mut written);
        assert_eq!(written, b"Accept: */*\r\n");
    }

    #[test]
    fn what_an_upstream_says_of_its_connection_stays_there() {
        let mut headers = Headers::new();
        for (name, value) in [("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Upgrade", "h2c"), ("X-Kept", "1")]
        {
            headers.append(name, value);
        }
        strip_response(&mut headers, false);
        assert!(!headers.contains("X-Hop") && !headers.contains("Upgrade") && headers.contains("X-Kept"));
    }

    #[test]
    fn a_doubled_field_is_found() {
        let mut headers = Headers::new();
        headers.append("Authorization", "a");
        headers.append("Accept", "a");
        headers.append("accept", "b");
        assert!(!has_doubled_field(&headers));
        headers.append("authorization", "a");
        assert!(has_doubled_field(&headers));
    }

    #[test]
    fn a_list_grows_at_its_end() {
        let mut headers = Headers::new();
        add_via(&mut headers, "1.1 kong/1");
        add_via(&mut headers, "2 kong/2");
        assert_eq!(headers.get("via"), Some(b"1.1 kong/1, 2 kong/2".as_slice()));
        assert_eq!(headers.len(), 1);
    }

    fn context(trust: Trust, fields: &[(&str, &str)]) -> Context {
        let mut request = RequestHead { target: b"/a/b?c=d".to_vec(), ..RequestHead::default() };
        for (name, value) in fields {
            request.headers.append(name, value);
        }
        let node = Node::new("host", "id", "3.9.3", "/nowhere", Arc::new(base::SystemClock), Tasks::new());
        let end = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let client = Client {
            ip: [10, 0, 0, 1].into(),
            port: 1,
            peer: end(7),
            local: end(8000),
            trust,
            protocol: Protocol::Http,
            tls: None,
        };
        let mut context = Context::new(Arc::new(node), Arc::default(), RequestId::new(0), request, client);
        context.target.path.extend_from_slice(b"/up/b");
        context.target.query.extend_from_slice(b"?c=d");
        context
    }

    fn fields(context: &Context, length: Option<u64>, upgrade: bool) -> String {
        let peer = Peer::new(context.client.peer, context.client.local, 0);
        let settings = Settings::default();
        let (host, prefix) = (b"service".as_slice(), Some(b"/a".as_slice()));
        let mut out = Vec::new();
        Forwarded { context, settings: &settings, peer: &peer, host, prefix, upgrade }.write_fields(length, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn upstreams_are_told_where_a_request_came_from() {
        let said = [("Host", "Shop:80"), ("Connection", "X-Hop"), ("X-Hop", "1"), ("X-Forwarded-Proto", "https")];
        let context = context(Trust::Untrusted, &[&said[..], &[("Accept", "*/*"), ("Content-Length", "9")]].concat());
        let told = "Via: 1.1 kong/3.9.3\r\nHost: service\r\nConnection: keep-alive\r\nX-Forwarded-For: 10.0.0.1\r\n\
            X-Forwarded-Proto: http\r\nX-Forwarded-Host: shop\r\nX-Forwarded-Port: 8000\r\nX-Forwarded-Path: /a/b\r\n\
            X-Forwarded-Prefix: /a\r\nX-Real-IP: 10.0.0.1\r\nX-Kong-Request-Id: 00000000000000000000000000000000\r\n\
            Content-Length: 3\r\nAccept: */*\r\n";
        assert_eq!(fields(&context, Some(3), false), told);
    }

    #[test]
    fn what_trusted_proxies_say_stays() {
        let said = [
            ("Host", "shop"),
            ("Via", "1.0 one"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("Accept", "*/*"),
            ("X-Forwarded-For", "10.0.0.2"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "Front"),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Path", "/before"),
            ("X-Forwarded-Prefix", "/p"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("TE", "deflate;q=0.5, Trailers"),
        ];
        let context = context(Trust::Trusted, &said);
        let told = "Via: 1.0 one, 1.1 kong/3.9.3\r\nHost: service\r\nConnection: keep-alive, Upgrade\r\n\
            X-Forwarded-For: 1.2.3.4, 10.0.0.2, 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: Front\r\n\
            X-Forwarded-Port: 443\r\nX-Forwarded-Path: /before\r\nX-Forwarded-Prefix: /p\r\nX-Real-IP: 10.0.0.1\r\n\
            X-Kong-Request-Id: 00000000000000000000000000000000\r\nTE: trailers\r\nAccept: */*\r\n\
            Upgrade: websocket\r\n";
        assert_eq!(fields(&context, None, true), told);
    }
}
