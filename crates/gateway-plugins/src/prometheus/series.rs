//! Numbers of requests, by route and consumer.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use gateway_model::typed::{Consumer, Route, Service};
use gateway_proxy::pdk::{Context, Outcome, Source};
use parking_lot::Mutex;

use super::Wanted;
use super::exposition::Text;

/// Upper bounds of the gateway's own latencies, milliseconds.
const OWN_BUCKETS: [u32; 17] = [1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000];

/// Upper bounds of latencies that have the upstream in them.
const UPSTREAM_BUCKETS: [u32; 13] = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// How many routes and consumers a worker remembers; then it forgets all and begins anew.
const REMEMBERED: usize = 4096;

/// The most series. What comes beyond them is not counted, so that labels cannot fill the memory.
const SERIES_LIMIT: usize = 100_000;

/// All series.
#[derive(Debug, Default)]
pub(super) struct Series {
    requests: Mutex<BTreeMap<RequestLabels, Arc<AtomicU64>>>,
    bandwidth: Mutex<BTreeMap<ConsumerLabels, Arc<Bandwidth>>>,
    latencies: Mutex<BTreeMap<RouteLabels, Arc<Latencies>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RouteLabels {
    service: Box<str>,
    route: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ConsumerLabels {
    route: RouteLabels,
    consumer: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RequestLabels {
    of: ConsumerLabels,
    status: u16,
    source: &'static str,
}

#[derive(Debug, Default)]
struct Bandwidth {
    ingress: AtomicU64,
    egress: AtomicU64,
}

#[derive(Debug)]
struct Latencies {
    own: Histogram<{ OWN_BUCKETS.len() }>,
    upstream: Histogram<{ UPSTREAM_BUCKETS.len() }>,
    request: Histogram<{ UPSTREAM_BUCKETS.len() }>,
}

#[derive(Debug)]
struct Histogram<const N: usize> {
    bounds: &'static [u32; N],
    /// How many were not above each bound, and not in a bucket before.
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    /// Microseconds.
    sum: AtomicU64,
}

thread_local! {
    static KNOWN: RefCell<HashMap<Key, Known, RandomState>> = RefCell::default();
}

/// What a worker finds its numbers by: addresses of values that the entry keeps.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    series: usize,
    service: usize,
    route: usize,
    consumer: usize,
}

/// Values whose addresses are in a key, so that no others take these addresses.
type Kept = (Arc<Series>, Option<Arc<Service>>, Option<Arc<Route>>, Option<Arc<Consumer>>);

/// A worker's way to the numbers of a route and a consumer.
struct Known {
    labels: ConsumerLabels,
    statuses: Vec<(u16, Source, Option<Arc<AtomicU64>>)>,
    bandwidth: Option<Arc<Bandwidth>>,
    latencies: Option<Arc<Latencies>>,
    _kept: Kept,
}

/// Counts an exchange.
pub(super) fn count(series: &Arc<Series>, wanted: Wanted, context: &Context, outcome: &Outcome<'_>) {
    fn address<T>(value: Option<&Arc<T>>) -> usize {
        value.map_or(0, |value| Arc::as_ptr(value).addr())
    }
    // What no route matched belongs to nothing that could be named.
    if context.route.is_none() {
        return;
    }
    let consumer = context.consumer.as_ref().filter(|_| wanted.consumers);
    let key = Key {
        series: Arc::as_ptr(series).addr(),
        service: address(context.service.as_ref()),
        route: address(context.route.as_ref()),
        consumer: address(consumer),
    };
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= REMEMBERED && !known.contains_key(&key) {
            known.clear();
        }
        let entry = known.entry(key).or_insert_with(|| Known::new(series, context, consumer));
        if wanted.statuses {
            entry.status(series, outcome.response.status, context.source);
        }
        if wanted.bandwidth {
            entry.bandwidth(series, outcome);
        }
        if wanted.latencies {
            entry.latencies(series, outcome);
        }
    });
}

impl Known {
    fn new(series: &Arc<Series>, context: &Context, consumer: Option<&Arc<Consumer>>) -> Self {
        let service = context.service.as_deref().map_or("", |service| service.name.as_deref().unwrap_or(&service.host));
        let route = context.route.as_deref().map_or("", |route| route.name.as_deref().unwrap_or(&route.id));
        let name = consumer.and_then(|consumer| consumer.username.as_deref()).unwrap_or_default();
        Self {
            labels: ConsumerLabels {
                route: RouteLabels { service: service.into(), route: route.into() },
                consumer: name.into(),
            },
            statuses: Vec::new(),
            bandwidth: None,
            latencies: None,
            _kept: (Arc::clone(series), context.service.clone(), context.route.clone(), consumer.cloned()),
        }
    }

    fn status(&mut self, series: &Series, status: u16, source: Source) {
        let known = self.statuses.iter().find(|(code, from, _)| *code == status && *from == source);
        let counter = match known {
            Some((_, _, counter)) => counter.clone(),
            None => {
                let source_name = if source == Source::Service { "service" } else { "kong" };
                let labels = RequestLabels { of: self.labels.clone(), status, source: source_name };
                let counter = take(&series.requests, labels, Arc::default);
                self.statuses.push((status, source, counter.clone()));
                counter
            }
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn bandwidth(&mut self, series: &Series, outcome: &Outcome<'_>) {
        if self.bandwidth.is_none() {
            self.bandwidth = take(&series.bandwidth, self.labels.clone(), Arc::default);
        }
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.ingress.fetch_add(outcome.request_size, Ordering::Relaxed);
            bandwidth.egress.fetch_add(outcome.response_size, Ordering::Relaxed);
        }
    }

    fn latencies(&mut self, series: &Series, outcome: &Outcome<'_>) {
        if self.latencies.is_none() {
            self.latencies = take(&series.latencies, self.labels.route.clone(), Arc::default);
        }
        if let Some(latencies) = &self.latencies {
            latencies.own.observe(outcome.latencies.kong);
            latencies.upstream.observe(outcome.latencies.proxy);
            latencies.request.observe(outcome.latencies.request);
        }
    }
}

/// The value of these labels, made if there is room.
fn take<K: Ord, V>(map: &Mutex<BTreeMap<K, Arc<V>>>, labels: K, make: fn() -> Arc<V>) -> Option<Arc<V>> {
    let mut map = map.lock();
    if let Some(value) = map.get(&labels) {
        return Some(Arc::clone(value));
    }
    (map.len() < SERIES_LIMIT).then(|| Arc::clone(map.entry(labels).or_insert_with(make)))
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            own: Histogram::new(&OWN_BUCKETS),
            upstream: Histogram::new(&UPSTREAM_BUCKETS),
            request: Histogram::new(&UPSTREAM_BUCKETS),
        }
    }
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: &'static [u32; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Adds a latency in milliseconds. A negative one stands for none.
    fn observe(&self, latency: f64) {
        if latency.is_nan() || latency < 0.0 {
            return;
        }
        let at = self.bounds.partition_point(|bound| f64::from(*bound) < latency);
        self.counts.get(at).unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add((latency * 1000.0) as u64, Ordering::Relaxed);
    }

    fn write(&self, name: &str, labels: &RouteLabels, text: &mut Text) {
        let labels = labels.pairs();
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (bound, in_bucket) in self.bounds.iter().zip(&self.counts) {
            count += in_bucket.load(Ordering::Relaxed);
            let bound = bound.to_string();
            let [service, route, workspace] = labels;
            text.value(&bucket, &[service, route, workspace, ("le", &bound)], count);
        }
        count += self.beyond.load(Ordering::Relaxed);
        let [service, route, workspace] = labels;
        text.value(&bucket, &[service, route, workspace, ("le", "+Inf")], count);
        text.value(&format!("{name}_count"), &labels, count);
        text.value(&format!("{name}_sum"), &labels, self.sum.load(Ordering::Relaxed) as f64 / 1000.0);
    }
}

impl RouteLabels {
    fn pairs(&self) -> [(&'static str, &str); 3] {
        [("service", &self.service), ("route", &self.route), ("workspace", "default")]
    }
}

impl Series {
    /// Writes what was counted.
    pub(super) fn write(&self, text: &mut Text) {
        self.write_requests(text);
        self.write_bandwidth(text);
        let latencies: Vec<_> =
            self.latencies.lock().iter().map(|(labels, value)| (labels.clone(), Arc::clone(value))).collect();
        if latencies.is_empty() {
            return;
        }
        let name = "kong_kong_latency_ms";
        text.metric(name, "histogram", "Latency added by Kong and enabled plugins for each service/route in Kong");
        latencies.iter().for_each(|(labels, value)| value.own.write(name, labels, text));
        let name = "kong_request_latency_ms";
        text.metric(name, "histogram", "Total latency incurred during requests for each service/route in Kong");
        latencies.iter().for_each(|(labels, value)| value.request.write(name, labels, text));
        let name = "kong_upstream_latency_ms";
        text.metric(name, "histogram", "Latency added by upstream response for each service/route in Kong");
        latencies.iter().for_each(|(labels, value)| value.upstream.write(name, labels, text));
    }

    fn write_requests(&self, text: &mut Text) {
        let requests = self.requests.lock();
        if requests.is_empty() {
            return;
        }
        let name = "kong_http_requests_total";
        text.metric(name, "counter", "HTTP status codes per consumer/service/route in Kong");
        for (labels, count) in &*requests {
            let [service, route, workspace] = labels.of.route.pairs();
            let (code, consumer) = (labels.status.to_string(), ("consumer", &*labels.of.consumer));
            let labels = [service, route, ("code", &*code), ("source", labels.source), workspace, consumer];
            text.value(name, &labels, count.load(Ordering::Relaxed));
        }
    }

    fn write_bandwidth(&self, text: &mut Text) {
        let bandwidth = self.bandwidth.lock();
        if bandwidth.is_empty() {
            return;
        }
        let name = "kong_bandwidth_bytes";
        text.metric(name, "counter", "Total bandwidth (ingress/egress) throughput in bytes");
        for (labels, value) in &*bandwidth {
            for (direction, bytes) in [("egress", &value.egress), ("ingress", &value.ingress)] {
                let [service, route, workspace] = labels.route.pairs();
                let pairs = [service, route, ("direction", direction), workspace, ("consumer", &*labels.consumer)];
                text.value(name, &pairs, bytes.load(Ordering::Relaxed));
            }
        }
    }
}
