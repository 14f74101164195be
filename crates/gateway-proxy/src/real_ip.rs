//! Whose request it is, when trusted proxies stand in between.

use std::net::{IpAddr, SocketAddr};

use engine::headers::Headers;

use crate::settings::Settings;

/// The client's address and port: the peer's, unless a trusted peer's header names another.
pub(crate) fn resolve(settings: &Settings, peer: SocketAddr, headers: &Headers) -> (IpAddr, u16) {
    if settings.trusted_ips.is_empty() || !settings.trusts(peer.ip()) {
        return (peer.ip(), peer.port());
    }
    named(settings, headers).unwrap_or((peer.ip(), peer.port()))
}

/// Whom the header names.
#[inline(never)]
fn named(settings: &Settings, headers: &Headers) -> Option<(IpAddr, u16)> {
    let mut client = None;
    // Nearest hop last: later lines and later entries come first.
    let lines: Vec<&[u8]> = headers.get_all(&settings.real_ip_header).collect();
    'search: for line in lines.iter().rev() {
        let Ok(line) = std::str::from_utf8(line) else { break };
        for entry in line.rsplit(',') {
            let Some((ip, port)) = parse(entry.trim()) else { break 'search };
            client = Some((ip, port.unwrap_or(0)));
            if !settings.real_ip_recursive || !settings.trusts(ip) {
                break 'search;
            }
        }
    }
    client
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1` or `[::1]:5`.
fn parse(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(ip) = text.parse() {
        return Some((ip, None));
    }
    let address: SocketAddr = text.parse().ok()?;
    Some((address.ip(), Some(address.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(recursive: bool, peer: &str, forwarded: &[&str]) -> String {
        let settings = Settings {
            trusted_ips: vec!["10.0.0.0/8".parse().unwrap()],
            real_ip_header: "x-forwarded-for".into(),
            real_ip_recursive: recursive,
            ..Settings::default()
        };
        let mut headers = Headers::new();
        for line in forwarded {
            headers.append("X-Forwarded-For", line);
        }
        resolve(&settings, format!("{peer}:7").parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn only_a_trusted_peer_speaks_for_others() {
        assert_eq!(resolved(false, "10.0.0.1", &["1.1.1.1, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(resolved(false, "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(resolved(true, "10.0.0.1", &["1.1.1.1, 2.2.2.2", "10.2.2.2"]), "2.2.2.2");
        assert_eq!(resolved(true, "10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(resolved(true, "10.0.0.1", &["10.3.3.3"]), "10.3.3.3");
    }
}
