//! Access logs on the client's side.

use mesh_model::mesh::{LogSink, LoggingBackend};
use proto::envoy::config::accesslog::v3::{AccessLog as Message, access_log};
use proto::envoy::config::core::v3::substitution_format_string::Format;
use proto::envoy::config::core::v3::{DataSource, SubstitutionFormatString, data_source};
use proto::envoy::extensions::access_loggers::file::v3::{FileAccessLog, file_access_log};

use crate::wire;

const TCP: &str = "[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% \
    %KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) \
    took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes";

const HTTP: &str = "[%START_TIME%] %KUMA_MESH% \
    \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
    \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%KUMA_SOURCE_SERVICE%\" \"%KUMA_DESTINATION_SERVICE%\" \
    \"%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%\" \"%UPSTREAM_HOST%\"";

/// An access log, with placeholders of the mesh replaced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccessLog {
    path: String,
    /// Of TCP sinks: the address that `kuma-dp` finds in front of each line.
    address: Option<String>,
    format: Option<String>,
    ends: Ends,
}

/// Both ends of what is logged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) mesh: String,
    pub(crate) source_address: String,
    pub(crate) source_service: String,
    pub(crate) destination_service: String,
    pub(crate) zone: String,
}

impl AccessLog {
    /// The log of a back end. Lines for a TCP sink go through `socket`, where `kuma-dp` reads them; `None`
    /// if the proxy has none.
    pub(crate) fn new(backend: &LoggingBackend, socket: Option<&str>, ends: Ends) -> Option<Self> {
        let (path, address) = match &backend.sink {
            LogSink::File { path } => (path.clone(), None),
            LogSink::Tcp { address } => (socket?.to_owned(), Some(address.clone())),
        };
        Some(Self { path, address, format: backend.format.clone(), ends })
    }

    /// For a TCP proxy.
    pub(super) fn tcp(&self) -> Message {
        self.message(TCP)
    }

    /// For an HTTP connection manager.
    pub(super) fn http(&self) -> Message {
        self.message(HTTP)
    }

    fn message(&self, default: &str) -> Message {
        let format = self.ends.fill_in(self.format.as_deref().unwrap_or(default));
        let line = match &self.address {
            Some(address) => format!("{address};{format}\n"),
            None => format!("{format}\n"),
        };
        let text = DataSource { specifier: Some(data_source::Specifier::InlineString(line)), ..DataSource::default() };
        let format = SubstitutionFormatString { format: Some(Format::TextFormatSource(text)), ..Default::default() };
        let config = FileAccessLog {
            path: self.path.clone(),
            access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
        };
        let config = wire::any("envoy.extensions.access_loggers.file.v3.FileAccessLog", &config);
        Message {
            name: "envoy.access_loggers.file".to_owned(),
            config_type: Some(access_log::ConfigType::TypedConfig(config)),
            ..Message::default()
        }
    }
}

impl Ends {
    /// Replaces the placeholders that Envoy does not know.
    fn fill_in(&self, format: &str) -> String {
        format
            .replace("%KUMA_SOURCE_ADDRESS%", &format!("{}:0", self.source_address))
            .replace("%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%", &self.source_address)
            .replace("%KUMA_SOURCE_SERVICE%", &self.source_service)
            .replace("%KUMA_DESTINATION_SERVICE%", &self.destination_service)
            .replace("%KUMA_MESH%", &self.mesh)
            .replace("%KUMA_TRAFFIC_DIRECTION%", "OUTBOUND")
            .replace("%KUMA_ZONE%", &self.zone)
            .replace("%KUMA_WORKLOAD%", "")
    }
}
