//! Canonical `TrafficRoute`.

use crate::tags::Tags;

/// Where traffic to a destination goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrafficRoute {
    /// The default split; never empty, weight 0 entries kept as written.
    pub split: Vec<Split>,
    /// HTTP rules, first match first; ignored for other protocols.
    pub http: Vec<HttpRoute>,
    /// Algorithm among endpoints; `None` is round robin.
    pub load_balancer: Option<LoadBalancer>,
}

/// A weighted share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Split {
    /// Share relative to the sum of the split.
    pub weight: u32,
    /// Tags of the endpoints. A service of `*` means the service the client asked for.
    pub destination: Tags,
}

/// One HTTP rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpRoute {
    /// What requests it takes.
    pub matches: HttpMatch,
    /// What it changes of them.
    pub modify: HttpModify,
    /// Where they go; a rule with `destination` alone is a split of one.
    pub split: Vec<Split>,
}

/// Conditions, all of which hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpMatch {
    /// Request method.
    pub method: Option<StringMatch>,
    /// Path.
    pub path: Option<StringMatch>,
    /// Headers by name, sorted.
    pub headers: Vec<HeaderMatch>,
}

/// A condition on a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    /// Lower-case name.
    pub name: String,
    /// Condition on the value.
    pub value: StringMatch,
}

/// A condition on text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StringMatch {
    /// Equal.
    Exact(String),
    /// Begins with.
    Prefix(String),
    /// RE2 expression over the whole text.
    Regex(String),
}

/// Changes to a request and its response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpModify {
    /// Path rewrite.
    pub path: Option<PathRewrite>,
    /// Host: literal value.
    pub host: Option<String>,
    /// Host from the path: pattern and substitution.
    pub host_from_path: Option<(String, String)>,
    /// Request headers set or appended: name, value, append.
    pub request_add: Vec<(String, String, bool)>,
    /// Request headers removed.
    pub request_remove: Vec<String>,
    /// Response headers set or appended: name, value, append.
    pub response_add: Vec<(String, String, bool)>,
    /// Response headers removed.
    pub response_remove: Vec<String>,
}

/// How a path is rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathRewrite {
    /// Replaces the matched prefix.
    Prefix(String),
    /// Replaces what the pattern matches.
    Regex {
        /// RE2 expression.
        pattern: String,
        /// Text with `\1` references.
        substitution: String,
    },
}

/// Algorithm among endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LoadBalancer {
    /// In turn.
    RoundRobin,
    /// Fewest active requests among a few random ones.
    LeastRequest {
        /// How many are looked at.
        choices: u32,
    },
    /// Ketama-like ring.
    RingHash {
        /// Hash function.
        function: HashFunction,
        /// Smallest ring.
        min_size: u64,
        /// Largest ring.
        max_size: u64,
    },
    /// Uniformly random.
    Random,
    /// Maglev table.
    Maglev,
}

/// Hash function of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashFunction {
    /// xxHash
    #[default]
    XxHash,
    /// MurmurHash 2
    MurmurHash2,
}
