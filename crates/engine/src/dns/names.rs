//! The cache, as everybody but the service sees it.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use base::Clock;
use tokio::sync::{mpsc, watch};

use super::hosts::Hosts;
use super::resolve::Client;
use super::{Answer, DnsError, Endpoint, Record, Service, Settings, SetupError, literal};

/// Maps of a part of the names each, so that a new name copies little.
const SHARDS: usize = 64;
/// Names that wait for the service to take them up.
const WAITING: usize = 4096;
/// Longer texts are no host names.
const NAME_LIMIT: usize = 255;

type Shard = HashMap<Arc<str>, Arc<Entry>, foldhash::fast::FixedState>;

/// Addresses of names. Cheap to ask from any thread.
pub struct Names {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: foldhash::fast::FixedState,
    hosts: Hosts,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    requests: mpsc::Sender<Arc<Entry>>,
    turn: AtomicUsize,
}

/// One name.
pub(super) struct Entry {
    pub(super) name: Arc<str>,
    known: ArcSwapOption<Known>,
    /// Counts answers, new or not.
    resolved: watch::Sender<u64>,
    /// Whether the service has been asked.
    pub(super) pending: AtomicBool,
    /// Whether the service has a time to ask for it again.
    pub(super) scheduled: AtomicBool,
    subscribers: AtomicUsize,
}

/// The last result. Times are milliseconds of the clock.
#[derive(Clone, Debug)]
struct Known {
    result: Result<Arc<Answer>, DnsError>,
    record: Option<Record>,
    /// Good until then without a question.
    fresh_until: i64,
    /// Given until then while a new one is fetched.
    usable_until: i64,
}

impl Names {
    /// The cache and the service that fills it, which has to be run for anything to be resolved.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<(Arc<Self>, Service), SetupError> {
        let client = Client::new(&settings)?;
        let hosts = Hosts::read(&settings.hosts)?;
        let (requests, receiver) = mpsc::channel(WAITING);
        let names = Arc::new(Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: foldhash::fast::FixedState::default(),
            hosts,
            settings,
            clock,
            requests,
            turn: AtomicUsize::new(0),
        });
        let service = Service::new(&names, client, receiver);
        Ok((names, service))
    }

    /// An address for the host: at once for an address or a name that is known, else when it has been resolved.
    /// Several addresses are given by turns. The port of an SRV record goes before `port`.
    pub async fn lookup(&self, host: &str, port: u16) -> Result<SocketAddr, DnsError> {
        match self.cached(host, port) {
            Some(result) => result,
            None => self.choose(&*self.resolve(host).await?, port),
        }
    }

    /// What [`Self::lookup`] knows without waiting. Takes no lock.
    pub fn cached(&self, host: &str, port: u16) -> Option<Result<SocketAddr, DnsError>> {
        if let Some(ip) = literal(host) {
            return Some(Ok(SocketAddr::new(ip, port)));
        }
        let entry = self.find(host)?;
        let known = entry.known.load();
        let known = known.as_ref()?;
        let now = self.now();
        if now >= known.usable_until {
            return None;
        }
        if now >= known.fresh_until {
            self.request(&entry);
        }
        Some(known.result.as_ref().map_err(Clone::clone).and_then(|answer| self.choose(answer, port)))
    }

    /// All that is known of the host, resolved first if need be.
    pub async fn resolve(&self, host: &str) -> Result<Arc<Answer>, DnsError> {
        if let Some(ip) = literal(host) {
            let record = if ip.is_ipv4() { Record::A } else { Record::Aaaa };
            return Ok(Arc::new(Answer { record: record.as_str(), endpoints: vec![Endpoint::of(ip)] }));
        }
        let entry = self.entry(host)?;
        let mut resolved = entry.resolved.subscribe();
        let now = self.now();
        if let Some(known) = &*entry.known.load()
            && now < known.usable_until
        {
            if now >= known.fresh_until {
                self.request(&entry);
            }
            return known.result.clone();
        }
        if !self.request(&entry) {
            return Err(DnsError::Overloaded);
        }
        // The entry is in our hands, so that its sender cannot be gone; the service may be.
        tokio::select! {
            _ = resolved.changed() => {}
            () = self.requests.closed() => return Err(DnsError::Overloaded),
        }
        entry.known.load().as_ref().map_or(Err(DnsError::Overloaded), |known| known.result.clone())
    }

    /// Keeps the host's addresses up to date for as long as the subscription is kept.
    pub fn subscribe(self: &Arc<Self>, host: &str) -> Result<Subscription, DnsError> {
        let entry = match literal(host) {
            // Known for ever, and not in the cache.
            Some(ip) => {
                let entry = Entry::new(host.into());
                let record = if ip.is_ipv4() { Record::A } else { Record::Aaaa };
                let answer = Answer { record: record.as_str(), endpoints: vec![Endpoint::of(ip)] };
                entry.set(Ok(Arc::new(answer)), Some(record), i64::MAX, i64::MAX);
                Arc::new(entry)
            }
            None => self.entry(host)?,
        };
        entry.subscribers.fetch_add(1, Ordering::AcqRel);
        let subscription = Subscription { resolved: entry.resolved.subscribe(), entry: Arc::clone(&entry), seen: None };
        // Asked for even if it is known: the service then knows to keep it fresh.
        if literal(host).is_none() && !self.request(&entry) {
            return Err(DnsError::Overloaded);
        }
        Ok(subscription)
    }

    fn choose(&self, answer: &Answer, port: u16) -> Result<SocketAddr, DnsError> {
        let all = || answer.endpoints.iter().flat_map(|e| e.ips.iter().map(move |&ip| (ip, e.port.unwrap_or(port))));
        let count = all().count();
        if count == 0 {
            return Err(DnsError::Empty);
        }
        let turn = if count == 1 { 0 } else { self.turn.fetch_add(1, Ordering::Relaxed) % count };
        all().nth(turn).map(SocketAddr::from).ok_or(DnsError::Empty)
    }

    /// Has the service resolve it, unless it is at it already. Whether it could be asked.
    fn request(&self, entry: &Arc<Entry>) -> bool {
        if entry.pending.swap(true, Ordering::AcqRel) {
            return true;
        }
        let asked = self.requests.try_send(Arc::clone(entry)).is_ok();
        if !asked {
            entry.pending.store(false, Ordering::Release);
        }
        asked
    }

    fn find(&self, host: &str) -> Option<Arc<Entry>> {
        let shard = self.shard(host).load();
        if let Some(entry) = shard.get(host) {
            return Some(Arc::clone(entry));
        }
        let lower = host.bytes().any(|b| b.is_ascii_uppercase() || b == b'.').then(|| normal(host))?;
        if *lower == *host {
            return None;
        }
        self.shard(&lower).load().get(&*lower).cloned()
    }

    fn entry(&self, host: &str) -> Result<Arc<Entry>, DnsError> {
        if let Some(entry) = self.find(host) {
            return Ok(entry);
        }
        let name = normal(host);
        if name.is_empty() || name.len() > NAME_LIMIT || name.bytes().any(|b| b.is_ascii_control() || b == b' ') {
            return Err(DnsError::Invalid);
        }
        let fresh = Arc::new(Entry::new(name.as_str().into()));
        let limit = (self.settings.cache_size / SHARDS).max(1);
        let mut entry = Arc::clone(&fresh);
        self.shard(&name).rcu(|shard| {
            let mut next = Shard::clone(shard);
            entry = Arc::clone(next.entry(Arc::clone(&fresh.name)).or_insert_with(|| Arc::clone(&fresh)));
            evict(&mut next, &fresh.name, limit);
            next
        });
        Ok(entry)
    }

    fn shard(&self, host: &str) -> &ArcSwap<Shard> {
        use std::hash::BuildHasher;
        &self.shards[(self.hasher.hash_one(host) >> 32) as usize % SHARDS]
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// From the hosts file.
    pub(super) fn listed(&self, name: &str) -> Option<Answer> {
        self.hosts.find(name, &self.settings.order)
    }

    /// Takes in what the service found out, and says when to ask again for those who subscribed.
    pub(super) fn store(&self, entry: &Entry, found: super::resolve::Found) -> Option<Duration> {
        let now = self.now();
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4);
        let settings = &self.settings;
        let again = match found {
            Ok((answer, record, ttl)) => {
                let ttl = settings.valid_ttl.unwrap_or(ttl);
                // Without a time to live it is asked for each time, so it never is stale.
                let stale = if ttl.is_zero() { Duration::ZERO } else { settings.stale_ttl };
                let fresh_until = now.saturating_add(millis(ttl));
                entry.set(Ok(Arc::new(answer)), Some(record), fresh_until, fresh_until.saturating_add(millis(stale)));
                ttl
            }
            Err(error) => {
                tracing::debug!(name = &*entry.name, %error, "Cannot resolve a name");
                self.store_error(entry, error, now);
                settings.retry
            }
        };
        (entry.subscribers.load(Ordering::Acquire) > 0).then_some(again)
    }

    fn store_error(&self, entry: &Entry, error: DnsError, now: i64) {
        let settings = &self.settings;
        let ttl = if error.is_absent() { settings.not_found_ttl } else { settings.error_ttl };
        let until = now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 4));
        let old = entry.known.load_full();
        match old {
            // A failing name server does not take away what is known.
            Some(old) if old.result.is_ok() && !error.is_absent() && now < old.usable_until => {
                let fresh_until = until.min(old.usable_until);
                entry.set(old.result.clone(), old.record, fresh_until, old.usable_until);
            }
            old => entry.set(Err(error), old.and_then(|o| o.record), until, until),
        }
    }
}

/// As names are kept: lower case, without the dot at the end.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Makes room: the names whose answers end first go, those that someone subscribed or waits for stay.
fn evict(shard: &mut Shard, keep: &str, limit: usize) {
    while shard.len() > limit {
        let removable = shard.values().filter(|e| {
            &*e.name != keep && e.subscribers.load(Ordering::Acquire) == 0 && !e.pending.load(Ordering::Acquire)
        });
        let first = removable.min_by_key(|e| e.known.load().as_ref().map_or(0, |k| k.usable_until));
        let Some(name) = first.map(|e| Arc::clone(&e.name)) else { return };
        shard.remove(&name);
    }
}

impl Entry {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            known: ArcSwapOption::empty(),
            resolved: watch::Sender::new(0),
            pending: AtomicBool::new(false),
            scheduled: AtomicBool::new(false),
            subscribers: AtomicUsize::new(0),
        }
    }

    fn set(&self, result: Result<Arc<Answer>, DnsError>, record: Option<Record>, fresh_until: i64, usable_until: i64) {
        self.known.store(Some(Arc::new(Known { result, record, fresh_until, usable_until })));
        self.pending.store(false, Ordering::Release);
        self.resolved.send_modify(|count| *count += 1);
    }

    /// The type that was successful last.
    pub(super) fn last(&self) -> Option<Record> {
        self.known.load().as_ref().and_then(|known| known.record)
    }

    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribers.load(Ordering::Acquire) > 0
    }
}

/// A name that is kept up to date.
pub struct Subscription {
    entry: Arc<Entry>,
    resolved: watch::Receiver<u64>,
    seen: Option<Result<Arc<Answer>, DnsError>>,
}

impl Subscription {
    /// What is known; None before the first answer.
    pub fn current(&self) -> Option<Result<Arc<Answer>, DnsError>> {
        self.entry.known.load().as_ref().map(|known| known.result.clone())
    }

    /// Waits for a result other than the last one this method gave. Can be given up and called again.
    pub async fn changed(&mut self) -> Result<Arc<Answer>, DnsError> {
        loop {
            self.resolved.borrow_and_update();
            let current = self.current();
            if let Some(result) = current.filter(|c| Some(c) != self.seen.as_ref()) {
                self.seen = Some(result.clone());
                return result;
            }
            if self.resolved.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.entry.subscribers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("name", &self.entry.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("settings", &self.settings).finish_non_exhaustive()
    }
}
