//! One route, ready to be asked whether it matches.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::expression::{Captured, Expression, Ip};
use crate::pattern::Pattern;
use crate::place::{HostKey, Label, Place, Spot, Text};
use crate::rank::{self, Paths, Rank};
use crate::request::Request;
use crate::spec::{Flavor, RouteError, RouteSpec};

/// A route.
#[derive(Debug)]
pub(crate) struct Matcher<T> {
    pub(crate) payload: T,
    pub(crate) placements: Placements,
    criteria: Criteria,
}

/// Most routes have one.
type Placements = SmallVec<[Placement; 1]>;

/// Where in the index a route, or a part of it, is looked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placement {
    pub(crate) rank: Rank,
    pub(crate) place: Place,
    /// The port the request must have arrived at.
    pub(crate) port: Option<u16>,
    /// Which of the patterns must match as well.
    pub(crate) regex: Option<u32>,
}

/// What a request must have besides its place.
#[derive(Debug)]
enum Criteria {
    Nothing,
    Expression(Box<Expression>),
    Fields(Box<Fields>),
}

#[derive(Debug)]
struct Fields {
    methods: Vec<Arc<str>>,
    headers: Vec<(Arc<str>, Vec<Value>)>,
    snis: Vec<HostKey>,
    sources: Vec<(Option<Ip>, Option<u16>)>,
    destinations: Vec<(Option<Ip>, Option<u16>)>,
    regexes: Vec<Pattern>,
    only_tls: Option<bool>,
}

/// A value of a header.
#[derive(Debug)]
enum Value {
    /// In lower case.
    Exact(Box<str>),
    Regex(Pattern),
}

impl<T> Matcher<T> {
    pub(crate) fn new(flavor: Flavor, spec: RouteSpec, payload: T) -> Result<Self, RouteError> {
        if let Some(text) = spec.expression.as_ref().filter(|_| flavor == Flavor::Expressions) {
            let expression = Expression::parse(text)?;
            let rank = rank::of_expression(&spec);
            let placements = expression
                .places()
                .into_iter()
                .map(|place| Placement { rank, place, port: None, regex: None })
                .collect();
            return Ok(Self { placements, criteria: Criteria::Expression(Box::new(expression)), payload });
        }
        let mut regexes = Vec::new();
        let placements = placements(flavor, &spec, &mut regexes)?;
        Ok(Self { placements, criteria: Criteria::new(flavor, spec, regexes)?, payload })
    }

    /// Whether the request matches; host and prefix have been looked at by the index.
    pub(crate) fn matches(&self, placement: &Placement, request: &Request<'_>, captured: &mut Captured) -> bool {
        if placement.port.is_some_and(|port| port != request.destination.port()) {
            return false;
        }
        match &self.criteria {
            Criteria::Nothing => {
                captured.set_prefix(placement);
                true
            }
            Criteria::Expression(expression) => {
                *captured = Captured::default();
                expression.matches(request, captured)
            }
            Criteria::Fields(fields) => {
                if !fields.match_rest(request) {
                    return false;
                }
                match placement.regex {
                    None => {
                        captured.set_prefix(placement);
                        true
                    }
                    Some(at) => {
                        let pattern = &fields.regexes[at as usize];
                        let Some(length) = pattern.find(request.path, &mut captured.groups) else {
                            return false;
                        };
                        captured.path = Some(length);
                        true
                    }
                }
            }
        }
    }
}

impl Captured {
    /// All that was matched of the path is what the index has looked at.
    fn set_prefix(&mut self, placement: &Placement) {
        self.path = placement.place.spot.prefix.as_ref().map(|prefix| prefix.len());
        self.groups.clear();
    }
}

impl Criteria {
    fn new(flavor: Flavor, spec: RouteSpec, regexes: Vec<Pattern>) -> Result<Self, RouteError> {
        let only_tls = spec.only_tls.filter(|_| flavor == Flavor::Expressions);
        let wants_nothing = spec.methods.is_empty()
            && spec.headers.is_empty()
            && spec.snis.is_empty()
            && spec.sources.is_empty()
            && spec.destinations.is_empty()
            && regexes.is_empty()
            && only_tls.is_none();
        if wants_nothing {
            return Ok(Self::Nothing);
        }
        Ok(Self::Fields(Box::new(Fields {
            methods: spec.methods,
            headers: spec.headers.iter().map(header).collect::<Result<_, _>>()?,
            snis: spec.snis.iter().map(sni).collect(),
            sources: spec.sources.iter().map(address).collect::<Result<_, _>>()?,
            destinations: spec.destinations.iter().map(address).collect::<Result<_, _>>()?,
            only_tls,
            regexes,
        })))
    }
}

impl Fields {
    fn match_rest(&self, request: &Request<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| **method == *request.method))
            && self.only_tls.is_none_or(|tls| tls == request.tls)
            && self.headers.iter().all(|(name, values)| {
                request.headers.any(name, &mut |value| values.iter().any(|wanted| wanted.accepts(value)))
            })
            && self.match_sni(request)
            && match_address(&self.sources, request.source)
            && match_address(&self.destinations, request.destination)
    }

    /// Without TLS the server name counts as right: the request is then told to come over TLS.
    fn match_sni(&self, request: &Request<'_>) -> bool {
        if self.snis.is_empty() || !request.tls {
            return true;
        }
        let sni = request.sni.unwrap_or_default().trim_end_matches('.').as_bytes();
        self.snis.iter().any(|wanted| match wanted {
            HostKey::Any => true,
            HostKey::Exact(name) => **name == *sni,
            HostKey::Suffix(end) => sni.ends_with(end),
            HostKey::Prefix(start) => sni.starts_with(start),
        })
    }
}

impl Value {
    fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => value.eq_ignore_ascii_case(wanted.as_bytes()),
            Self::Regex(regex) => regex.is_match(&value.to_ascii_lowercase()),
        }
    }
}

fn match_address(wanted: &[(Option<Ip>, Option<u16>)], address: std::net::SocketAddr) -> bool {
    wanted.is_empty()
        || wanted.iter().any(|(ip, port)| {
            ip.is_none_or(|ip| ip.contains(address.ip())) && port.is_none_or(|port| port == address.port())
        })
}

/// A path of a route: how it ranks, how it begins, and which pattern it is.
type Beginning = (Paths, Option<Text>, Option<u32>);

/// A route is looked for under each of its hosts and each of its paths. Paths that rank differently get ranks of their
/// own.
fn placements(flavor: Flavor, spec: &RouteSpec, regexes: &mut Vec<Pattern>) -> Result<Placements, RouteError> {
    let mut groups: SmallVec<[Paths; 2]> = SmallVec::new();
    let mut paths: SmallVec<[Beginning; 2]> = SmallVec::new();
    for path in &spec.paths {
        let (group, prefix, pattern): (_, Text, _) = match path.strip_prefix('~') {
            None => (Paths::Prefix(path.len()), Arc::clone(path).into(), None),
            Some(text) => {
                // The reference of today anchors the text and not the whole: of `/a|/b` the second may match anywhere.
                let anchored = if flavor == Flavor::Traditional { format!("^(?:{text})") } else { format!("^{text}") };
                let pattern =
                    Pattern::new(&anchored).map_err(|reason| RouteError::Path { path: path.to_string(), reason })?;
                let head = pattern.head().into();
                regexes.push(pattern);
                (Paths::Regex, head, Some(regexes.len() as u32 - 1))
            }
        };
        if !groups.contains(&group) {
            groups.push(group);
        }
        paths.push((group, Some(prefix).filter(|prefix| !prefix.is_empty()), pattern));
    }
    if paths.is_empty() {
        groups.push(Paths::None);
        paths.push((Paths::None, None, None));
    }
    let split = groups.len() > 1 && flavor != Flavor::Traditional;
    let hosts: SmallVec<[(HostKey, Option<u16>); 1]> = match spec.hosts.as_slice() {
        [] => smallvec![(HostKey::Any, None)],
        hosts => hosts.iter().map(host_key).collect(),
    };
    let labels = labels(&spec.headers);
    let mut placements = Placements::with_capacity(hosts.len() * paths.len() * labels.len());
    for (group, prefix, pattern) in paths {
        let part = groups.iter().position(|of| *of == group).map(|at| at + 1).filter(|_| split);
        for (host, port) in &hosts {
            let wildcard = matches!(host, HostKey::Suffix(_) | HostKey::Prefix(_));
            let rank = rank::of_fields(flavor, spec, group, part, wildcard);
            for label in &labels {
                let place = Place { host: host.clone(), spot: Spot { prefix: prefix.clone(), header: label.clone() } };
                placements.push(Placement { rank, place, port: *port, regex: pattern });
            }
        }
    }
    Ok(placements)
}

/// The values of the first field that is wanted with exact ones only; more than a few are not worth their places.
fn labels(headers: &[(Arc<str>, Vec<Arc<str>>)]) -> SmallVec<[Option<Box<Label>>; 1]> {
    let exact = |values: &Vec<Arc<str>>| {
        (1..=16).contains(&values.len()) && values.iter().all(|value| !value.starts_with("~*"))
    };
    match headers.iter().find(|(_, values)| exact(values)) {
        Some((name, values)) => values.iter().map(|value| Some(Box::new(Label::new(name, value)))).collect(),
        None => smallvec![None],
    }
}

/// `example.com:80`, `*.example.com`, `example.*`. Case counts, as in the reference.
fn host_key(host: &Arc<str>) -> (HostKey, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (&**host, None),
        },
        _ => (&**host, None),
    };
    let key = if let Some(end) = name.strip_prefix('*') {
        HostKey::Suffix(end.as_bytes().into())
    } else if let Some(start) = name.strip_suffix('*') {
        HostKey::Prefix(start.as_bytes().into())
    } else if port.is_none() {
        HostKey::Exact(Arc::clone(host).into())
    } else {
        HostKey::Exact(name.as_bytes().into())
    };
    (key, port)
}

fn sni(name: &Arc<str>) -> HostKey {
    host_key(&name.trim_end_matches('.').to_ascii_lowercase().into()).0
}

fn header((name, values): &(Arc<str>, Vec<Arc<str>>)) -> Result<(Arc<str>, Vec<Value>), RouteError> {
    let values = values.iter().map(|value| match value.strip_prefix("~*") {
        None => Ok(Value::Exact(value.to_lowercase().into())),
        Some(pattern) => match Pattern::new(&pattern.to_lowercase()) {
            Ok(regex) => Ok(Value::Regex(regex)),
            Err(reason) => Err(RouteError::Header { value: value.to_string(), reason }),
        },
    });
    Ok((Arc::clone(name), values.collect::<Result<_, _>>()?))
}

fn address((ip, port): &(Option<Arc<str>>, Option<u16>)) -> Result<(Option<Ip>, Option<u16>), RouteError> {
    let ip = ip.as_ref().map(|ip| Ip::parse(ip).ok_or_else(|| RouteError::Address(ip.to_string()))).transpose()?;
    Ok((ip, *port))
}
