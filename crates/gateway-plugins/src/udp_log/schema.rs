//! What udp-log may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::Schema;
use gateway_model::types;

use crate::log::{custom_fields, timeout};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("udp-log", 8).protocols_all().config(config())
}

fn config() -> Schema {
    Schema::record([
        types::host("host").required().description("The IP address or host name to send data to."),
        types::port("port").required().description("The port to send data to on the upstream server."),
        timeout(),
        custom_fields(),
    ])
}
