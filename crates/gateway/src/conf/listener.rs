//! `0.0.0.0:8443 ssl http2 reuseport backlog=16384`

use std::net::{IpAddr, SocketAddr};

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS is terminated here.
    pub ssl: bool,
    /// HTTP/2 is spoken: by negotiation with TLS, by prior knowledge without.
    pub http2: bool,
    /// A PROXY protocol header comes first.
    pub proxy_protocol: bool,
    /// Each worker has a socket of its own.
    pub reuseport: bool,
    /// Connections that wait to be accepted.
    pub backlog: Option<u32>,
    /// As it was written.
    pub text: String,
}

impl Listen {
    /// Reads an entry. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let address = words.next().ok_or("an address is missing, such as 0.0.0.0:8000")?;
        let mut listen = Self {
            address: parse_address(address)?,
            ssl: false,
            http2: false,
            proxy_protocol: false,
            reuseport: false,
            backlog: None,
            text: text.to_owned(),
        };
        for word in words {
            match word.split_once('=') {
                None => match word {
                    "ssl" => listen.ssl = true,
                    "http2" => listen.http2 = true,
                    "proxy_protocol" => listen.proxy_protocol = true,
                    "reuseport" => listen.reuseport = true,
                    // What they ask of the socket is always so or makes no difference here.
                    "deferred" | "bind" => {}
                    "udp" => return Err("udp is for stream listeners".to_owned()),
                    other => {
                        return Err(format!(
                            "unknown flag {other:?}; there are ssl, http2, proxy_protocol, reuseport, deferred, bind, backlog=, ipv6only=, so_keepalive="
                        ));
                    }
                },
                Some(("backlog", number)) => {
                    let backlog = number.parse().ok().filter(|backlog| *backlog > 0);
                    listen.backlog = Some(backlog.ok_or(format!("backlog={number} is not a positive number"))?);
                }
                Some(("ipv6only" | "so_keepalive", _)) => {}
                Some((other, _)) => return Err(format!("unknown flag {other}=")),
            }
        }
        Ok(listen)
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = || format!("{text:?} is not an address and port, such as 0.0.0.0:8000 or [::1]:8000");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let ip: IpAddr = match host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        "*" => IpAddr::from([0, 0, 0, 0]),
        _ => return Err(wrong()),
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_unknown_ones_refused() {
        let listen = Listen::parse("[::1]:8443 ssl http2 reuseport backlog=7 ipv6only=on").unwrap();
        assert!(listen.ssl && listen.http2 && listen.reuseport && !listen.proxy_protocol);
        assert_eq!((listen.backlog, listen.address.port()), (Some(7), 8443));
        assert!(Listen::parse("1.2.3.4:80 sll").unwrap_err().contains("sll"));
        assert!(Listen::parse("example.com:80").is_err());
        assert!(Listen::parse("1.2.3.4:80 backlog=0").is_err());
    }
}
