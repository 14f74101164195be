//! What udp-log may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};
use gateway_model::types;

use crate::log::custom_fields;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("udp-log", 8).protocols_all().config(config())
}

fn config() -> Schema {
    Schema::record([
        types::host("host").required().description("The IP address or host name to send data to."),
        types::port("port").required().description("The port to send data to on the upstream server."),
        Field::number("timeout")
            .default_value(10_000)
            .description("An optional timeout in milliseconds when sending data to the upstream server."),
        custom_fields(),
    ])
}
