//! What file-log may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};

use crate::log::custom_fields;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("file-log", 9).protocols_all().config(config())
}

fn config() -> Schema {
    Schema::record([
        Field::string("path").required().matches(r"^[^*&%%\`]+$").err("not a valid filename").description(
            "The file path of the output log file. The plugin creates the log file if it doesn't exist yet.",
        ),
        Field::boolean("reopen")
            .required()
            .default_value(false)
            .description("Determines whether the log file is closed and reopened on every request."),
        custom_fields(),
    ])
}
