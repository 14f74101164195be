//! What prometheus may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("prometheus", 13).protocols_all().config(config())
}

fn config() -> Schema {
    let switch = |name, description| Field::boolean(name).default_value(false).description(description);
    Schema::record([
        switch(
            "per_consumer",
            "A boolean value that determines if per-consumer metrics should be collected. If enabled, the \
             `kong_http_requests_total` and `kong_bandwidth_bytes` metrics fill in the consumer label when available.",
        ),
        switch(
            "status_code_metrics",
            "A boolean value that determines if status code metrics should be collected. If enabled, \
             `http_requests_total`, `stream_sessions_total` metrics will be exported.",
        ),
        switch(
            "ai_metrics",
            "A boolean value that determines if ai metrics should be collected. If enabled, the \
             `ai_llm_requests_total`, `ai_llm_cost_total` and `ai_llm_tokens_total` metrics will be exported.",
        ),
        switch(
            "latency_metrics",
            "A boolean value that determines if latency metrics should be collected. If enabled, `kong_latency_ms`, \
             `upstream_latency_ms` and `request_latency_ms` metrics will be exported.",
        ),
        switch(
            "bandwidth_metrics",
            "A boolean value that determines if bandwidth metrics should be collected. If enabled, \
             `bandwidth_bytes` and `stream_sessions_total` metrics will be exported.",
        ),
        switch(
            "upstream_health_metrics",
            "A boolean value that determines if upstream metrics should be collected. If enabled, \
             `upstream_target_health` metric will be exported.",
        ),
    ])
}
