//! What an expression can look at.

/// A property of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `net.protocol`: `http` or `https`.
    Protocol,
    /// `tls.sni`
    Sni,
    /// `http.method`
    Method,
    /// `http.host`
    Host,
    /// `http.path`
    Path,
    /// `http.path.segments.<n>` and `http.path.segments.<n>_<m>`: from the first to the last, joined by slashes.
    Segments(usize, usize),
    /// `http.path.segments.len`
    SegmentCount,
    /// `http.headers.<name>`
    Header(Box<str>),
    /// `http.queries.<name>`
    Query(Box<str>),
    /// `net.src.ip`
    SourceIp,
    /// `net.src.port`
    SourcePort,
    /// `net.dst.ip`
    DestinationIp,
    /// `net.dst.port`, and `net.port`
    DestinationPort,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Address,
}

impl Field {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "net.protocol" => Self::Protocol,
            "tls.sni" => Self::Sni,
            "http.method" => Self::Method,
            "http.host" => Self::Host,
            "http.path" => Self::Path,
            "http.path.segments.len" => Self::SegmentCount,
            "net.src.ip" => Self::SourceIp,
            "net.src.port" => Self::SourcePort,
            "net.dst.ip" => Self::DestinationIp,
            "net.dst.port" | "net.port" => Self::DestinationPort,
            _ => {
                if let Some(range) = name.strip_prefix("http.path.segments.") {
                    return segments(range);
                }
                let (of, name) = match (name.strip_prefix("http.headers."), name.strip_prefix("http.queries.")) {
                    (Some(name), _) => (Self::Header as fn(Box<str>) -> Self, name),
                    (_, Some(name)) => (Self::Query as fn(Box<str>) -> Self, name),
                    _ => return None,
                };
                if name.is_empty() {
                    return None;
                }
                of(name.into())
            }
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::SegmentCount | Self::SourcePort | Self::DestinationPort => Kind::Number,
            Self::SourceIp | Self::DestinationIp => Kind::Address,
            _ => Kind::Text,
        }
    }
}

fn segments(range: &str) -> Option<Field> {
    let (first, last) = range.split_once('_').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(Field::Segments(first, last))
}
