//! The table of resource kinds. Endpoints, commands, listings and validation are driven by it.

/// What a name is unique within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole control plane.
    Global,
    /// One mesh.
    Mesh,
}

/// A kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// `type` on the wire.
    pub name: &'static str,
    /// Path segment of the HTTP API.
    pub path: &'static str,
    /// Further path segments that mean the same.
    pub aliases: &'static [&'static str],
    /// What a name is unique within.
    pub scope: Scope,
    /// Argument of `kumactl get NAME`, `kumactl delete`.
    pub singular: &'static str,
    /// Argument of `kumactl get`.
    pub plural: &'static str,
    /// Shown to people.
    pub display: &'static str,
    /// Shown to people.
    pub display_plural: &'static str,
    /// Listed under `/policies`.
    pub policy: bool,
    /// Computed by the control plane: `PUT` and `DELETE` are answered 405.
    pub read_only: bool,
    /// Name of the kind that holds its run-time state, if any.
    pub insight: Option<&'static str>,
}

impl Kind {
    /// The kind of that `type`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The kind served under that path segment.
    pub fn by_path(path: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.path == path || kind.aliases.contains(&path))
    }

    /// The kind of that command line argument, singular or plural.
    pub fn by_argument(word: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.singular == word || kind.plural == word)
    }
}

const fn policy(
    name: &'static str,
    path: &'static str,
    words: (&'static str, &'static str),
    display: (&'static str, &'static str),
) -> Kind {
    Kind {
        name,
        path,
        aliases: &[],
        scope: Scope::Mesh,
        singular: words.0,
        plural: words.1,
        display: display.0,
        display_plural: display.1,
        policy: true,
        read_only: false,
        insight: None,
    }
}

const fn plain(
    name: &'static str,
    path: &'static str,
    scope: Scope,
    words: (&'static str, &'static str),
    display: (&'static str, &'static str),
) -> Kind {
    Kind { scope, policy: false, ..policy(name, path, words, display) }
}

const fn computed(name: &'static str, path: &'static str, scope: Scope, display: (&'static str, &'static str)) -> Kind {
    Kind { read_only: true, ..plain(name, path, scope, (path, path), display) }
}

/// Every kind, by name.
pub static KINDS: &[Kind] = &[
    policy(
        "CircuitBreaker",
        "circuit-breakers",
        ("circuit-breaker", "circuit-breakers"),
        ("Circuit Breaker", "Circuit Breakers"),
    ),
    Kind {
        insight: Some("DataplaneInsight"),
        ..plain("Dataplane", "dataplanes", Scope::Mesh, ("dataplane", "dataplanes"), ("Dataplane", "Dataplanes"))
    },
    computed("DataplaneInsight", "dataplane-insights", Scope::Mesh, ("Dataplane Insight", "Dataplane Insights")),
    Kind {
        policy: true,
        ..plain(
            "ExternalService",
            "external-services",
            Scope::Mesh,
            ("external-service", "external-services"),
            ("External Service", "External Services"),
        )
    },
    policy(
        "FaultInjection",
        "fault-injections",
        ("fault-injection", "fault-injections"),
        ("Fault Injection", "Fault Injections"),
    ),
    Kind {
        aliases: &["globalsecrets"],
        ..plain(
            "GlobalSecret",
            "global-secrets",
            Scope::Global,
            ("global-secret", "global-secrets"),
            ("Global Secret", "Global Secrets"),
        )
    },
    policy("HealthCheck", "health-checks", ("healthcheck", "healthchecks"), ("Health Check", "Health Checks")),
    plain("Mesh", "meshes", Scope::Global, ("mesh", "meshes"), ("Mesh", "Meshes")),
    policy("MeshGateway", "meshgateways", ("meshgateway", "meshgateways"), ("Mesh Gateway", "Mesh Gateways")),
    policy(
        "MeshGatewayRoute",
        "meshgatewayroutes",
        ("meshgatewayroute", "meshgatewayroutes"),
        ("Mesh Gateway Route", "Mesh Gateway Routes"),
    ),
    computed("MeshInsight", "mesh-insights", Scope::Global, ("Mesh Insight", "Mesh Insights")),
    policy(
        "ProxyTemplate",
        "proxytemplates",
        ("proxytemplate", "proxytemplates"),
        ("Proxy Template", "Proxy Templates"),
    ),
    policy("RateLimit", "rate-limits", ("rate-limit", "rate-limits"), ("Rate Limit", "Rate Limits")),
    policy("Retry", "retries", ("retry", "retries"), ("Retry", "Retries")),
    plain("Secret", "secrets", Scope::Mesh, ("secret", "secrets"), ("Secret", "Secrets")),
    computed("ServiceInsight", "service-insights", Scope::Mesh, ("Service Insight", "Service Insights")),
    policy("Timeout", "timeouts", ("timeout", "timeouts"), ("Timeout", "Timeouts")),
    policy("TrafficLog", "traffic-logs", ("traffic-log", "traffic-logs"), ("Traffic Log", "Traffic Logs")),
    Kind {
        aliases: &["trafficpermissions"],
        ..policy(
            "TrafficPermission",
            "traffic-permissions",
            ("traffic-permission", "traffic-permissions"),
            ("Traffic Permission", "Traffic Permissions"),
        )
    },
    policy("TrafficRoute", "traffic-routes", ("traffic-route", "traffic-routes"), ("Traffic Route", "Traffic Routes")),
    policy("TrafficTrace", "traffic-traces", ("traffic-trace", "traffic-traces"), ("Traffic Trace", "Traffic Traces")),
    policy(
        "VirtualOutbound",
        "virtual-outbounds",
        ("virtual-outbound", "virtual-outbounds"),
        ("Virtual Outbound", "Virtual Outbounds"),
    ),
    Kind {
        insight: Some("ZoneInsight"),
        ..plain("Zone", "zones", Scope::Global, ("zone", "zones"), ("Zone", "Zones"))
    },
    Kind {
        insight: Some("ZoneEgressInsight"),
        ..plain(
            "ZoneEgress",
            "zoneegresses",
            Scope::Global,
            ("zoneegress", "zoneegresses"),
            ("Zone Egress", "Zone Egresses"),
        )
    },
    computed("ZoneEgressInsight", "zoneegressinsights", Scope::Global, ("Zone Egress Insight", "Zone Egress Insights")),
    Kind {
        aliases: &["zone-ingresses", "zone-ingress"],
        insight: Some("ZoneIngressInsight"),
        ..plain(
            "ZoneIngress",
            "zoneingresses",
            Scope::Global,
            ("zoneingress", "zoneingresses"),
            ("Zone Ingress", "Zone Ingresses"),
        )
    },
    computed(
        "ZoneIngressInsight",
        "zone-ingress-insights",
        Scope::Global,
        ("Zone Ingress Insight", "Zone Ingress Insights"),
    ),
    computed("ZoneInsight", "zone-insights", Scope::Global, ("Zone Insight", "Zone Insights")),
];
