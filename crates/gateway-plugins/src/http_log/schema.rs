//! What http-log may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use gateway_model::types;
use serde_json::json;

use crate::log::{custom_fields, timeout};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("http-log", 12).protocols_all().config(config())
}

fn config() -> Schema {
    let own = [
        ("^[Hh][Oo][Ss][Tt]$", "cannot contain 'Host' header"),
        ("^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Ll][Ee][nn][Gg][Tt][Hh]$", "cannot contain 'Content-Length' header"),
        ("^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Tt][Yy][Pp][Ee]$", "cannot contain 'Content-Type' header"),
    ];
    let deprecated = |old: &str, what: &str, new: &str| {
        format!("http-log: config.{old} {what}, please use config.queue.{new} instead")
    };
    Schema::record([
        types::url("http_endpoint").required().referenceable().encrypted(),
        Field::string("method").default_value("POST").one_of(["POST", "PUT", "PATCH"]).description(
            "An optional method used to send data to the HTTP server. Supported values are `POST` (default), `PUT`, \
             and `PATCH`.",
        ),
        Field::string("content_type")
            .default_value("application/json")
            .one_of(["application/json", "application/json; charset=utf-8"])
            .description("Indicates the type of data sent. The only available option is `application/json`."),
        timeout(),
        Field::number("keepalive").default_value(60_000).description(
            "An optional value in milliseconds that defines how long an idle connection will live before being \
             closed.",
        ),
        Field::integer("retry_count")
            .deprecated(deprecated("retry_count", "no longer works", "max_retry_time"), Some(json!(10)))
            .description("Number of times to retry when sending data to the upstream server."),
        Field::integer("queue_size")
            .deprecated(deprecated("queue_size", "is deprecated", "max_batch_size"), Some(json!(1)))
            .description("Maximum number of log entries to be sent on each message to the upstream server."),
        Field::number("flush_timeout")
            .deprecated(deprecated("flush_timeout", "is deprecated", "max_coalescing_delay"), Some(json!(2)))
            .description(
                "Optional time in seconds. If `queue_size` > 1, this is the max idle time before sending a log with \
                 less than `queue_size` records.",
            ),
        Field::map("headers", types::header_name("").match_none(own), Element::string().referenceable()).description(
            "An optional table of headers included in the HTTP message to the upstream server. Values are indexed by \
             header name, and each header name accepts a single string.",
        ),
        Field::record("queue", types::queue()).required(),
        custom_fields(),
    ])
}
