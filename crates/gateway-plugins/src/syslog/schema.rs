//! What syslog may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};

use crate::log::custom_fields;

/// From the least to the most severe.
pub(crate) const SEVERITIES: [&str; 8] = ["debug", "info", "notice", "warning", "err", "crit", "alert", "emerg"];

/// Facilities and their numbers.
pub(crate) const FACILITIES: [(&str, u8); 20] = [
    ("auth", 4),
    ("authpriv", 10),
    ("cron", 9),
    ("daemon", 3),
    ("ftp", 11),
    ("kern", 0),
    ("lpr", 6),
    ("mail", 2),
    ("news", 7),
    ("syslog", 5),
    ("user", 1),
    ("uucp", 8),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("syslog", 4).protocols_all().config(config())
}

fn config() -> Schema {
    let severity = |name| Field::string(name).required().default_value("info").one_of(SEVERITIES);
    Schema::record([
        severity("log_level"),
        severity("successful_severity"),
        severity("client_errors_severity"),
        severity("server_errors_severity"),
        custom_fields(),
        Field::string("facility")
            .required()
            .default_value("user")
            .one_of(FACILITIES.map(|(name, _)| name))
            .description("The facility is used by the operating system to decide how to handle each log message."),
    ])
}
