//! A model of Envoy against the stream, under random changes, rejections, delays and reconnects.
//!
//! The model does what Envoy was seen to do: a changed cluster warms until an endpoint response comes for
//! it and the response is acknowledged only then; a listener warms until its route is there; a response is
//! rejected as a whole while its good resources are applied. At every moment what is in use must be there,
//! and in the end the model has what the view says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use prost::Message;
use proto::Resource;
use proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use proto::google::rpc;

use super::*;
use crate::request::{DeltaRequest, SotwRequest};
use crate::view::TypeSet;

use TypeUrl::{Cluster, Endpoint, Listener, Route, Secret};

/// What a view is made of; `None` means absent.
#[derive(Clone, Debug)]
struct Plan {
    clusters: Vec<Option<u8>>,
    endpoints: Vec<u8>,
    secrets: Vec<Option<u8>>,
    /// Content and what is referred to: a cluster or (from 100 on) a route.
    listeners: Vec<Option<(u8, usize)>>,
    routes: Vec<Option<(u8, usize)>>,
}

const CLUSTERS: usize = 4;
const ROUTES: usize = 2;

fn plan() -> impl Strategy<Value = Plan> {
    let some = |max: u8| prop::option::weighted(0.7, 0..max);
    (
        prop::collection::vec(some(3), CLUSTERS),
        prop::collection::vec(0..3_u8, CLUSTERS),
        prop::collection::vec(some(2), 2),
        prop::collection::vec(prop::option::weighted(0.8, (0..3_u8, 0..CLUSTERS + ROUTES)), 3),
        prop::collection::vec(prop::option::weighted(0.8, (0..3_u8, 0..CLUSTERS)), ROUTES),
    )
        .prop_map(|(clusters, endpoints, secrets, listeners, routes)| {
            Plan { clusters, endpoints, secrets, listeners, routes }.consistent()
        })
}

impl Plan {
    /// Without references to what is absent.
    fn consistent(mut self) -> Self {
        let clusters = self.clusters.clone();
        for route in &mut self.routes {
            *route = route.filter(|(_, cluster)| clusters[*cluster].is_some());
        }
        let routes = self.routes.clone();
        for listener in &mut self.listeners {
            *listener = listener.filter(|(_, target)| match target.checked_sub(CLUSTERS) {
                None => clusters[*target].is_some(),
                Some(route) => routes[route].is_some(),
            });
        }
        // A route that no listener uses is never asked for.
        for (index, route) in self.routes.iter_mut().enumerate() {
            let used = self.listeners.iter().flatten().any(|(_, target)| *target == CLUSTERS + index);
            *route = route.filter(|_| used);
        }
        self
    }

    fn view(&self) -> View {
        let present = |kind: TypeUrl, contents: Vec<Option<String>>| {
            let named = contents.into_iter().enumerate().filter_map(|(index, content)| {
                let name: Arc<str> = format!("{}{index}", prefix(kind)).into();
                let value = bytes::Bytes::from(content?);
                Some(Arc::new(Resource { kind, name, version: Version::of(&value), value }))
            });
            Arc::new(TypeSet::new(named.collect()))
        };
        let target = |target: &usize| match target.checked_sub(CLUSTERS) {
            None => format!("c{target}"),
            Some(route) => format!("r{route}"),
        };
        let mut view = View::default();
        let plain = |of: &[Option<u8>]| of.iter().map(|v| v.map(|v| format!("{v}"))).collect::<Vec<_>>();
        let assignments = self.clusters.iter().zip(&self.endpoints).map(|(c, e)| c.map(|_| format!("{e}")));
        let users = |of: &[Option<(u8, usize)>]| {
            of.iter().map(|user| user.map(|(v, t)| format!("{v}>{}", target(&t)))).collect::<Vec<_>>()
        };
        view.set(Cluster, present(Cluster, plain(&self.clusters)));
        view.set(Endpoint, present(Endpoint, assignments.collect()));
        view.set(Secret, present(Secret, plain(&self.secrets)));
        view.set(Listener, present(Listener, users(&self.listeners)));
        view.set(Route, present(Route, users(&self.routes)));
        view
    }
}

/// Clusters and their endpoints have the same names.
fn prefix(kind: TypeUrl) -> &'static str {
    match kind {
        Cluster | Endpoint => "c",
        Secret => "s",
        Listener => "l",
        Route => "r",
    }
}

/// What a user of something says after its content.
fn target(value: &str) -> &str {
    value.split_once('>').expect("listeners and routes refer to something").1
}

type Names = BTreeMap<String, String>;

/// Envoy, as far as it matters.
struct Envoy {
    variant: Variant,
    /// What was applied, by type; for clusters and listeners what is in use.
    has: [Names; 5],
    warming_clusters: Names,
    warming_listeners: Names,
    wants: [BTreeSet<String>; 5],
    asked: [bool; 5],
    nonces: [String; 5],
    /// Versions by name, as a delta client reports them.
    versions: [BTreeMap<String, String>; 5],
    /// An acknowledgement of clusters that waits for warming.
    withheld: Option<(String, bool)>,
    outbox: VecDeque<Vec<u8>>,
}

impl Envoy {
    fn new(variant: Variant) -> Self {
        Self {
            variant,
            has: Default::default(),
            warming_clusters: Names::new(),
            warming_listeners: Names::new(),
            wants: Default::default(),
            asked: Default::default(),
            nonces: Default::default(),
            versions: Default::default(),
            withheld: None,
            outbox: VecDeque::new(),
        }
    }

    /// A new stream: everything that was asked for is asked for again.
    fn connect(&mut self) {
        self.outbox.clear();
        self.withheld = None;
        self.nonces = Default::default();
        let asked = std::mem::take(&mut self.asked);
        for kind in TypeUrl::ALL {
            if asked[kind as usize] || matches!(kind, Cluster | Secret) {
                if kind == Secret {
                    self.wants[kind as usize] = ["s0".to_owned(), "s1".to_owned()].into();
                }
                let wants = self.wants[kind as usize].clone();
                self.request(kind, &wants, &BTreeSet::new(), None);
            }
        }
    }

    /// A request; `answer` is a nonce and whether the response is rejected.
    fn request(
        &mut self,
        kind: TypeUrl,
        new: &BTreeSet<String>,
        old: &BTreeSet<String>,
        answer: Option<(String, bool)>,
    ) {
        let first = !std::mem::replace(&mut self.asked[kind as usize], true);
        let (nonce, rejected) = answer.map_or_else(|| (None, false), |(nonce, rejected)| (Some(nonce), rejected));
        let error_detail = rejected.then(|| rpc::Status { message: "bad".into(), ..Default::default() });
        let type_url = kind.as_str().into();
        self.outbox.push_back(match self.variant {
            Variant::Delta => DeltaDiscoveryRequest {
                type_url,
                resource_names_subscribe: new.iter().cloned().collect(),
                resource_names_unsubscribe: old.iter().cloned().collect(),
                initial_resource_versions: if first { self.versions[kind as usize].clone() } else { BTreeMap::new() },
                response_nonce: nonce.unwrap_or_default(),
                error_detail,
                ..Default::default()
            }
            .encode_to_vec(),
            Variant::Sotw => DiscoveryRequest {
                type_url,
                resource_names: self.wants[kind as usize].iter().cloned().collect(),
                response_nonce: nonce.unwrap_or_else(|| self.nonces[kind as usize].clone()),
                error_detail,
                ..Default::default()
            }
            .encode_to_vec(),
        });
    }

    fn want(&mut self, kind: TypeUrl, names: &BTreeSet<String>) {
        let before = std::mem::replace(&mut self.wants[kind as usize], names.clone());
        if before != *names {
            let (new, old) = (names - &before, &before - names);
            self.versions[kind as usize].retain(|name, _| !old.contains(name));
            self.request(kind, &new, &old, None);
        }
    }

    /// Applies a response; `reject` makes one listener of it bad.
    fn apply(&mut self, response: &Response, reject: bool) {
        let kind = response.kind;
        let of = kind as usize;
        self.nonces[of] = response.nonce.to_string();
        let mut put: Names = response
            .resources
            .iter()
            .map(|resource| (resource.name.to_string(), String::from_utf8(resource.value.to_vec()).unwrap()))
            .collect();
        let mut removed: BTreeSet<String> = response.removed.iter().map(|name| name.to_string()).collect();
        let versions = response.resources.iter().map(|r| (r.name.to_string(), r.version.to_string()));
        self.versions[of].extend(versions);
        self.versions[of].retain(|name, _| !removed.contains(name));
        if self.variant == Variant::Sotw && kind.is_wildcard() {
            let held = self.has[of].keys().chain(self.warming_clusters.keys()).chain(self.warming_listeners.keys());
            removed = held.filter(|name| name.starts_with(prefix(kind)) && !put.contains_key(*name)).cloned().collect();
        }
        let rejected = reject && kind == Listener && !put.is_empty();
        if rejected {
            put.pop_first();
        }
        let mut answer = Some((response.nonce.to_string(), rejected));
        match kind {
            Cluster => {
                put.retain(|name, value| {
                    self.warming_clusters.get(name).or_else(|| self.has[of].get(name)) != Some(value)
                });
                let changed: Vec<String> = put.keys().cloned().collect();
                self.warming_clusters.extend(put);
                for name in &removed {
                    self.has[of].remove(name);
                    self.warming_clusters.remove(name);
                }
                let known = self.has[of].keys().chain(self.warming_clusters.keys()).cloned().collect();
                self.want(Endpoint, &known);
                if self.variant == Variant::Sotw && !changed.is_empty() {
                    // A cluster that begins to warm asks once more, in the form of an acknowledgement.
                    self.request(Endpoint, &BTreeSet::new(), &BTreeSet::new(), None);
                }
                self.withheld = answer.take();
            }
            Endpoint => {
                for name in put.keys().chain(&removed) {
                    if let Some(value) = self.warming_clusters.remove(name) {
                        self.has[Cluster as usize].insert(name.clone(), value);
                    }
                }
                self.has[of].extend(put);
                self.has[of].retain(|name, _| !removed.contains(name));
            }
            Secret => {
                assert!(removed.is_empty(), "a secret was removed");
                self.has[of].extend(put);
            }
            Listener => {
                for name in &removed {
                    self.has[of].remove(name);
                    self.warming_listeners.remove(name);
                }
                for (name, value) in put {
                    self.warming_listeners.insert(name, value);
                }
                // The acknowledgement goes out before the request for a new listener's route.
                let answer = answer.take();
                self.request(kind, &BTreeSet::new(), &BTreeSet::new(), answer);
                self.warm_listeners();
            }
            Route => {
                assert!(removed.is_empty(), "a route was removed");
                self.has[of].extend(put);
                self.warm_listeners();
            }
        }
        if let Some(answer) = answer {
            self.request(kind, &BTreeSet::new(), &BTreeSet::new(), Some(answer));
        }
        if self.warming_clusters.is_empty()
            && let Some(answer) = self.withheld.take()
        {
            self.request(Cluster, &BTreeSet::new(), &BTreeSet::new(), Some(answer));
            if !self.asked[Listener as usize] {
                self.request(Listener, &BTreeSet::new(), &BTreeSet::new(), None);
            }
        }
    }

    /// Listeners whose route is there go into use; routes that none uses any more are let go.
    fn warm_listeners(&mut self) {
        let routes = self.has[Route as usize].clone();
        let warming = std::mem::take(&mut self.warming_listeners);
        let (ready, warming): (Names, Names) = warming
            .into_iter()
            .partition(|(_, value)| !target(value).starts_with('r') || routes.contains_key(target(value)));
        self.has[Listener as usize].extend(ready);
        self.warming_listeners = warming;
        let users = self.has[Listener as usize].values().chain(self.warming_listeners.values());
        let routes: BTreeSet<String> =
            users.map(|value| target(value)).filter(|name| name.starts_with('r')).map(str::to_owned).collect();
        self.has[Route as usize].retain(|name, _| routes.contains(name));
        self.want(Route, &routes);
    }

    /// What is in use refers only to what is there.
    fn check(&self) {
        for (name, value) in self.has[Listener as usize].iter().chain(&self.has[Route as usize]) {
            let target = target(value);
            let kind = if target.starts_with('r') { Route } else { Cluster };
            assert!(self.has[kind as usize].contains_key(target), "{name} uses {target}, which is not there: {self}");
        }
    }
}

impl std::fmt::Display for Envoy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} warming {:?} {:?}", self.has, self.warming_clusters, self.warming_listeners)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(Plan),
    Speak,
    Hear,
    Answer,
    Reject,
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => plan().prop_map(Step::Change),
        6 => Just(Step::Speak),
        6 => Just(Step::Hear),
        6 => Just(Step::Answer),
        1 => Just(Step::Reconnect),
    ]
}

/// As [`step`], with rejections.
fn rough_step() -> impl Strategy<Value = Step> {
    prop_oneof![8 => step(), 1 => Just(Step::Reject)]
}

struct World {
    envoy: Envoy,
    stream: Stream,
    wire: VecDeque<Response>,
    view: View,
    said: usize,
    /// Whether the order of changes is promised: not after a reconnect, when only the client knows what it
    /// has, nor after a rejection.
    orderly: bool,
}

impl World {
    fn new(variant: Variant, plan: &Plan) -> Self {
        let mut envoy = Envoy::new(variant);
        envoy.connect();
        let stream = Stream::new(variant);
        Self { envoy, stream, wire: VecDeque::new(), view: plan.view(), said: 0, orderly: true }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change(plan) => self.view = plan.view(),
            Step::Speak => {
                if let Some(response) = self.stream.next(&self.view) {
                    self.said += 1;
                    self.wire.push_back(response);
                }
            }
            Step::Hear => self.hear(false),
            Step::Reject => {
                self.orderly = false;
                self.hear(true);
            }
            Step::Answer => {
                let Some(message) = self.envoy.outbox.pop_front() else { return };
                match self.envoy.variant {
                    Variant::Delta => drop(self.stream.receive_delta(&DeltaRequest::parse(&message).unwrap()).unwrap()),
                    Variant::Sotw => drop(self.stream.receive_sotw(&SotwRequest::parse(&message).unwrap()).unwrap()),
                }
            }
            Step::Reconnect => {
                // The state-of-the-world protocol does not say what a client has.
                self.orderly &= self.envoy.variant == Variant::Delta;
                self.stream = Stream::new(self.envoy.variant);
                self.wire.clear();
                self.envoy.connect();
            }
        }
    }

    fn hear(&mut self, reject: bool) {
        if let Some(response) = self.wire.pop_front() {
            self.envoy.apply(&response, reject);
            if self.orderly {
                self.envoy.check();
            }
        }
    }

    /// Runs until nobody has anything to say, which must happen soon.
    fn settle(&mut self) {
        let before = self.said;
        for round in 0.. {
            let spoken = self.said;
            let quiet = self.wire.is_empty() && self.envoy.outbox.is_empty();
            self.step(Step::Speak);
            self.step(Step::Hear);
            self.step(Step::Answer);
            if quiet && self.said == spoken {
                break;
            }
            assert!(round < 1000, "no end");
        }
        assert!(self.said - before < 60, "{} responses to settle", self.said - before);
    }

    fn check_end(&self, plan: &Plan) {
        let view = plan.view();
        for kind in [Cluster, Endpoint, Secret, Listener, Route] {
            let expected: Names = view
                .get(kind)
                .iter()
                .map(|r| (r.name.to_string(), String::from_utf8(r.value.to_vec()).unwrap()))
                .collect();
            let wanted = |name: &String| kind.is_wildcard() || self.envoy.wants[kind as usize].contains(name);
            let has: Names = self.envoy.has[kind as usize].clone();
            // Nothing is taken back of secrets and routes, and endpoints go with their cluster.
            let has =
                has.into_iter().filter(|(name, _)| wanted(name) && (kind.is_wildcard() || expected.contains_key(name)));
            assert_eq!(has.collect::<Names>(), expected, "{} in {}", kind.short(), self.envoy);
        }
    }
}

fn run(variant: Variant, steps: Vec<Step>, last: &Plan) {
    let mut world = World::new(variant, last);
    for step in steps {
        world.step(step);
    }
    world.settle();
    // A last change of everything, which is accepted as a whole.
    world.step(Step::Change(last.clone()));
    world.settle();
    world.envoy.check();
    if world.orderly {
        world.check_end(last);
    }
    world.step(Step::Reconnect);
    world.settle();
    if world.orderly {
        world.check_end(last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn delta_traffic_goes_on(steps in prop::collection::vec(step(), 0..120), last in plan()) {
        run(Variant::Delta, steps, &last);
    }

    #[test]
    fn sotw_traffic_goes_on(steps in prop::collection::vec(step(), 0..120), last in plan()) {
        run(Variant::Sotw, steps, &last);
    }

    #[test]
    fn rejections_end(steps in prop::collection::vec(rough_step(), 0..120), last in plan()) {
        run(Variant::Delta, steps.clone(), &last);
        run(Variant::Sotw, steps, &last);
    }
}
