//! What request-size-limiting may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("request-size-limiting", 951).protocols_http().config(config())
}

fn config() -> Schema {
    Schema::record([
        Field::integer("allowed_payload_size")
            .default_value(128)
            .description("Allowed request payload size in megabytes. Default is `128` megabytes (128000000 bytes)."),
        Field::string("size_unit")
            .required()
            .default_value("megabytes")
            .one_of(["megabytes", "kilobytes", "bytes"])
            .description(
                "Size unit can be set either in `bytes`, `kilobytes`, or `megabytes` (default). This configuration is \
                 not available in versions prior to Kong Gateway 1.3 and Kong Gateway (OSS) 2.0.",
            ),
        Field::boolean("require_content_length").required().default_value(false).description(
            "Set to `true` to ensure a valid `Content-Length` header exists before reading the request body.",
        ),
    ])
}
