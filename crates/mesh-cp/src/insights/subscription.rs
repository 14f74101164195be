//! One stream of one proxy, counted.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use proto::TypeUrl;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A subscription: from connect to disconnect.
#[derive(Debug)]
pub struct Subscription {
    id: Uuid,
    instance: String,
    generation: u64,
    connected: Timestamp,
    version: Value,
    disconnected: Mutex<Option<Timestamp>>,
    /// Milliseconds since the epoch; 0 before the first message.
    updated: AtomicI64,
    counters: [Counters; TypeUrl::ALL.len()],
    rejection: Mutex<Option<Rejection>>,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    rejected: AtomicU64,
}

#[derive(Debug)]
struct Rejection {
    kind: TypeUrl,
    message: String,
}

impl Subscription {
    pub(super) fn new(instance: String, generation: u64, connected: Timestamp, version: Value) -> Self {
        Self {
            id: Uuid::new_v4(),
            instance,
            generation,
            connected,
            version,
            disconnected: Mutex::new(None),
            updated: AtomicI64::new(0),
            counters: Default::default(),
            rejection: Mutex::new(None),
        }
    }

    /// Counts a response.
    pub fn sent(&self, kind: TypeUrl, now: Timestamp) {
        self.counters[kind as usize].sent.fetch_add(1, Ordering::Relaxed);
        self.touch(now);
    }

    /// Counts an ACK.
    pub fn acknowledged(&self, kind: TypeUrl, now: Timestamp) {
        self.counters[kind as usize].acknowledged.fetch_add(1, Ordering::Relaxed);
        self.touch(now);
    }

    /// Counts a NACK and keeps its words.
    pub fn rejected(&self, kind: TypeUrl, message: &str, now: Timestamp) {
        self.counters[kind as usize].rejected.fetch_add(1, Ordering::Relaxed);
        *self.rejection.lock() = Some(Rejection { kind, message: message.to_owned() });
        self.touch(now);
    }

    fn touch(&self, now: Timestamp) {
        self.updated.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// When the last message was counted, in milliseconds since the epoch.
    pub(super) fn updated(&self) -> i64 {
        self.updated.load(Ordering::Relaxed)
    }

    /// Whether the stream is still there.
    pub fn is_open(&self) -> bool {
        self.disconnected.lock().is_none()
    }

    pub(super) fn close(&self, now: Timestamp) {
        self.disconnected.lock().get_or_insert(now);
    }

    /// The subscription as the API shows it.
    pub(super) fn render(&self) -> Value {
        let mut subscription = json!({
            "id": self.id.to_string(),
            "controlPlaneInstanceId": self.instance,
            "connectTime": self.connected.to_string(),
            "generation": self.generation,
            "status": self.status(),
        });
        if let Some(at) = *self.disconnected.lock() {
            subscription["disconnectTime"] = json!(at.to_string());
        }
        if !self.version.is_null() {
            subscription["version"] = self.version.clone();
        }
        subscription
    }

    fn status(&self) -> Value {
        let mut status = Map::new();
        let updated = self.updated();
        if let (1.., Ok(at)) = (updated, Timestamp::from_millisecond(updated)) {
            status.insert("lastUpdateTime".to_owned(), json!(at.to_string()));
        }
        let mut total = [0; 3];
        for kind in TypeUrl::ALL {
            let counts = self.counters[kind as usize].load();
            total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            // The reference has no counters for secrets; they are part of the total.
            if kind != TypeUrl::Secret {
                status.insert(kind.short().to_owned(), render(counts));
            }
        }
        status.insert("total".to_owned(), render(total));
        if let Some(rejection) = &*self.rejection.lock() {
            let rejection = json!({ "type": rejection.kind.short(), "message": rejection.message });
            status.insert("lastRejection".to_owned(), rejection);
        }
        Value::Object(status)
    }
}

impl Counters {
    fn load(&self) -> [u64; 3] {
        [&self.sent, &self.acknowledged, &self.rejected].map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// 64-bit numbers are strings in protobuf's JSON, and zeros are left out.
fn render(counts: [u64; 3]) -> Value {
    let names = ["responsesSent", "responsesAcknowledged", "responsesRejected"];
    let counts = names.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    counts.map(|(name, count)| (name.to_owned(), json!(count.to_string()))).collect::<Map<_, _>>().into()
}
