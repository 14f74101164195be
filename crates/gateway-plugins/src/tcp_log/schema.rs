//! What tcp-log may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};
use gateway_model::types;

use crate::log::{custom_fields, timeout};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("tcp-log", 7).protocols_all().config(config())
}

fn config() -> Schema {
    Schema::record([
        types::host("host").required().description("The IP address or host name to send data to."),
        types::port("port").required().description("The port to send data to on the upstream server."),
        timeout(),
        Field::number("keepalive").default_value(60_000).description(
            "An optional value in milliseconds that defines how long an idle connection lives before being closed.",
        ),
        Field::boolean("tls")
            .required()
            .default_value(false)
            .description("Indicates whether to perform a TLS handshake against the remote server."),
        Field::string("tls_sni").description(
            "An optional string that defines the SNI (Server Name Indication) hostname to send in the TLS handshake.",
        ),
        custom_fields().description(
            "A list of key-value pairs, where the key is the name of a log field and the value is a chunk of Lua \
             code, whose return value sets or replaces the log field value.",
        ),
    ])
}
