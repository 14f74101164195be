//! Kinds that are there for introspection, for a use inside, or for features that are off.

use crate::entity::EntitySchema;
use crate::schema::{Element, EntityCheck, Field, OnDelete, Schema};
use crate::types;

pub(super) fn workspaces() -> EntitySchema {
    const TAKEN: [&str; 17] = [
        "workspaces",
        "consumers",
        "certificates",
        "services",
        "routes",
        "snis",
        "upstreams",
        "targets",
        "plugins",
        "tags",
        "ca_certificates",
        "clustering_data_planes",
        "parameters",
        "vaults",
        "key_sets",
        "keys",
        "filter_chains",
    ];
    let schema = Schema::record([
        types::id(),
        types::utf8_name("name").required().len_min(1).not_one_of(TAKEN),
        Field::string("comment"),
        types::created_at(),
        types::updated_at(),
        Field::record("meta", Schema::record([])).required(),
        Field::record("config", Schema::record([])).required(),
    ]);
    EntitySchema::new("workspaces", schema).endpoint_key("name").cache_key(&["name"]).internal()
}

pub(super) fn tags() -> EntitySchema {
    let schema = Schema::record([
        types::tag("tag"),
        Field::string("entity_name").required().description("The name of the Kong Gateway entity being tagged."),
        types::uuid("entity_id").auto().required(),
    ]);
    EntitySchema::new("tags", schema).endpoint_key("tag").primary_key(&["tag"])
}

pub(super) fn parameters() -> EntitySchema {
    let schema = Schema::record([
        types::created_at(),
        Field::string("key").required().unique().description("They key value of a parameter."),
        Field::string("value").required().description("The value attached to the key."),
    ]);
    EntitySchema::new("parameters", schema).endpoint_key("key").primary_key(&["key"]).internal()
}

pub(super) fn clustering_data_planes() -> EntitySchema {
    let schema = Schema::record([
        types::uuid("id").required(),
        types::auto_timestamp("last_seen"),
        types::host("ip").required(),
        Field::string("config_hash").len_eq(32),
        Field::string("hostname").required(),
        Field::string("version"),
        Field::string("sync_status").required().default_value("unknown").one_of([
            "unknown",
            "normal",
            "kong_version_incompatible",
            "plugin_set_incompatible",
            "plugin_version_incompatible",
            "filter_set_incompatible",
        ]),
        Field::record("labels", Schema::record([])),
        Field::record("cert_details", Schema::record([Field::integer("expiry_timestamp").timestamp().optional()])),
        Field::array("rpc_capabilities", Element::string()),
    ]);
    EntitySchema::new("clustering_data_planes", schema).ttl().internal()
}

pub(super) fn filter_chains() -> EntitySchema {
    let scope =
        |name, reference| Field::foreign(name, reference).default_value(()).unique().on_delete(OnDelete::Cascade);
    let filter = Schema::record([
        // No filters are installed, so none has a valid name.
        Field::string("name").required().one_of([""; 0]).err("no such filter"),
        Field::boolean("enabled").required().default_value(true),
        Field::json("config"),
    ]);
    let schema = Schema::record([
        types::id(),
        types::utf8_name("name"),
        Field::boolean("enabled").required().default_value(true),
        scope("route", "routes"),
        scope("service", "services"),
        Field::array("filters", Element::record(filter)).required().len_min(1),
        types::created_at(),
        types::updated_at(),
        types::tags(),
    ])
    .check(EntityCheck::mutually_exclusive(["service", "route"]))
    .check(EntityCheck::at_least_one_of(["service", "route"]));
    EntitySchema::new("filter_chains", schema).admin_name("filter-chains").endpoint_key("name")
}
