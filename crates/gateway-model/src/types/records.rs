//! Records that several plugins have in common.

use super::{host, port, sni, timeout};
use crate::schema::{Field, Schema};

/// How to reach a Redis server, as the record `redis`.
pub fn redis() -> Schema {
    Schema::record([
        host("host"),
        port("port").default_value(6379),
        timeout("timeout").default_value(2000),
        Field::string("username").referenceable().description(
            "Username to use for Redis connections. If undefined, ACL authentication won't be performed. This \
             requires Redis v6.0.0+. To be compatible with Redis v5.x.y, you can set it to `default`.",
        ),
        Field::string("password")
            .referenceable()
            .encrypted()
            .len_min(0)
            .description("Password to use for Redis connections. If undefined, no AUTH commands are sent to Redis."),
        Field::integer("database")
            .default_value(0)
            .description("Database to use for the Redis connection when using the `redis` strategy"),
        Field::boolean("ssl")
            .optional()
            .default_value(false)
            .description("If set to true, uses SSL to connect to Redis."),
        Field::boolean("ssl_verify").optional().default_value(false).description(
            "If set to true, verifies the validity of the server SSL certificate. If setting this parameter, also \
             configure `lua_ssl_trusted_certificate` in `kong.conf` to specify the CA (or server) certificate used \
             by your Redis server. You may also need to configure `lua_ssl_verify_depth` accordingly.",
        ),
        sni("server_name").optional(),
    ])
}

/// Adds the deprecated names `redis_host`, `redis_port` … to a configuration of `plugin` that has a record `redis`.
pub fn with_redis_shorthands(schema: Schema, plugin: &str) -> Schema {
    [
        (Field::string("redis_host"), &["redis", "host"]),
        (Field::integer("redis_port"), &["redis", "port"]),
        (Field::string("redis_password").len_min(0), &["redis", "password"]),
        (Field::string("redis_username"), &["redis", "username"]),
        (Field::boolean("redis_ssl"), &["redis", "ssl"]),
        (Field::boolean("redis_ssl_verify"), &["redis", "ssl_verify"]),
        (Field::string("redis_server_name"), &["redis", "server_name"]),
        (Field::integer("redis_timeout"), &["redis", "timeout"]),
        (Field::integer("redis_database"), &["redis", "database"]),
    ]
    .into_iter()
    .fold(schema, |schema, (field, path)| {
        let message =
            format!("{plugin}: config.{} is deprecated, please use config.{} instead", field.name(), path.join("."));
        schema.shorthand(field.moved_to(path, message))
    })
}

/// How entries wait for a slow receiver, as the record `queue`.
pub fn queue() -> Schema {
    Schema::record([
        Field::integer("max_batch_size")
            .default_value(1)
            .between(1, 1_000_000)
            .description("Maximum number of entries that can be processed at a time."),
        Field::number("max_coalescing_delay").default_value(1).between(0, 3600).description(
            "Maximum number of (fractional) seconds to elapse after the first entry was queued before the queue \
             starts calling the handler.",
        ),
        Field::integer("max_entries")
            .default_value(10_000)
            .between(1, 1_000_000)
            .description("Maximum number of entries that can be waiting on the queue."),
        Field::integer("max_bytes")
            .description("Maximum number of bytes that can be waiting on a queue, requires string content."),
        Field::number("max_retry_time")
            .default_value(60)
            .description("Time in seconds before the queue gives up calling a failed handler for a batch."),
        Field::number("initial_retry_delay")
            .default_value(0.01)
            .between(0.001, 1_000_000)
            .description("Time in seconds before the initial retry is made for a failing batch."),
        Field::number("max_retry_delay")
            .default_value(60)
            .between(0.001, 1_000_000)
            .description("Maximum time in seconds between retries, caps exponential backoff."),
        Field::integer("concurrency_limit")
            .default_value(1)
            .one_of([-1, 1])
            .description("The number of of queue delivery timers. -1 indicates unlimited."),
    ])
}
