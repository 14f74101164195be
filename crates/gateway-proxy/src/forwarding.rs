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

/// Appends `value` to the list in field `name`: `old, value`.
pub(crate) fn extend_list(headers: &mut Headers, name: &str, value: &[u8]) {
    let old = list(headers, name);
    if old.is_empty() {
        headers.set(name, value);
    } else {
        headers.set(name, [&old, b", ".as_slice(), value].concat());
    }
}

/// What the upstream is told of the request besides what the client said: `Host`, `X-Real-IP`, `X-Forwarded-*`,
/// `Via` and `X-Kong-Request-Id`. `prefix` is the part of the path that was stripped.
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

    // Read before `Host` is exchanged; most requests have none of these, and a trusted proxy's stay.
    let keep = |name| trusted && context.request.headers.get(name).is_some_and(|value| !value.is_empty());
    let (keep_proto, keep_host, keep_port) =
        (keep("x-forwarded-proto"), keep("x-forwarded-host"), keep("x-forwarded-port"));
    let (keep_path, keep_prefix) = (keep("x-forwarded-path"), keep("x-forwarded-prefix"));
    let scheme = if context.client.tls.is_some() { "https" } else { "http" };
    let forwarded_host: Option<SmallVec<[u8; 64]>> =
        (!keep_host).then(|| SmallVec::from_slice(context.forwarded_host_bytes()));
    let port = context.client.local.port();
    let path: Option<SmallVec<[u8; 128]>> = (!keep_path).then(|| SmallVec::from_slice(context.request.path()));

    strip_hop_by_hop(&mut context.request.headers);
    let headers = &mut context.request.headers;
    headers.set("Host", host);
    headers.set("X-Real-IP", client_ip);
    if headers.contains("x-forwarded-for") {
        let mut peer = IpText::default();
        extend_list(headers, "X-Forwarded-For", peer.write(context.client.peer.ip()));
    } else {
        headers.append("X-Forwarded-For", client_ip);
    }
    if !keep_proto {
        headers.set("X-Forwarded-Proto", scheme);
    }
    if let Some(mut host) = forwarded_host {
        host.make_ascii_lowercase();
        headers.set("X-Forwarded-Host", &host);
    }
    if !keep_port {
        headers.set("X-Forwarded-Port", itoa::Buffer::new().format(port));
    }
    if let Some(path) = path {
        headers.set("X-Forwarded-Path", &path);
    }
    if !keep_prefix {
        match prefix {
            Some(prefix) if prefix != b"/" && !prefix.is_empty() => headers.set("X-Forwarded-Prefix", prefix),
            _ => drop(headers.remove("x-forwarded-prefix")),
        }
    }
    if settings.headers.server_tokens {
        add_via(headers, context.request.version, context.node.version);
    }
    if settings.request_id_upstream {
        headers.set("X-Kong-Request-Id", context.id.as_str());
    }
}

/// Adds this hop to `Via`.
pub(crate) fn add_via(headers: &mut Headers, version: Version, product: &str) {
    let version = match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    };
    let hop = [version.as_bytes(), b" kong/", product.as_bytes()];
    if headers.contains("via") {
        extend_list(headers, "Via", &hop.concat());
    } else {
        headers.append_parts("Via", &hop);
    }
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
        extend_list(&mut headers, "Via", b"1.1 a");
        extend_list(&mut headers, "Via", b"1.1 b");
        assert_eq!(headers.get("via"), Some(b"1.1 a, 1.1 b".as_slice()));
        assert_eq!(headers.len(), 1);
    }
}
