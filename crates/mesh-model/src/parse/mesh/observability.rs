//! Logging, tracing and metrics of a mesh.

use super::Names;
use crate::mesh::{LogSink, Logging, LoggingBackend, Metrics, MetricsBackend, Tracing, TracingBackend};
use crate::parse::net;
use crate::parse::reader::{Cursor, Object};
use crate::parse::tags;

pub(super) fn logging(logging: &Object<'_, '_>) -> Logging {
    let mut names = Names::default();
    let backends = logging.field("backends").list(|backend| {
        backend.object(|backend| {
            let result = logging_backend(backend);
            names.add(&backend.field("name"));
            result
        })
    });
    let default = logging.field("defaultBackend");
    names.check_choice(&default, "has to be set to one of the logging backend in mesh");
    Logging { default_backend: default.filled(), backends }
}

/// `{type, conf}`, or the older `{file: {path}}` and `{tcp: {address}}`.
fn logging_backend(backend: &Object<'_, '_>) -> LoggingBackend {
    let name = backend.field("name").required();
    let format = backend.field("format").filled();
    let old = |name| backend.field(name);
    let sink = if old("file").is_present() {
        file_sink(&old("file"))
    } else if old("tcp").is_present() {
        tcp_sink(&old("tcp"))
    } else {
        let kind = backend.field("type");
        match kind.string() {
            Some("file") => file_sink(&backend.field("conf")),
            Some("tcp") => tcp_sink(&backend.field("conf")),
            _ => {
                kind.problem("unknown backend type. Available backends: \"tcp\", \"file\"");
                backend.accept_rest();
                None
            }
        }
    };
    LoggingBackend { name, format, sink: sink.unwrap_or(LogSink::File { path: String::new() }) }
}

fn file_sink(conf: &Cursor<'_, '_>) -> Option<LogSink> {
    if !conf.is_present() {
        conf.problem_at("path", "cannot be empty");
    }
    conf.object(|conf| LogSink::File { path: conf.field("path").required() })
}

fn tcp_sink(conf: &Cursor<'_, '_>) -> Option<LogSink> {
    if !conf.is_present() {
        conf.problem_at("address", "cannot be empty");
    }
    conf.object(|conf| {
        let field = conf.field("address");
        let address = field.required();
        if !address.is_empty() && net::split_host_port(&address).is_none() {
            field.problem("has to be in format of HOST:PORT");
        }
        LogSink::Tcp { address }
    })
}

/// `{defaultBackend, backends}`, or the oldest dialect's `{zipkin: {address}}`.
pub(super) fn tracing(tracing: &Object<'_, '_>) -> Tracing {
    if tracing.has("zipkin") {
        let collector = tracing.field("zipkin").section(|zipkin| zipkin.field("address").required());
        let collector = format!("http://{collector}/api/v1/spans");
        let backend =
            TracingBackend { name: "zipkin".to_owned(), sampling: 100.0, kind: "zipkin".to_owned(), collector };
        return Tracing { default_backend: Some(backend.name.clone()), backends: vec![backend] };
    }
    let mut names = Names::default();
    let backends = tracing.field("backends").list(|backend| {
        backend.object(|backend| {
            let result = tracing_backend(backend);
            names.add(&backend.field("name"));
            result
        })
    });
    let default = tracing.field("defaultBackend");
    names.check_choice(&default, "has to be set to one of the tracing backend in mesh");
    Tracing { default_backend: default.filled(), backends }
}

fn tracing_backend(backend: &Object<'_, '_>) -> TracingBackend {
    let name = backend.field("name").required();
    let field = backend.field("sampling");
    let sampling = field.f64().unwrap_or(100.0);
    if !(0.0..=100.0).contains(&sampling) {
        field.problem("has to be in [0.0 - 100.0] range");
    }
    let kind = backend.field("type");
    let conf = backend.field("conf");
    let collector = match kind.string() {
        Some("zipkin") => {
            if !conf.is_present() {
                conf.problem_at("url", "cannot be empty");
            }
            conf.section(zipkin)
        }
        Some("datadog") => {
            if !conf.is_present() {
                conf.problem_at("address", "cannot be empty");
            }
            conf.section(datadog)
        }
        _ => {
            kind.problem("unknown backend type. Available backends: \"zipkin\", \"datadog\"");
            String::new()
        }
    };
    TracingBackend { name, sampling, kind: kind.text(), collector }
}

fn zipkin(conf: &Object<'_, '_>) -> String {
    conf.field("traceId128bit").flag();
    conf.field("sharedSpanContext").flag();
    let version = conf.field("apiVersion");
    if version.filled().is_some_and(|version| !["httpJsonV1", "httpJson", "httpProto"].contains(&version.as_str())) {
        version.problem("has invalid value. Allowed values: httpJsonV1, httpJson, httpProto");
    }
    let field = conf.field("url");
    let url = field.required();
    if !url.is_empty() {
        match net::url_authority(&url) {
            None => field.problem("invalid URL"),
            Some(authority) if net::split_host_port(authority).is_none() => {
                field.problem("port has to be explicitly specified");
            }
            Some(_) => {}
        }
    }
    url
}

fn datadog(conf: &Object<'_, '_>) -> String {
    conf.field("splitService").flag();
    let address = conf.field("address").required();
    let port = net::port(&conf.field("port"));
    format!("{address}:{port}")
}

/// `{enabledBackend, backends}`, or the oldest dialect's `{prometheus: {port, path}}`.
pub(super) fn metrics(metrics: &Object<'_, '_>) -> Metrics {
    if metrics.has("prometheus") {
        let backend = prometheus(&metrics.field("prometheus"), "prometheus");
        return Metrics { enabled_backend: Some(backend.name.clone()), backends: vec![backend] };
    }
    let mut names = Names::default();
    let backends = metrics.field("backends").list(|backend| {
        backend.object(|backend| {
            names.add(&backend.field("name"));
            metrics_backend(backend)
        })
    });
    let enabled = metrics.field("enabledBackend");
    names.check_choice(&enabled, "has to be set to one of the backends in the mesh");
    Metrics { enabled_backend: enabled.filled(), backends }
}

fn metrics_backend(backend: &Object<'_, '_>) -> MetricsBackend {
    let kind = backend.field("type");
    if kind.string() != Some("prometheus") {
        kind.problem("unknown backend type. Available backends: \"prometheus\"");
    }
    prometheus(&backend.field("conf"), &backend.field("name").text())
}

/// The configuration of a back end of type `prometheus`.
pub(in crate::parse) fn prometheus(conf: &Cursor<'_, '_>, name: &str) -> MetricsBackend {
    let mut backend =
        MetricsBackend { name: name.to_owned(), port: 5670, path: "/metrics".to_owned(), skip_mtls: false };
    conf.object(|conf| {
        let port = conf.field("port");
        if port.u32().is_some_and(|port| port > 0) {
            backend.port = net::port(&port);
        }
        if let Some(path) = conf.field("path").filled() {
            backend.path = path;
        }
        tags::raw_tags(&conf.field("tags"));
        backend.skip_mtls = skip_mtls(conf);
        conf.field("envoy").object(|envoy| {
            envoy.field("usedOnly").flag();
            let filter = envoy.field("filterRegex");
            if filter.filled().is_some() {
                filter.regex();
            }
        });
        aggregates(&conf.field("aggregate"));
    });
    backend
}

/// `skipMTLS` and its successor `tls.mode`, which must not contradict each other.
fn skip_mtls(conf: &Object<'_, '_>) -> bool {
    let skip = conf.field("skipMTLS").boolean();
    let tls = conf.field("tls").object(|tls| {
        let modes =
            [("activeMTLSBackend", MetricsTls::Mesh), ("providedTLS", MetricsTls::Own), ("disabled", MetricsTls::Off)];
        tls.field("mode").choice(&modes).unwrap_or(MetricsTls::Mesh)
    });
    let agrees = match (skip, tls) {
        (Some(skip), Some(tls)) => tls == if skip { MetricsTls::Off } else { MetricsTls::Mesh },
        _ => true,
    };
    if !agrees {
        conf.here().problem("skipMTLS and tls configuration cannot be defined together");
    }
    skip.unwrap_or(tls == Some(MetricsTls::Off))
}

/// How metrics are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MetricsTls {
    /// By the mesh's mutual TLS.
    Mesh,
    /// By certificates of the proxy's own.
    Own,
    /// Not at all.
    Off,
}

fn aggregates(list: &Cursor<'_, '_>) {
    let mut names = Vec::new();
    list.list(|item| {
        item.object(|item| {
            let field = item.field("name");
            let name = field.text();
            if names.contains(&name) {
                field.problem(format!("duplicate entry: {name}, values have to be unique"));
            }
            names.push(name);
            item.field("port").u32();
            item.field("path").string();
            item.field("enabled").boolean();
            item.field("address").string();
        })
    });
}
