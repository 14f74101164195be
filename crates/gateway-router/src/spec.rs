//! Routes as the router is told of them.

use std::sync::Arc;

use smallvec::SmallVec;

/// How routes are matched and ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavor {
    /// By their fields; ranked as the reference ranks them today.
    #[default]
    TraditionalCompatible,
    /// By their fields; ranked as the reference ranked them of old.
    Traditional,
    /// By expressions, and by fields where a route has no expression.
    Expressions,
}

/// A route.
#[derive(Clone, Debug, Default)]
pub struct RouteSpec {
    /// Its id, a UUID.
    pub id: Arc<str>,
    /// Unix time; the older of otherwise equal routes goes first under [`Flavor::Traditional`].
    pub created_at: f64,
    /// Exact, upper case. Empty: any.
    pub methods: Vec<Arc<str>>,
    /// Exact, `*.rest` or `prefix.*`, each perhaps with a port. Empty: any.
    pub hosts: Vec<Arc<str>>,
    /// Prefixes, or regular expressions after `~`. Empty: any.
    pub paths: SmallVec<[Arc<str>; 1]>,
    /// Names and the values of which one is wanted; `~*` begins a regular expression.
    pub headers: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// Like hosts, for TLS server names.
    pub snis: Vec<Arc<str>>,
    /// Addresses or networks, and ports.
    pub sources: Vec<(Option<Arc<str>>, Option<u16>)>,
    /// Addresses or networks, and ports.
    pub destinations: Vec<(Option<Arc<str>>, Option<u16>)>,
    /// Rank among regular expressions.
    pub regex_priority: i64,
    /// Instead of all the above.
    pub expression: Option<Arc<str>>,
    /// Rank of the expression.
    pub priority: u64,
    /// Under [`Flavor::Expressions`]: `http` or `https` if only that is served.
    pub only_tls: Option<bool>,
}

/// Why a route cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A path is no regular expression.
    #[error("paths: {path}: {reason}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A header's value is no regular expression.
    #[error("headers: {value}: {reason}")]
    Header {
        /// The value.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// An address or network cannot be read.
    #[error("{0} is not an address or a network")]
    Address(String),
    /// The expression cannot be read.
    #[error("expression: {0}")]
    Expression(#[from] crate::expression::ExpressionError),
}
