use prost::Message;
use proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use proto::{Resource, google};

use super::*;
use crate::request::{DeltaRequest, SotwRequest};
use crate::view::TypeSet;

use TypeUrl::{Cluster, Endpoint, Listener, Route, Secret};

/// `name=content`
fn resource(kind: TypeUrl, text: &str) -> Arc<Resource> {
    let (name, _) = text.split_once('=').unwrap_or((text, ""));
    Arc::new(Resource { kind, name: name.into(), version: Version::of(text.as_bytes()), value: text.to_owned().into() })
}

fn view(sets: &[(TypeUrl, &[&str])]) -> View {
    let mut view = View::default();
    for kind in TypeUrl::ALL {
        let texts = sets.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, texts)| texts);
        let set = TypeSet::new(texts.iter().map(|text| resource(kind, text)).collect());
        view.set(kind, Arc::new(set));
    }
    view
}

/// A client's side of a stream, with what it says in short form.
struct Client {
    stream: Stream,
    last: [Option<Version>; 5],
}

impl Client {
    fn delta() -> Self {
        Self { stream: Stream::new(Variant::Delta), last: [None; 5] }
    }

    fn sotw() -> Self {
        Self { stream: Stream::new(Variant::Sotw), last: [None; 5] }
    }

    /// A delta request: `+name` subscribes, `-name` unsubscribes, `name@content` is an initial version.
    fn ask(&mut self, kind: TypeUrl, words: &[&str]) -> Outcome<'static> {
        self.delta_request(kind, words, String::new(), None)
    }

    fn delta_request(&mut self, kind: TypeUrl, words: &[&str], nonce: String, error: Option<&str>) -> Outcome<'static> {
        let pick = |sign: char| words.iter().filter_map(|word| word.strip_prefix(sign)).map(str::to_owned).collect();
        let initial = words.iter().filter_map(|word| word.split_once('@'));
        let request = DeltaDiscoveryRequest {
            type_url: kind.as_str().into(),
            resource_names_subscribe: pick('+'),
            resource_names_unsubscribe: pick('-'),
            initial_resource_versions: initial
                .map(|(name, content)| (name.into(), Version::of(format!("{name}={content}").as_bytes()).to_string()))
                .collect(),
            response_nonce: nonce,
            error_detail: error.map(status),
            ..Default::default()
        }
        .encode_to_vec();
        owned(self.stream.receive_delta(&DeltaRequest::parse(&request).unwrap()).unwrap())
    }

    /// A state-of-the-world request for `names` that follows the response with `nonce`.
    fn list(&mut self, kind: TypeUrl, names: &[&str], nonce: Option<Version>, error: Option<&str>) -> Outcome<'static> {
        let request = DiscoveryRequest {
            type_url: kind.as_str().into(),
            resource_names: names.iter().map(|name| (*name).into()).collect(),
            response_nonce: nonce.map(|nonce| nonce.to_string()).unwrap_or_default(),
            error_detail: error.map(status),
            ..Default::default()
        }
        .encode_to_vec();
        owned(self.stream.receive_sotw(&SotwRequest::parse(&request).unwrap()).unwrap())
    }

    fn ack(&mut self, kind: TypeUrl) -> Outcome<'static> {
        self.answer(kind, None)
    }

    fn nack(&mut self, kind: TypeUrl) -> Outcome<'static> {
        self.answer(kind, Some("bad"))
    }

    fn answer(&mut self, kind: TypeUrl, error: Option<&str>) -> Outcome<'static> {
        let nonce = self.last[kind as usize].unwrap();
        match self.stream.variant {
            Variant::Delta => self.delta_request(kind, &[], nonce.to_string(), error),
            Variant::Sotw => {
                let names: Vec<String> =
                    self.stream.channel(kind).subscription.names().iter().map(|name| (**name).to_owned()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.list(kind, &names, Some(nonce), error)
            }
        }
    }

    /// Everything the stream has to say about `view`, as `type: name=content -removed`.
    fn take(&mut self, view: &View) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(response) = self.stream.next(view) {
            self.last[response.kind as usize] = Some(response.nonce);
            let mut line = format!("{}:", response.kind.short());
            for resource in &response.resources {
                line += &format!(" {}", String::from_utf8_lossy(&resource.value));
            }
            for name in &response.removed {
                line += &format!(" -{name}");
            }
            said.push(line);
            assert!(said.len() < 20, "no end: {said:?}");
        }
        said
    }

    /// As `take`, and acknowledges everything until nothing more comes.
    fn settle(&mut self, view: &View) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let lines = self.take(view);
            if lines.is_empty() {
                return said;
            }
            for kind in TypeUrl::ALL.into_iter().filter(|kind| lines.iter().any(|l| l.starts_with(kind.short()))) {
                self.ack(kind);
            }
            said.extend(lines);
            assert!(said.len() < 40, "no end: {said:?}");
        }
    }
}

fn status(message: &str) -> google::rpc::Status {
    google::rpc::Status { code: 13, message: message.into(), details: vec![] }
}

fn owned(outcome: Outcome<'_>) -> Outcome<'static> {
    match outcome {
        Outcome::Nothing => Outcome::Nothing,
        Outcome::Acked { kind, version } => Outcome::Acked { kind, version },
        Outcome::Nacked { kind, version, message } => {
            assert_eq!(message, "bad");
            Outcome::Nacked { kind, version, message: "bad" }
        }
    }
}

const FIRST: &[(TypeUrl, &[&str])] = &[
    (Cluster, &["a=1", "b=1"]),
    (Endpoint, &["a=1", "b=1"]),
    (Secret, &["ca=1", "id=1"]),
    (Listener, &["in=1", "out=1"]),
    (Route, &["r=1"]),
];

/// A client of either protocol that has everything of `FIRST`.
fn connected(mut client: Client) -> (Client, View) {
    let first = view(FIRST);
    for (kind, names) in
        [(Cluster, &[][..]), (Endpoint, &["a", "b"]), (Secret, &["ca", "id"]), (Listener, &[]), (Route, &["r"])]
    {
        match client.stream.variant {
            Variant::Delta => {
                let words: Vec<String> = names.iter().map(|name| format!("+{name}")).collect();
                client.ask(kind, &words.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Variant::Sotw => drop(client.list(kind, names, None, None)),
        }
    }
    let said = client.settle(&first);
    assert_eq!(said, ["cds: a=1 b=1", "eds: a=1 b=1", "sds: ca=1 id=1", "lds: in=1 out=1", "rds: r=1"]);
    (client, first)
}

#[test]
fn nothing_is_said_before_the_view_is_ready() {
    let mut client = Client::delta();
    client.ask(Cluster, &[]);
    assert!(client.take(&View::default()).is_empty());
    assert_eq!(client.take(&view(&[])), ["cds:"]);
}

#[test]
fn nothing_is_said_twice() {
    for client in [Client::delta(), Client::sotw()] {
        let (mut client, first) = connected(client);
        assert!(client.settle(&first).is_empty());
        assert!(client.settle(&view(FIRST)).is_empty(), "an equal view that is not shared says nothing either");
    }
}

#[test]
fn delta_sends_the_changed_resource_alone() {
    let (mut client, mut changed) = connected(Client::delta());
    changed.set(Endpoint, Arc::new(changed.get(Endpoint).with(&resource(Endpoint, "b=2"))));
    assert_eq!(client.settle(&changed), ["eds: b=2"]);
}

#[test]
fn sotw_sends_named_types_in_part_and_wildcard_types_in_full() {
    let (mut client, mut changed) = connected(Client::sotw());
    changed.set(Endpoint, Arc::new(changed.get(Endpoint).with(&resource(Endpoint, "b=2"))));
    changed.set(Listener, Arc::new(changed.get(Listener).with(&resource(Listener, "in=2"))));
    assert_eq!(client.settle(&changed), ["eds: b=2", "lds: in=2 out=1"]);
}

#[test]
fn unwanted_names_are_not_sent() {
    let mut client = Client::delta();
    client.ask(Endpoint, &["+a"]);
    assert_eq!(client.settle(&view(FIRST)), ["eds: a=1"]);
    assert!(client.settle(&view(&[(Endpoint, &["a=1", "b=2"])])).is_empty());
}

#[test]
fn a_changed_cluster_is_followed_by_its_unchanged_endpoints() {
    let (mut delta, mut changed) = connected(Client::delta());
    let (mut sotw, _) = connected(Client::sotw());
    changed.set(Cluster, Arc::new(changed.get(Cluster).with(&resource(Cluster, "b=2"))));
    assert_eq!(delta.take(&changed), ["cds: b=2", "eds: b=1"]);
    assert_eq!(sotw.take(&changed), ["cds: a=1 b=2", "eds: b=1"]);
    // Envoy repeats its request with the nonce of before when it starts to wait for endpoints.
    let nonce = sotw.last[Endpoint as usize];
    sotw.list(Endpoint, &["a", "b"], nonce, None);
    sotw.list(Endpoint, &["a", "b"], nonce, None);
    assert!(sotw.take(&changed).is_empty());
}

#[test]
fn endpoints_follow_even_while_others_are_unacknowledged() {
    let (mut client, mut changed) = connected(Client::delta());
    changed.set(Endpoint, Arc::new(changed.get(Endpoint).with(&resource(Endpoint, "a=2"))));
    assert_eq!(client.take(&changed), ["eds: a=2"]);
    changed.set(Cluster, Arc::new(changed.get(Cluster).with(&resource(Cluster, "b=2"))));
    assert_eq!(client.take(&changed), ["cds: b=2", "eds: b=1"]);
}

#[test]
fn listeners_and_routes_wait_for_clusters() {
    for client in [Client::delta(), Client::sotw()] {
        let (mut client, _) = connected(client);
        let changed = view(&[
            (Cluster, &["a=1", "b=1", "c=1"]),
            (Endpoint, &["a=1", "b=1", "c=1"]),
            (Secret, &["ca=1", "id=2"]),
            (Listener, &["in=1", "out=2"]),
            (Route, &["r=2"]),
        ]);
        let said = client.take(&changed);
        assert!(said[0].starts_with("cds:"), "{said:?}");
        assert_eq!(said[1..], ["sds: id=2"]);
        assert!(matches!(client.ack(Cluster), Outcome::Acked { kind: Cluster, .. }));
        let said = client.take(&changed);
        assert!(said[0].starts_with("lds:"), "{said:?}");
        assert_eq!(said[1..], ["rds: r=2"]);
    }
}

#[test]
fn clusters_leave_last() {
    let fewer = view(&[
        (Cluster, &["a=1"]),
        (Endpoint, &["a=1"]),
        (Secret, &["ca=1", "id=1"]),
        (Listener, &["out=2"]),
        (Route, &["r=2"]),
    ]);
    let (mut delta, _) = connected(Client::delta());
    assert_eq!(delta.take(&fewer), ["lds: out=2 -in", "rds: r=2"]);
    delta.ack(Listener);
    assert!(delta.take(&fewer).is_empty(), "the route may still use the cluster");
    delta.ack(Route);
    assert_eq!(delta.take(&fewer), ["cds: -b"]);
    delta.ask(Endpoint, &["-b"]);
    delta.ack(Cluster);
    assert!(delta.take(&fewer).is_empty(), "the client let go of the endpoints itself");

    let (mut sotw, _) = connected(Client::sotw());
    assert_eq!(sotw.take(&fewer), ["cds: a=1 b=1"]);
    sotw.ack(Cluster);
    assert_eq!(sotw.take(&fewer), ["lds: out=2", "rds: r=2"]);
    sotw.ack(Listener);
    sotw.ack(Route);
    assert_eq!(sotw.take(&fewer), ["cds: a=1"]);
}

#[test]
fn a_cluster_that_comes_back_does_not_leave() {
    let (mut client, first) = connected(Client::delta());
    let without = view(&[(Cluster, &["a=1"]), (Listener, &["in=2", "out=1"]), (Route, &["r=1"])]);
    assert_eq!(client.take(&without), ["lds: in=2"]);
    assert_eq!(client.take(&first), ["cds: b=1", "eds: a=1 b=1", "sds: ca=1 id=1"]);
    assert_eq!(client.settle(&first), Vec::<String>::new());
}

#[test]
fn endpoints_that_stay_wanted_are_removed() {
    let (mut client, _) = connected(Client::delta());
    let without = view(&[
        (Cluster, &["a=1", "b=1"]),
        (Endpoint, &["a=1"]),
        (Secret, &["ca=1", "id=1"]),
        (Listener, &["in=1", "out=1"]),
        (Route, &["r=1"]),
    ]);
    assert_eq!(client.settle(&without), ["eds: -b"]);
}

#[test]
fn routes_and_secrets_are_never_removed() {
    let (mut client, _) = connected(Client::delta());
    let without = view(&[(Cluster, &["a=1", "b=1"]), (Endpoint, &["a=1", "b=1"]), (Listener, &["in=1", "out=1"])]);
    assert!(client.settle(&without).is_empty());
    client.ask(Route, &["+r", "+unknown"]);
    client.ask(Secret, &["+ca", "+unknown"]);
    assert!(client.settle(&without).is_empty());
    assert_eq!(client.settle(&view(FIRST)), ["sds: ca=1 id=1", "rds: r=1"]);
}

#[test]
fn an_unknown_name_of_another_type_is_answered() {
    let (mut client, first) = connected(Client::delta());
    client.ask(Endpoint, &["+new"]);
    client.ask(Cluster, &["+new"]);
    assert_eq!(client.settle(&first), ["cds: -new", "eds: -new"]);
}

#[test]
fn a_repeated_subscription_is_answered_again() {
    let (mut client, first) = connected(Client::delta());
    client.ask(Endpoint, &["-a"]);
    client.ask(Endpoint, &["+a"]);
    assert_eq!(client.settle(&first), ["eds: a=1"]);
    client.ask(Cluster, &["+*"]);
    assert_eq!(client.settle(&first), ["cds: a=1 b=1", "eds: a=1 b=1"]);

    let (mut client, first) = connected(Client::sotw());
    client.list(Endpoint, &["a", "b"], None, None);
    assert_eq!(client.settle(&first), ["eds: a=1 b=1"]);
}

#[test]
fn a_name_under_a_wildcard_can_be_let_go() {
    let (mut client, first) = connected(Client::delta());
    client.ask(Cluster, &["+a"]);
    assert_eq!(client.settle(&first), ["cds: a=1", "eds: a=1"]);
    client.ask(Cluster, &["-a"]);
    assert_eq!(client.settle(&first), ["cds: a=1", "eds: a=1"], "the wildcard still wants it");
    client.ask(Cluster, &["-*"]);
    let mut changed = first;
    changed.set(Cluster, Arc::new(changed.get(Cluster).with(&resource(Cluster, "a=2"))));
    assert!(client.settle(&changed).is_empty());
}

#[test]
fn new_names_of_sotw_are_answered_alone() {
    let mut client = Client::sotw();
    let first = view(FIRST);
    client.list(Secret, &["id"], None, None);
    assert_eq!(client.take(&first), ["sds: id=1"]);
    let nonce = client.last[Secret as usize];
    assert!(matches!(client.list(Secret, &["id", "ca"], nonce, None), Outcome::Acked { .. }));
    assert_eq!(client.settle(&first), ["sds: ca=1"]);
}

#[test]
fn stale_answers_are_ignored() {
    let mut client = Client::sotw();
    let first = view(FIRST);
    client.list(Secret, &["id"], None, None);
    client.take(&first);
    let stale = client.last[Secret as usize];
    // A second request before the first response came.
    client.list(Secret, &["id", "ca"], None, None);
    assert_eq!(client.take(&first), ["sds: ca=1 id=1"]);
    assert_eq!(client.list(Secret, &["id"], stale, Some("bad")), Outcome::Nothing);
    assert!(client.take(&first).is_empty());
    assert!(matches!(client.ack(Secret), Outcome::Acked { .. }));
    assert_eq!(client.ack(Secret), Outcome::Nothing, "a second acknowledgement is not one");

    let (mut client, mut changed) = connected(Client::delta());
    let stale = client.last[Endpoint as usize].unwrap().to_string();
    changed.set(Endpoint, Arc::new(changed.get(Endpoint).with(&resource(Endpoint, "b=2"))));
    client.take(&changed);
    assert_eq!(client.delta_request(Endpoint, &["+a"], stale, None), Outcome::Nothing);
    assert_eq!(client.take(&changed), ["eds: a=1"], "but what it subscribes to counts");
}

#[test]
fn a_rejected_version_is_not_sent_again() {
    for client in [Client::delta(), Client::sotw()] {
        let (mut client, mut changed) = connected(client);
        changed.set(Listener, Arc::new(changed.get(Listener).with(&resource(Listener, "in=bad"))));
        client.take(&changed);
        assert!(matches!(client.nack(Listener), Outcome::Nacked { kind: Listener, message: "bad", .. }));
        assert!(client.take(&changed).is_empty());
        changed.set(Listener, Arc::new(changed.get(Listener).with(&resource(Listener, "in=good"))));
        let said = client.settle(&changed);
        assert!(said[0].contains("in=good"), "{said:?}");
    }
}

#[test]
fn a_rejected_listener_keeps_its_clusters() {
    let (mut client, _) = connected(Client::delta());
    let sets: [(TypeUrl, &[&str]); 5] = [
        (Cluster, &["a=1"]),
        (Endpoint, &["a=1", "b=1"]),
        (Secret, &["ca=1", "id=1"]),
        (Listener, &["in=bad", "out=1"]),
        (Route, &["r=1"]),
    ];
    let bad = view(&sets);
    assert_eq!(client.take(&bad), ["lds: in=bad"]);
    client.nack(Listener);
    assert!(client.settle(&bad).is_empty());
    let mut good = bad;
    good.set(Listener, Arc::new(good.get(Listener).with(&resource(Listener, "in=3"))));
    assert_eq!(client.settle(&good), ["lds: in=3", "cds: -b"]);
}

#[test]
fn changes_between_acknowledgements_are_sent_as_one() {
    let (mut client, mut changed) = connected(Client::delta());
    for content in ["b=2", "b=3", "b=4"] {
        changed.set(Endpoint, Arc::new(changed.get(Endpoint).with(&resource(Endpoint, content))));
        let said = client.take(&changed);
        assert_eq!(said.is_empty(), content != "b=2", "{said:?}");
    }
    client.ack(Endpoint);
    assert_eq!(client.take(&changed), ["eds: b=4"]);
}

#[test]
fn a_delta_client_that_reconnects_is_told_the_difference() {
    let mut client = Client::delta();
    let now = view(&[(Cluster, &["a=2", "b=1", "c=1"]), (Endpoint, &["a=1", "b=1"]), (Listener, &["in=1"])]);
    client.ask(Cluster, &["a@1", "b@1", "old@1"]);
    client.ask(Endpoint, &["+a", "+b", "a@1", "b@1"]);
    assert_eq!(client.take(&now), ["cds: a=2 c=1", "eds: a=1 b=1"], "explicit names are answered in any case");
    client.ack(Cluster);
    client.ask(Listener, &["+*", "in@1", "gone@1"]);
    assert_eq!(client.take(&now), ["lds: -gone"]);
    client.ack(Listener);
    assert_eq!(client.take(&now), ["cds: -old"]);
}

#[test]
fn a_delta_client_that_has_everything_gets_an_answer() {
    let mut client = Client::delta();
    client.ask(Cluster, &["a@1", "b@1"]);
    assert_eq!(client.take(&view(FIRST)), ["cds:"]);
}

#[test]
fn sotw_names_can_be_dropped_and_taken_up_again() {
    let (mut client, first) = connected(Client::sotw());
    let nonce = client.last[Endpoint as usize];
    client.list(Endpoint, &["b"], nonce, None);
    assert!(client.take(&first).is_empty());
    client.list(Endpoint, &["a", "b"], nonce, None);
    assert_eq!(client.settle(&first), ["eds: a=1"]);
}

#[test]
fn a_type_that_is_not_served_is_ignored() {
    let mut stream = Stream::new(Variant::Delta);
    let request = DeltaDiscoveryRequest {
        type_url: "type.googleapis.com/envoy.service.runtime.v3.Runtime".into(),
        resource_names_subscribe: vec!["layer".into()],
        ..Default::default()
    }
    .encode_to_vec();
    assert_eq!(stream.receive_delta(&DeltaRequest::parse(&request).unwrap()).unwrap(), Outcome::Nothing);
    assert!(stream.next(&view(FIRST)).is_none());
}

#[test]
fn subscriptions_are_bounded() {
    let request = |from: usize| {
        DeltaDiscoveryRequest {
            type_url: Endpoint.as_str().into(),
            resource_names_subscribe: (from..from + MAX_NAMES / 2 + 1).map(|i| i.to_string()).collect(),
            ..Default::default()
        }
        .encode_to_vec()
    };
    let mut stream = Stream::new(Variant::Delta);
    stream.receive_delta(&DeltaRequest::parse(&request(0)).unwrap()).unwrap();
    let error = stream.receive_delta(&DeltaRequest::parse(&request(MAX_NAMES)).unwrap()).unwrap_err();
    assert_eq!(error.code, Code::ResourceExhausted);
}

#[test]
fn subscribed_names_are_shared_with_the_view() {
    let (mut client, first) = connected(Client::delta());
    let names = client.stream.channel(Endpoint).subscription.names();
    for name in names {
        assert!(Arc::ptr_eq(name, &first.get(Endpoint).get(name).unwrap().name));
    }
}
