//! Canonical `ProxyTemplate`.

/// Users' own Envoy resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyTemplate {
    /// `imports`; `default-proxy` is all the resources a proxy would otherwise have.
    pub imports: Vec<String>,
    /// `resources`: added, or replacing generated ones of the same type and name.
    pub resources: Vec<RawResource>,
    /// `modifications`, as written; applied in order.
    pub modifications: Vec<serde_json::Value>,
}

/// One resource in a user's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawResource {
    /// Name for error messages.
    pub name: String,
    /// Kept for the API; not served.
    pub version: String,
    /// YAML or JSON of an Envoy message with `@type`.
    pub resource: String,
}
