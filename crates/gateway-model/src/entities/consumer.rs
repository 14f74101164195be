//! Consumers: who calls.

use crate::entity::EntitySchema;
use crate::schema::{EntityCheck, Field, Schema};
use crate::types;

pub(super) fn consumers() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::updated_at(),
        Field::string("username").unique().description(
            "The unique username of the Consumer. You must send at least one of username or custom_id with the \
             request.",
        ),
        Field::string("custom_id").unique().description(
            "Stores the existing unique ID of the consumer. You must send at least one of username or custom_id with \
             the request.",
        ),
        types::tags(),
    ])
    .check(EntityCheck::at_least_one_of(["custom_id", "username"]));
    EntitySchema::new("consumers", schema).endpoint_key("username")
}
