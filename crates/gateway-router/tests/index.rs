//! The index finds what asking every route in order of rank would find, and a changed router is the one that would be
//! built anew.

use std::collections::HashMap;
use std::sync::Arc;

use gateway_router::{Entry, Flavor, Headers, Request, RouteError, RouteSpec, Router};
use proptest::prelude::*;

struct Fields(Vec<(&'static str, &'static str)>);

impl Headers for Fields {
    fn any(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && visit(value.as_bytes()))
    }
}

#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    host: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    tls: bool,
}

fn some_of(all: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<Arc<str>>> {
    proptest::sample::subsequence(all, 0..=most).prop_map(|texts| texts.into_iter().map(Arc::from).collect())
}

fn spec() -> impl Strategy<Value = RouteSpec> {
    const HOSTS: &[&str] = &["a.com", "b.a.com", "*.a.com", "*.com", "a.*", "b.*", "a.com:8000", "a.com:1"];
    const PATHS: &[&str] =
        &["/", "/a", "/a/b", "/ab", "/b", "~/a/\\d+", "~/(?<x>a|b)/c$", "~/.*/z", "~/a/b", "~/[ab]/\\w"];
    const EXPRESSIONS: &[&str] = &[
        r#"http.path ^= "/a""#,
        r#"http.path == "/a/b" && http.host == "a.com""#,
        r#"http.host == "a.com" || http.method == "GET""#,
        r#"http.method == "POST" && http.path ^= "/a/""#,
        r#"any(http.headers.x) == "1""#,
        r#"!(http.path ^= "/a")"#,
        r#"http.path == "/a" || http.path ^= "/a/""#,
        r#"http.host =^ "a.com" && http.path ~ "^/a/[b1]""#,
        r#"http.host ^= "b.a" || http.headers.X == "1""#,
        r#"(http.path ~ "/b" || http.host == "z") && lower(http.headers.x) == "v2""#,
        r#"http.path =^ "z" && any(http.headers.x) == "V2""#,
        r#"lower(http.path) ^= "/a" && http.path ^= "/""#,
    ];
    let ids = (0_u128..40).prop_map(|id| Arc::from(uuid::Uuid::from_u128(id << 64 | id).to_string()));
    let headers = proptest::option::of(prop_oneof![
        Just(("x", vec!["1", "2"])),
        Just(("x", vec!["~*^v"])),
        Just(("y", vec!["1"]))
    ]);
    let expression = proptest::option::weighted(0.5, proptest::sample::select(EXPRESSIONS));
    let fields = (some_of(HOSTS, 2), some_of(PATHS, 3), some_of(&["GET", "POST"], 1), headers);
    (ids, fields, expression, 0_u64..3, 0_i64..3, proptest::option::weighted(0.2, any::<bool>())).prop_map(
        |(id, (hosts, paths, methods, headers), expression, priority, regex_priority, only_tls)| RouteSpec {
            id,
            hosts,
            paths: paths.into(),
            methods,
            headers: headers
                .map(|(name, values)| (Arc::from(name), values.into_iter().map(Arc::from).collect()))
                .into_iter()
                .collect(),
            expression: expression.map(Arc::from),
            priority,
            regex_priority,
            only_tls,
            ..RouteSpec::default()
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let header = proptest::sample::select(&[("X", "1"), ("x", "V2"), ("y", "1"), ("y", "3")][..]);
    (
        proptest::sample::select(&["GET", "POST", "PUT"][..]),
        proptest::sample::select(&["a.com", "b.a.com", "c.b.a.com", "a.org", "b.com", "z", ""][..]),
        proptest::sample::select(&["/", "/a", "/a/", "/a/b", "/a/12", "/b/c", "/ab/z", "/A/x", "/c"][..]),
        proptest::collection::vec(header, 0..3),
        any::<bool>(),
    )
        .prop_map(|(method, host, path, headers, tls)| Call { method, host, path, headers, tls })
}

fn found<'a>(router: &'a Router<Arc<str>>, call: &Call) -> Option<(&'a str, Option<usize>)> {
    let request = Request {
        method: call.method,
        host: call.host.as_bytes(),
        path: call.path.as_bytes(),
        query: b"",
        headers: &Fields(call.headers.clone()),
        tls: call.tls,
        sni: None,
        source: "127.0.0.1:9".parse().expect("an address"),
        destination: "127.0.0.1:8000".parse().expect("an address"),
    };
    router.find(&request).map(|matched| (&**matched.payload, matched.captured.path))
}

/// A router, and its routes by their ids.
struct Routes {
    router: Router<Arc<str>>,
    entries: HashMap<Arc<str>, Entry<Arc<str>>>,
}

/// A route by its id, and what it is from now on.
type Change = (Arc<str>, Option<RouteSpec>);

fn put(spec: RouteSpec) -> Change {
    (Arc::clone(&spec.id), Some(spec))
}

impl Routes {
    fn new(flavor: Flavor) -> Self {
        Self { router: Router::new(flavor), entries: HashMap::new() }
    }

    /// Puts these changes into force at once, and tells which routes were refused.
    fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Vec<RouteError> {
        let mut refused = Vec::new();
        let mut edit = self.router.edit();
        for (id, spec) in changes {
            if let Some(entry) = self.entries.remove(&id) {
                edit.remove(entry);
            }
            match spec.map(|spec| edit.put(spec, Arc::clone(&id))) {
                Some(Ok(entry)) => drop(self.entries.insert(id, entry)),
                Some(Err(error)) => refused.push(error),
                None => {}
            }
        }
        self.router = edit.finish();
        refused
    }
}

fn build(flavor: Flavor, specs: &[RouteSpec]) -> Routes {
    let mut routes = Routes::new(flavor);
    let refused = routes.apply(specs.iter().cloned().map(put));
    assert!(refused.is_empty(), "{refused:?}");
    routes
}

fn flavors() -> impl Strategy<Value = Flavor> {
    proptest::sample::select(&[Flavor::TraditionalCompatible, Flavor::Traditional, Flavor::Expressions][..])
}

proptest! {
    /// A router of all routes gives what a tournament gives in which any two routes meet in a router of their own.
    #[test]
    fn the_whole_table_agrees_with_its_pairs(
        flavor in flavors(),
        specs in proptest::collection::vec(spec(), 1..12),
        call in call(),
    ) {
        let mut specs = specs;
        specs.sort_by(|a, b| a.id.cmp(&b.id));
        specs.dedup_by(|a, b| a.id == b.id);
        let whole = build(flavor, &specs);
        let mut champion: Option<&RouteSpec> = None;
        for spec in &specs {
            if found(&build(flavor, std::slice::from_ref(spec)).router, &call).is_none() {
                continue;
            }
            champion = match champion {
                None => Some(spec),
                Some(other) => {
                    let pair = build(flavor, &[other.clone(), spec.clone()]);
                    let (winner, _) = found(&pair.router, &call).expect("each of the two matches alone");
                    Some(if winner == &*spec.id { spec } else { other })
                }
            };
        }
        let expected = champion.map(|spec| (spec.id.as_ref(), found(&build(flavor, std::slice::from_ref(spec)).router, &call).expect("it matches alone").1));
        prop_assert_eq!(found(&whole.router, &call), expected);
    }

    /// Changes one after the other come to the same as building from what is left; older routers stay as they were.
    #[test]
    fn changing_is_building_anew(
        flavor in flavors(),
        steps in proptest::collection::vec((spec(), any::<bool>()), 1..30),
        calls in proptest::collection::vec(call(), 1..6),
    ) {
        let mut routes = Routes::new(flavor);
        let mut now: Vec<RouteSpec> = Vec::new();
        for (spec, remove) in &steps {
            let old = routes.router.clone();
            let before: Vec<_> = calls.iter().map(|call| found(&old, call)).collect();
            routes.apply([(Arc::clone(&spec.id), (!remove).then(|| spec.clone()))]);
            prop_assert_eq!(calls.iter().map(|call| found(&old, call)).collect::<Vec<_>>(), before);
            now.retain(|other| other.id != spec.id);
            if !remove {
                now.push(spec.clone());
            }
            let anew = build(flavor, &now);
            for call in &calls {
                prop_assert_eq!(found(&routes.router, call), found(&anew.router, call));
            }
            prop_assert_eq!(routes.router.len(), now.len());
        }
    }

    /// Many changes at once come to the same as one after the other, also of routes that change more than once.
    #[test]
    fn changes_at_once_are_changes_one_by_one(
        flavor in flavors(),
        batches in proptest::collection::vec(proptest::collection::vec((0_u128..8, spec(), any::<bool>()), 1..12), 1..4),
        calls in proptest::collection::vec(call(), 1..6),
    ) {
        let (mut at_once, mut one_by_one) = (Routes::new(flavor), Routes::new(flavor));
        for batch in batches {
            let changes: Vec<Change> = batch
                .into_iter()
                .map(|(id, spec, remove)| {
                    let id: Arc<str> = uuid::Uuid::from_u128(id << 64 | id).to_string().into();
                    (Arc::clone(&id), (!remove).then_some(RouteSpec { id, ..spec }))
                })
                .collect();
            at_once.apply(changes.clone());
            for change in changes {
                one_by_one.apply([change]);
            }
            prop_assert_eq!(at_once.router.len(), one_by_one.router.len());
            for call in &calls {
                prop_assert_eq!(found(&at_once.router, call), found(&one_by_one.router, call));
            }
        }
    }
}

fn route(id: u128, path: &str) -> RouteSpec {
    RouteSpec { id: uuid::Uuid::from_u128(id).to_string().into(), paths: [path.into()].into(), ..RouteSpec::default() }
}

fn get(path: &'static str) -> Call {
    Call { method: "GET", host: "", path, headers: Vec::new(), tls: false }
}

#[test]
fn a_route_that_cannot_be_matched_is_told_and_the_others_are_in_force() {
    let mut routes = build(Flavor::default(), &[route(1, "/a"), route(2, "/b")]);
    let (good, broken) = (put(route(3, "/c")), put(route(1, "~/(")));
    assert_eq!(routes.apply([broken, good]).len(), 1);
    assert_eq!(routes.router.len(), 2);
    let is_there = |path| found(&routes.router, &get(path)).is_some();
    assert!(!is_there("/a") && is_there("/b") && is_there("/c"));
}

#[test]
fn a_long_list_of_equal_places_keeps_its_order_whatever_comes_and_goes() {
    let specs: Vec<_> = (1..=300).map(|id| route(id, &format!("~/x/{}$", id % 3))).collect();
    let mut routes = build(Flavor::default(), &specs);
    let winner = |routes: &Routes| found(&routes.router, &get("/x/0")).map(|(id, _)| id.to_owned());
    for id in (1..=100).rev().map(|id| id * 3) {
        // Of equal routes the reference takes the one with the largest id.
        assert_eq!(winner(&routes).as_deref(), Some(&*route(id, "").id));
        routes.apply([put(route(id, "~/x/1$")), (route(id + 1, "").id, None)]);
    }
    assert_eq!(winner(&routes), None);
}
