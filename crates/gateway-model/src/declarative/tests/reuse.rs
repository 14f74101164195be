//! Loading after something else is as loading from nothing, but for the times of what stays.

use super::*;

/// One of few services, so that two configurations have much in common.
fn service() -> impl Strategy<Value = Value> {
    let flags: [_; 4] = std::array::from_fn(|_| prop::option::of(any::<bool>()));
    (0_u8..4, flags).prop_map(|(number, [host, tags, made, route])| {
        let mut service = json!({"name": format!("s{number}")});
        if let Some(host) = host {
            service["host"] = json!(if host { "h" } else { "other" });
        } else {
            service["url"] = json!("http://h:80/x");
        }
        if let Some(tags) = tags {
            service["tags"] = if tags { json!(["a", "b"]) } else { json!(null) };
        }
        if let Some(made) = made {
            service[if made { "created_at" } else { "updated_at" }] = json!(5);
        }
        if let Some(named) = route {
            let mut route = json!({"paths": ["/a*"]});
            if named {
                route["name"] = json!(format!("r{number}"));
            }
            service["routes"] = json!([route]);
            service["plugins"] = json!([{"name": "limit", "config": {"minute": 1 + u8::from(named)}}]);
        }
        service
    })
}

fn consumer() -> impl Strategy<Value = Value> {
    (0_u8..3, prop::option::of(any::<bool>()), any::<bool>()).prop_map(|(number, key, custom)| {
        let mut consumer = json!({"username": format!("c{number}")});
        if custom {
            consumer["custom_id"] = json!("one");
        }
        if let Some(given) = key {
            let key = if given { json!({"key": format!("k{number}")}) } else { json!({}) };
            consumer["guard_keys"] = json!([key]);
            consumer["guard_passwords"] = json!([{"username": format!("u{number}"), "password": "p"}]);
        }
        consumer
    })
}

fn route() -> impl Strategy<Value = Value> {
    (0_u8..3, 0_u8..5).prop_map(
        |(number, service)| json!({"name": format!("flat{number}"), "hosts": ["h"], "service": format!("s{service}")}),
    )
}

pub(super) fn config() -> impl Strategy<Value = Value> {
    let parts = (
        prop::collection::vec(service(), 0..5),
        prop::collection::vec(consumer(), 0..4),
        prop::collection::vec(route(), 0..2),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
    );
    let distinct = |mut all: Vec<Value>, name: &str| {
        let mut seen = std::collections::HashSet::new();
        all.retain(|each| seen.insert(each[name].to_string()));
        all
    };
    parts.prop_map(move |(services, consumers, routes, new, transform)| {
        let (services, consumers) = (distinct(services, "name"), distinct(consumers, "username"));
        json!({
            "_format_version": if new { "3.0" } else { "2.1" }, "_transform": transform,
            "services": services, "consumers": consumers, "routes": routes,
        })
    })
}

/// Loads at a time, with all that `known` says, or only with its times.
fn load(config: &Value, at: u64, known: &Known, reuse: bool) -> Result<(Declared, Known), String> {
    let nothing = Known::default();
    let same = if reuse { known } else { &nothing };
    let parsed = parse(&registry(), object(config.clone()), Options::default(), same, &mut At(at));
    let mut declared = parsed.map_err(|error| error.to_string())?;
    let known = known.keep_times(&mut declared, &mut At(at));
    Ok((declared, known))
}

fn told(declared: &Declared) -> (Vec<(&'static str, String, String)>, String) {
    let each = declared.entities.iter().map(|entity| (entity.kind, entity.id().to_owned(), entity.body.to_string()));
    (each.collect(), answer_of(declared))
}

proptest! {
    #[test]
    fn what_was_loaded_before_makes_no_difference(configs in prop::collection::vec(config(), 2..5)) {
        let (mut with, mut without) = (Known::default(), Known::default());
        for (at, config) in configs.iter().enumerate() {
            let at = 1_000_000 * (at as u64 + 1);
            match (load(config, at, &with, true), load(config, at, &without, false)) {
                (Ok((reused, next)), Ok((fresh, plain))) => {
                    prop_assert_eq!(told(&reused), told(&fresh));
                    (with, without) = (next, plain);
                }
                (reused, fresh) => prop_assert_eq!(reused.map(drop), fresh.map(drop)),
            }
        }
    }
}

#[test]
fn what_stays_is_not_looked_at_again() {
    let config = |host: &str| {
        with(json!({
            "services": [
                {"name": "a", "host": host, "routes": [{"name": "r", "paths": ["/"]}]},
                {"name": "b", "host": "h", "routes": [{"name": "q", "paths": ["/q"]}]},
            ],
            "consumers": [{"username": "c", "guard_keys": [{}]}],
        }))
    };
    let (_, known) = load(&config("h"), 1_000, &Known::default(), true).expect("it is valid");
    let (declared, _) = load(&config("other"), 2_000, &known, true).expect("it is valid");
    let open = declared.entities.iter().filter(|entity| !entity.is_same());
    // The key is another one each time.
    assert_eq!(open.map(|entity| entity.kind).collect::<Vec<_>>(), ["services", "guard_keys"]);
    assert_eq!(
        declared.entities.iter().map(Entity::place_before).collect::<Vec<_>>(),
        (0..6).map(Some).collect::<Vec<_>>()
    );
}
