//! What standard-webhooks may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("standard-webhooks", 760).no_consumer().protocols_http().config(Schema::record([
        Field::string("secret_v1").required().referenceable().encrypted().description("Webhook secret"),
        Field::integer("tolerance_second").required().gt(-1).default_value(300).description(
            "Tolerance of the webhook timestamp in seconds. If the webhook timestamp is older than this number of \
             seconds, it will be rejected with a '400' response.",
        ),
    ]))
}
