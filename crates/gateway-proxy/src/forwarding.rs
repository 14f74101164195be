//! The headers between the hops: what is taken away, and what the gateway tells upstream and client.

use std::net::IpAddr;

use engine::headers::{Headers, Names};
use engine::message::Version;
use engine::peer::Peer;
use smallvec::SmallVec;

use crate::pdk::{Context, Trust};
use crate::settings::Settings;

/// Fields that concern one connection only; framing is the engine's.
const HOP_BY_HOP: Names =
    Names::new(&["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "TE", "Proxy"]);

/// The same in responses.
const HOP_BY_HOP_OF_RESPONSE: Names = Names::new(&["Connection", "Keep-Alive", "Proxy-Connection"]);

/// Removes what concerns only the connection it arrived on, and everything `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut Headers) {
    let named = headers
        .get_str("connection")
        .filter(|value| !["keep-alive", "close", "upgrade"].iter().any(|usual| value.eq_ignore_ascii_case(usual)))
        .map(str::to_owned);
    headers.remove_any(&HOP_BY_HOP);
    if let Some(named) = named {
        for name in named.split(',').map(str::trim).filter(|name| !is_framing(name)) {
            headers.remove(name);
        }
    }
}

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
    headers.may_have(&NAMES) && ONCE.iter().any(|name| headers.get_all(name).nth(1).is_some())
}

/// Removes what concerns only the upstream's connection. Framing is the engine's; an agreed upgrade stays.
///
/// Of `Server`, which there can be one of, the first stays.
pub(crate) fn strip_hop_by_hop_of_response(headers: &mut Headers, upgrade: bool) {
    headers.remove_any(&HOP_BY_HOP_OF_RESPONSE);
    if !upgrade {
        headers.remove("upgrade");
    }
    if headers.get_all("server").nth(1).is_some() {
        let mut server = false;
        headers.retain(|name, _| !name.eq_ignore_ascii_case(b"server") || !std::mem::replace(&mut server, true));
    }
}

/// A length stays, whatever `Connection` says: the body must remain framed. And `Host` is ours.
fn is_framing(name: &str) -> bool {
    name.is_empty() || name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("host")
}

/// All values of a field as one list.
pub(crate) fn list(headers: &Headers, name: &str) -> Vec<u8> {
    headers.get_all(name).collect::<Vec<_>>().join(b", ".as_slice())
}

/// What the gateway says itself in a request.
const TOLD: Names = Names::new(&[
    "Via",
    "Host",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Path",
    "X-Forwarded-Prefix",
    "X-Real-IP",
    "X-Kong-Request-Id",
    "Content-Length",
]);

/// What the upstream is told of the request besides what the client said, and before that: `Via`, `Host`,
/// `X-Forwarded-*`, `X-Real-IP` and `X-Kong-Request-Id`. `prefix` is the part of the path that was stripped.
pub(crate) fn tell_upstream(
    context: &mut Context,
    settings: &Settings,
    peer: &Peer,
    host: &[u8],
    prefix: Option<&[u8]>,
) {
    let mut ip = IpText::default();
    let client_ip =
        if context.client.ip == peer.ip() { peer.ip_text().as_bytes() } else { ip.write(context.client.ip) };
    let trusted = context.client.trust == Trust::Trusted;

    // Read before anything is taken away; a trusted proxy's words stay.
    type Text = SmallVec<[u8; 64]>;
    let said = |name| {
        let value = if trusted { context.request.headers.get(name) } else { None };
        value.filter(|value| !value.is_empty()).map(Text::from_slice)
    };
    let (proto, port) = (said("x-forwarded-proto"), said("x-forwarded-port"));
    let (said_path, said_prefix) = (said("x-forwarded-path"), said("x-forwarded-prefix"));
    let forwarded_host = said("x-forwarded-host").unwrap_or_else(|| {
        let mut host = Text::from_slice(context.forwarded_host_bytes());
        host.make_ascii_lowercase();
        host
    });
    let path = said_path.unwrap_or_else(|| Text::from_slice(context.request.path()));
    let scheme = if context.client.tls.is_some() { "https" } else { "http" };
    let local_port = context.client.local.port();

    strip_hop_by_hop(&mut context.request.headers);
    let headers = &mut context.request.headers;
    let earlier = |name| if headers.contains(name) { list(headers, name) } else { Vec::new() };
    let (via, forwarded_for) = (earlier("via"), earlier("x-forwarded-for"));
    let length = headers.get("content-length").map(SmallVec::<[u8; 20]>::from_slice);
    headers.remove_any(&TOLD);

    let before = headers.len();
    if settings.headers.server_tokens {
        add_hop(headers, &via, context.request.version, context.node.version);
    } else if !via.is_empty() {
        headers.append("Via", via);
    }
    headers.append("Host", host);
    headers.append("Connection", "keep-alive");
    if forwarded_for.is_empty() {
        headers.append("X-Forwarded-For", client_ip);
    } else {
        let mut peer = IpText::default();
        headers.append_parts("X-Forwarded-For", &[&forwarded_for, b", ", peer.write(context.client.peer.ip())]);
    }
    headers.append("X-Forwarded-Proto", proto.as_deref().unwrap_or(scheme.as_bytes()));
    headers.append("X-Forwarded-Host", &forwarded_host);
    match port {
        Some(port) => headers.append("X-Forwarded-Port", port),
        None => headers.append("X-Forwarded-Port", itoa::Buffer::new().format(local_port)),
    }
    headers.append("X-Forwarded-Path", &path);
    match (&said_prefix, prefix) {
        (Some(prefix), _) => headers.append("X-Forwarded-Prefix", prefix),
        (None, Some(prefix)) if prefix != b"/" && !prefix.is_empty() => headers.append("X-Forwarded-Prefix", prefix),
        (None, _) => {}
    }
    headers.append("X-Real-IP", client_ip);
    if settings.request_id_upstream {
        headers.append("X-Kong-Request-Id", context.id.as_str());
    }
    if let Some(length) = length {
        headers.append("Content-Length", length);
    }
    let added = headers.len() - before;
    headers.last_first(added);
}

/// Adds this hop to `Via`.
pub(crate) fn add_via(headers: &mut Headers, version: Version, product: &str) {
    let earlier = if headers.contains("via") { list(headers, "via") } else { Vec::new() };
    headers.remove("via");
    add_hop(headers, &earlier, version, product);
}

fn add_hop(headers: &mut Headers, earlier: &[u8], version: Version, product: &str) {
    let version = match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    };
    let between: &[u8] = if earlier.is_empty() { b"" } else { b", " };
    headers.append_parts("Via", &[earlier, between, version.as_bytes(), b" kong/", product.as_bytes()]);
}

/// An address as text, without allocating.
#[derive(Default)]
struct IpText(SmallVec<[u8; 40]>);

impl IpText {
    fn write(&mut self, ip: IpAddr) -> &[u8] {
        self.0.clear();
        match ip {
            IpAddr::V4(ip) => {
                for (at, octet) in ip.octets().into_iter().enumerate() {
                    if at > 0 {
                        self.0.push(b'.');
                    }
                    self.0.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            IpAddr::V6(ip) => self.0.extend_from_slice(ip.to_string().as_bytes()),
        }
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        strip_hop_by_hop(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        assert_eq!(left, ["Content-Length", "Accept"]);
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
        add_via(&mut headers, Version::Http11, "1");
        add_via(&mut headers, Version::Http2, "2");
        assert_eq!(headers.get("via"), Some(b"1.1 kong/1, 2 kong/2".as_slice()));
        assert_eq!(headers.len(), 1);
    }
}
