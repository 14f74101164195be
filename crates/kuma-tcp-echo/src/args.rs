use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};

use clap::Parser;

/// Sends back what it receives on a TCP connection. A connection that begins with an HTTP/1 request is
/// closed after the echo, so that curl returns.
#[derive(Debug, Parser)]
#[command(name = "kuma-tcp-echo", version)]
pub(crate) struct Args {
    /// Port to accept connections on; 0 for any free one. May be written with one dash.
    #[arg(long, default_value_t = 8000)]
    pub(crate) port: u16,
    /// Address to accept connections on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub(crate) address: IpAddr,
    /// Most connections at a time; further ones wait.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections: u32,
}

impl Args {
    /// Reads the command line; ends the process after `--help`, and after a mistake with a message.
    pub(crate) fn from_command_line(line: impl Iterator<Item = OsString>) -> Self {
        Self::parse_from(line.map(with_two_dashes))
    }
}

/// `-port` as Go programs have it is `--port`.
fn with_two_dashes(arg: OsString) -> OsString {
    match arg.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(name) if name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            format!("--{name}").into()
        }
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port_of(line: &[&str]) -> u16 {
        let line = line.iter().map(|arg| with_two_dashes(OsString::from(arg)));
        Args::try_parse_from(std::iter::once(OsString::from("kuma-tcp-echo")).chain(line)).unwrap().port
    }

    #[test]
    fn the_port_may_be_written_in_every_usual_way() {
        for line in [&["-port", "9000"][..], &["--port", "9000"], &["-port=9000"], &["--port=9000"]] {
            assert_eq!(port_of(line), 9000, "{line:?}");
        }
        assert_eq!(port_of(&[]), 8000);
    }

    #[test]
    fn short_flags_and_values_stay() {
        for arg in ["-h", "-V", "9000", "-1", "-", "--help"] {
            assert_eq!(with_two_dashes(arg.into()), arg);
        }
        assert_eq!(with_two_dashes("-help".into()), "--help");
    }
}
