//! Environment variables whose names do not follow from the path of their key.

/// Variable and path. A variable named by the rule works too.
pub const ALIASES: &[(&str, &str)] = &[
    ("KUMA_ACCESS_STATIC_GET_CONFIG_DUMP_GROUPS", "access.static.viewConfigDump.groups"),
    ("KUMA_ACCESS_STATIC_GET_CONFIG_DUMP_USERS", "access.static.viewConfigDump.users"),
    ("KUMA_API_SERVER_HTTPS_CLIENT_CERTS_CA_FILE", "apiServer.https.tlsCaFile"),
    ("KUMA_DNS_SERVICE_SERVICE_VIP_PORT", "dnsServer.serviceVipPort"),
    ("KUMA_DP_SERVER_HDS_CHECK_HEALTHY_THRESHOLD", "dpServer.hds.checkDefaults.healthyThreshold"),
    ("KUMA_DP_SERVER_HDS_CHECK_INTERVAL", "dpServer.hds.checkDefaults.interval"),
    ("KUMA_DP_SERVER_HDS_CHECK_NO_TRAFFIC_INTERVAL", "dpServer.hds.checkDefaults.noTrafficInterval"),
    ("KUMA_DP_SERVER_HDS_CHECK_TIMEOUT", "dpServer.hds.checkDefaults.timeout"),
    ("KUMA_DP_SERVER_HDS_CHECK_UNHEALTHY_THRESHOLD", "dpServer.hds.checkDefaults.unhealthyThreshold"),
    ("KUMA_EXPERIMENTAL_KUBE_OUTBOUNDS_AS_VIPS", "experimental.kubeOutboundsAsVIPs"),
    ("KUMA_INJECTOR_INIT_CONTAINER_IMAGE", "runtime.kubernetes.injector.initContainer.image"),
    (
        "KUMA_INJECTOR_INIT_CONTAINER_RESOURCES_LIMITS_CPU",
        "runtime.kubernetes.injector.initContainer.resources.limits.cpu",
    ),
    (
        "KUMA_INJECTOR_INIT_CONTAINER_RESOURCES_LIMITS_MEMORY",
        "runtime.kubernetes.injector.initContainer.resources.limits.memory",
    ),
    (
        "KUMA_INJECTOR_INIT_CONTAINER_RESOURCES_REQUESTS_CPU",
        "runtime.kubernetes.injector.initContainer.resources.requests.cpu",
    ),
    (
        "KUMA_INJECTOR_INIT_CONTAINER_RESOURCES_REQUESTS_MEMORY",
        "runtime.kubernetes.injector.initContainer.resources.requests.memory",
    ),
    (
        "KUMA_INJECTOR_SIDECAR_CONTAINER_RESOURCES_LIMITS_CPU",
        "runtime.kubernetes.injector.sidecarContainer.resources.limits.cpu",
    ),
    (
        "KUMA_INJECTOR_SIDECAR_CONTAINER_RESOURCES_LIMITS_MEMORY",
        "runtime.kubernetes.injector.sidecarContainer.resources.limits.memory",
    ),
    (
        "KUMA_INJECTOR_SIDECAR_CONTAINER_RESOURCES_REQUESTS_CPU",
        "runtime.kubernetes.injector.sidecarContainer.resources.requests.cpu",
    ),
    (
        "KUMA_INJECTOR_SIDECAR_CONTAINER_RESOURCES_REQUESTS_MEMORY",
        "runtime.kubernetes.injector.sidecarContainer.resources.requests.memory",
    ),
    (
        "KUMA_INJECTOR_VALIDATION_CONTAINER_RESOURCES_LIMITS_CPU",
        "runtime.kubernetes.injector.validationContainer.resources.limits.cpu",
    ),
    (
        "KUMA_INJECTOR_VALIDATION_CONTAINER_RESOURCES_LIMITS_MEMORY",
        "runtime.kubernetes.injector.validationContainer.resources.limits.memory",
    ),
    (
        "KUMA_INJECTOR_VALIDATION_CONTAINER_RESOURCES_REQUESTS_CPU",
        "runtime.kubernetes.injector.validationContainer.resources.requests.cpu",
    ),
    (
        "KUMA_INJECTOR_VALIDATION_CONTAINER_RESOURCES_REQUESTS_MEMORY",
        "runtime.kubernetes.injector.validationContainer.resources.requests.memory",
    ),
    ("KUMA_METRICS_OPENTELEMETRY_ENABLED", "metrics.openTelemetry.enabled"),
    ("KUMA_PLUGIN_POLICIES_ENABLED", "policies.pluginPoliciesEnabled"),
    ("KUMA_RUNTIME_KUBERNETES_APPLICATION_PROBE_PROXY_PORT", "runtime.kubernetes.injector.applicationProbeProxyPort"),
    ("KUMA_RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_GUI", "runtime.kubernetes.injector.sidecarContainer.gid"),
    (
        "KUMA_RUNTIME_KUBERNETES_INJECTOR_TRANSPARENT_PROXY_CONFIGMAP_NAME",
        "runtime.kubernetes.injector.transparentProxyConfigMap",
    ),
    (
        "KUMA_RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_INBOUND_IPS",
        "runtime.kubernetes.injector.sidecarTraffic.excludeInboundIPs",
    ),
    (
        "KUMA_RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_INBOUND_PORTS",
        "runtime.kubernetes.injector.sidecarTraffic.excludeInboundPorts",
    ),
    (
        "KUMA_RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_OUTBOUND_IPS",
        "runtime.kubernetes.injector.sidecarTraffic.excludeOutboundIPs",
    ),
    (
        "KUMA_RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_OUTBOUND_PORTS",
        "runtime.kubernetes.injector.sidecarTraffic.excludeOutboundPorts",
    ),
    ("KUMA_RUNTIME_KUBERNETES_VIRTUAL_PROBES_ENABLED", "runtime.kubernetes.injector.virtualProbesEnabled"),
    ("KUMA_RUNTIME_KUBERNETES_VIRTUAL_PROBES_PORT", "runtime.kubernetes.injector.virtualProbesPort"),
    ("KUMA_STORE_POSTGRES_TLS_CA_PATH", "store.postgres.tls.caPath"),
    ("KUMA_STORE_POSTGRES_TLS_ROOT_CERT_PATH", "store.postgres.tls.caPath"),
    ("KUMA_STORE_POSTGRES_TOLERATE_NEWER_DB_VERSIONS", "store.postgres.tolerateNewerDBVersions"),
    ("KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY", "xdsServer.dataplaneDeregistrationDelay"),
    ("KUMA_XDS_SERVER_DATAPLANE_DEREGISTRATION_DELAY", "xdsServer.dataplaneDeregistrationDelay"),
];
