//! Which origins are allowed.

use std::borrow::Cow;

use regex::Regex;

/// The configured origins.
#[derive(Debug)]
pub(crate) enum Origins {
    /// Any.
    All,
    /// One literal, which is told whoever asks.
    One(String),
    /// A `*` among others: any, once there is one.
    AllNamed,
    /// Whichever of these matches.
    List(Vec<Entry>),
}

/// What an answer says about an origin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Allowed<'a> {
    /// `*`
    All,
    This(Cow<'a, str>),
    None,
}

/// One of several origins.
#[derive(Debug)]
pub(crate) enum Entry {
    Literal(String),
    /// Compared with the whole origin.
    Pattern(Regex),
    /// Compared with its host.
    HostPattern(Regex),
}

impl Origins {
    /// Reads the configured list; anything but letters, digits and `.:/-` makes an entry a regular expression,
    /// without `:` one of hosts.
    pub(crate) fn new(mut origins: Vec<String>) -> Result<Self, String> {
        if origins.iter().all(|origin| origin == "*") && origins.len() <= 1 {
            return Ok(Self::All);
        }
        if origins.len() == 1 && is_literal(&origins[0]) {
            return Ok(Self::One(origins.remove(0)));
        }
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::AllNamed);
        }
        origins.iter().map(|origin| Entry::new(origin)).collect::<Result<_, _>>().map(Self::List)
    }

    /// Whether the answer depends on the request's origin.
    pub(crate) fn vary(&self) -> bool {
        !matches!(self, Self::All)
    }

    /// What the answer to a request from `origin` says.
    pub(crate) fn allowed<'a>(&'a self, origin: Option<&'a str>) -> Allowed<'a> {
        match (self, origin) {
            (Self::All, _) | (Self::AllNamed, Some(_)) => Allowed::All,
            (Self::One(origin), _) => Allowed::This(Cow::Borrowed(origin)),
            (Self::AllNamed | Self::List(_), None) => Allowed::None,
            (Self::List(entries), Some(origin)) => {
                let origin = Origin::parse(origin);
                if entries.iter().any(|entry| entry.matches(&origin)) {
                    Allowed::This(origin.domain)
                } else {
                    Allowed::None
                }
            }
        }
    }
}

impl Entry {
    fn new(entry: &str) -> Result<Self, String> {
        if is_literal(entry) {
            return Ok(Self::Literal(Origin::parse(entry).domain.into_owned()));
        }
        let pattern = entry.strip_prefix('^').unwrap_or(entry);
        let end = if entry.ends_with('$') { "" } else { "$" };
        let regex = Regex::new(&format!("^(?:{pattern}{end})"))
            .map_err(|error| format!("origins: '{entry}' is not a valid regex: {error}"))?;
        Ok(if entry.contains(':') { Self::Pattern(regex) } else { Self::HostPattern(regex) })
    }

    fn matches(&self, origin: &Origin<'_>) -> bool {
        match self {
            Self::Literal(domain) => *domain == origin.domain,
            Self::Pattern(regex) => regex.is_match(&origin.domain),
            Self::HostPattern(regex) => regex.is_match(origin.host),
        }
    }
}

fn is_literal(entry: &str) -> bool {
    entry.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-".contains(&byte))
}

/// An origin without path and default port.
struct Origin<'a> {
    domain: Cow<'a, str>,
    host: &'a str,
}

impl<'a> Origin<'a> {
    /// What has no host, such as `null`, is taken as it is.
    fn parse(text: &'a str) -> Self {
        let as_it_is = Self { domain: Cow::Borrowed(text), host: text };
        let Some((scheme, rest)) = text.split_once("://") else {
            return as_it_is;
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let address = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (address, None),
        };
        if host.is_empty() {
            return as_it_is;
        }
        let port =
            port.filter(|port| !port.is_empty() && !matches!((scheme, *port), ("http", "80") | ("https", "443")));
        let length = scheme.len() + "://".len() + host.len() + port.map_or(0, |port| 1 + port.len());
        // The usual origin has nothing to leave out.
        let domain = if authority == address && text.len() == length {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
        };
        Self { domain, host }
    }
}
