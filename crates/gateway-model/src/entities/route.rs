//! Routes: what selects a service.

mod checks;

use serde_json::Value;

use crate::entity::EntitySchema;
use crate::schema::{Check, Element, EntityCheck, Field, Match, Schema};
use crate::types::{self, PROTOCOLS};

/// How routes are matched, which decides what fields they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouterFlavor {
    Traditional,
    #[default]
    TraditionalCompatible,
    Expressions,
}

/// The largest priority of an expression.
const HIGHEST: u64 = (1 << 46) - 1;

const EXCLUSIVE: &[&[&str]] = &[&["http", "https"], &["tcp", "tls", "udp"], &["tls_passthrough"], &["grpc", "grpcs"]];

pub(super) fn routes(flavor: RouterFlavor) -> EntitySchema {
    const SNIS_ERR: &str = "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'";
    let mut schema = Schema::record([
        types::id(),
        types::created_at(),
        types::updated_at(),
        types::utf8_name("name"),
        protocols(),
        Field::integer("https_redirect_status_code").required().default_value(426).one_of([426, 301, 302, 307, 308]),
        Field::boolean("strip_path").required().default_value(true),
        Field::boolean("preserve_host").required().default_value(false),
        Field::boolean("request_buffering").required().default_value(true),
        Field::boolean("response_buffering").required().default_value(true),
        types::tags(),
        Field::foreign("service", "services"),
        Field::set("snis", sni(flavor)),
        endpoints("sources"),
        endpoints("destinations"),
        methods(),
        Field::array("hosts", types::wildcard_host("")),
        paths(),
        headers(),
        Field::integer("regex_priority").default_value(0),
        Field::string("path_handling").default_value("v0").one_of(["v0", "v1"]),
    ]);
    if flavor == RouterFlavor::Expressions {
        schema = schema
            .field(Field::string("expression"))
            .field(Field::integer("priority").required().default_value(0).between(0, HIGHEST));
    }
    schema = schema
        .check(
            EntityCheck::conditional(
                "protocols",
                Match::elements(Match::not_one_of(["grpcs", "https", "tls", "tls_passthrough"])),
                "snis",
                Match::len_eq(0),
            )
            .then_err(SNIS_ERR),
        )
        .check(EntityCheck::custom(["path_handling"], |_| Ok(())));
    if flavor != RouterFlavor::Traditional {
        let sources = [
            "id",
            "protocols",
            "snis",
            "sources",
            "destinations",
            "methods",
            "hosts",
            "paths",
            "headers",
            "expression",
            "regex_priority",
            "priority",
        ];
        schema = schema.check(EntityCheck::custom(sources, checks::check_matchers).run_with_missing());
    }
    let kinds = PROTOCOLS.map(|protocol| (protocol, special(flavor, protocol)));
    EntitySchema::new("routes", schema).endpoint_key("name").variants("protocols", "unknown type: %s", kinds)
}

fn protocols() -> Field {
    Field::set(
        "protocols",
        Element::string().one_of(PROTOCOLS).description("A string representing a protocol, such as HTTP or HTTPS."),
    )
    .required()
    .len_min(1)
    .exclusive_subsets(EXCLUSIVE)
    .default_value(vec!["http", "https"])
}

fn sni(flavor: RouterFlavor) -> Field {
    match flavor {
        RouterFlavor::Traditional => types::sni(""),
        _ => types::wildcard_sni(""),
    }
}

fn methods() -> Field {
    Field::set("methods", Element::string().matches("^%u+$"))
}

fn paths() -> Field {
    let path = Element::string()
        .match_none([("//", "must not have empty segments")])
        .match_any(["^/", "^~/"], Some("should start with: / (fixed path) or ~/ (regex path)"))
        .custom(checks::check_path);
    Field::array("paths", path)
}

fn headers() -> Field {
    const HOST: &str = "cannot contain 'host' header, which must be specified in the 'hosts' attribute";
    let name = types::header_name("").match_none([("^[Hh][Oo][Ss][Tt]$", HOST)]);
    Field::map("headers", name, Element::array(Element::string()))
}

fn endpoints(name: &'static str) -> Field {
    let endpoint = Schema::record([types::ip_or_cidr("ip"), types::port("port")])
        .check(EntityCheck::at_least_one_of(["ip", "port"]));
    Field::set(name, Element::record(endpoint))
}

/// What is particular to routes of a protocol: fields they cannot have, and what they match by.
fn special(flavor: RouterFlavor, protocol: &str) -> Schema {
    let by_expression = (flavor == RouterFlavor::Expressions).then_some("expression");
    let need = |if_match: Match, names: &[&'static str], err: &'static str| {
        EntityCheck::conditional_at_least_one_of(
            "protocols",
            Match::elements(if_match),
            names.iter().copied().chain(by_expression),
        )
        .then_err(err)
    };
    match protocol {
        "http" | "https" => {
            const NO: [&str; 2] = [
                "cannot set 'sources' when 'protocols' is 'http' or 'https'",
                "cannot set 'destinations' when 'protocols' is 'http' or 'https'",
            ];
            Schema::record([never(endpoints("sources"), NO[0]), never(endpoints("destinations"), NO[1])])
                .check(need(
                    Match::not_one_of(["https"]),
                    &["methods", "hosts", "headers", "paths"],
                    "must set one of %s when 'protocols' is 'http'",
                ))
                .check(EntityCheck::custom(
                    ["protocols"],
                    match by_expression {
                        None => checks::check_https,
                        Some(_) => checks::check_https_or_expression,
                    },
                ))
        }
        "grpc" | "grpcs" => Schema::record([
            Field::boolean("strip_path")
                .required()
                .default_value(false)
                .ne(true)
                .err("cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'"),
            never(methods(), "cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'"),
            never(endpoints("sources"), "cannot set 'sources' when 'protocols' is 'grpc' or 'grpcs'"),
            never(endpoints("destinations"), "cannot set 'destinations' when 'protocols' is 'grpc' or 'grpcs'"),
        ])
        .check(need(
            Match::not_one_of(["grpcs"]),
            &["hosts", "headers", "paths"],
            "must set one of %s when 'protocols' is 'grpc'",
        ))
        .check(EntityCheck::custom(
            ["protocols"],
            match by_expression {
                None => checks::check_grpcs,
                Some(_) => checks::check_grpcs_or_expression,
            },
        )),
        _ => {
            let without = Schema::record([
                never(methods(), "cannot set 'methods' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'"),
                never(
                    Field::array("hosts", types::wildcard_host("")),
                    "cannot set 'hosts' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'",
                ),
                never(paths(), "cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'"),
                never(headers(), "cannot set 'headers' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'"),
            ]);
            if protocol == "tls_passthrough" {
                return without.check(need(
                    Match::one_of(["tls_passthrough"]),
                    &["snis"],
                    "must set snis when 'protocols' is 'tls_passthrough'",
                ));
            }
            without.check(need(
                Match::one_of(["tcp", "tls", "udp"]),
                &["sources", "destinations", "snis"],
                "must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'",
            ))
        }
    }
}

/// A field that must not be set.
fn never(field: Field, err: &'static str) -> Field {
    field.with(Check::Eq(Value::Null)).err(err)
}
