//! The hosts file.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::{Answer, Endpoint, Record, SetupError};

/// Names that are known from the start.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, SetupError> {
        read_or_empty(path).map(|text| Self::parse(&text))
    }

    /// Lines that are none are passed over, as everything that reads this file does.
    pub(super) fn parse(text: &str) -> Self {
        let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(ip) = words.next().and_then(|word| word.parse().ok()) else { continue };
            for name in words {
                let ips = names.entry(name.to_ascii_lowercase()).or_default();
                if !ips.contains(&ip) {
                    ips.push(ip);
                }
            }
        }
        Self(names)
    }

    /// The addresses of the first family in the order that the name has.
    pub(super) fn find(&self, name: &str, order: &[Record]) -> Option<Answer> {
        let ips = self.0.get(name)?;
        let families = order.iter().filter_map(|record| match record {
            Record::A | Record::Cname => Some((Record::A, true)),
            Record::Aaaa => Some((Record::Aaaa, false)),
            Record::Last | Record::Srv => None,
        });
        // What the file says holds, even of a family nobody asked for.
        families.chain([(Record::A, true), (Record::Aaaa, false)]).find_map(|(record, v4)| {
            let endpoints: Vec<Endpoint> =
                ips.iter().filter(|ip| ip.is_ipv4() == v4).map(|&ip| Endpoint::of(ip)).collect();
            (!endpoints.is_empty()).then(|| Answer { record: record.as_str(), endpoints })
        })
    }
}

/// The text of a file, or nothing if there is no file.
pub(super) fn read_or_empty(path: &Path) -> Result<Arc<str>, SetupError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok("".into()),
        Err(error) => Err(SetupError::Read { path: path.to_owned(), error }),
    }
}
