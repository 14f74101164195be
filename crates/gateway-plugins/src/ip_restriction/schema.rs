//! What ip-restriction may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{EntityCheck, Field, Schema};
use gateway_model::types;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("ip-restriction", 990)
        .field(protocols())
        .config(config())
        .check(EntityCheck::at_least_one_of(["config.allow", "config.deny"]))
}

/// All of them, those of HTTP and streams by default.
fn protocols() -> Field {
    types::protocols()
        .default_value(vec!["http", "https", "tcp", "tls", "grpc", "grpcs"])
        .description("A set of strings representing protocols.")
}

fn config() -> Schema {
    Schema::record([
        Field::array("allow", types::ip_or_cidr(""))
            .description("Addresses and networks that are let in; others are not. This or `deny` is set."),
        Field::array("deny", types::ip_or_cidr(""))
            .description("Addresses and networks that are kept out. This or `allow` is set."),
        Field::number("status").description("The status code of refusals; 403 if unset."),
        Field::string("message").description("The message of refusals; it names the address if unset."),
    ])
}
