//! Fields that were put into HTTP/2's form before: nearly all of them come again with the next message.

use std::cell::RefCell;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use http::header::{HeaderName, HeaderValue};

use crate::headers::Names;

/// How many names are kept, each with one value. A power of two.
const KEPT: usize = 128;

/// Longer names and values are not kept, so that nobody fills the memory with them.
const LONGEST_NAME: usize = 64;
const LONGEST_VALUE: usize = 128;

/// Fields whose value is another one in nearly every message, but for those that the HPACK encoder knows itself.
const CHANGING: Names = Names::new(&[
    "Kong-Request-ID",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "traceparent",
    "X-Correlation-ID",
    "X-Kong-Proxy-Latency",
    "X-Kong-Request-Id",
    "X-Kong-Response-Latency",
    "X-Kong-Upstream-Latency",
    "X-RateLimit-Remaining-Day",
    "X-RateLimit-Remaining-Hour",
    "X-RateLimit-Remaining-Minute",
    "X-RateLimit-Remaining-Second",
    "X-Request-ID",
]);

/// Fields that concern one connection only, which HTTP/2 does not have.
const OF_CONNECTION: Names =
    Names::new(&["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"]);

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { slots: Vec::new() }) };
}

/// Gives access to what this thread has seen.
pub(super) fn with<T>(access: impl FnOnce(&mut Seen) -> T) -> T {
    SEEN.with_borrow_mut(access)
}

/// The fields a thread has seen last.
#[derive(Debug)]
pub(super) struct Seen {
    /// Empty until the first.
    slots: Vec<Option<Field>>,
}

/// What kind of field a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Usual,
    /// Its value is another one each time.
    Changing,
    /// The length of the body.
    Length,
    /// It may say `trailers` and nothing else.
    Te,
    /// HTTP/2 does not have it.
    OfConnection,
}

/// A name that was seen, and the value it had.
#[derive(Debug)]
pub(super) struct Field {
    /// The name as it came.
    spelled: Box<[u8]>,
    pub(super) name: HeaderName,
    pub(super) kind: Kind,
    value: Option<HeaderValue>,
    /// The hash of the value that came last. Only one that comes twice is kept: a copy for others costs more than it
    /// is worth.
    last: u64,
}

impl Seen {
    /// The field of this name; `None` if it is not one.
    pub(super) fn field(&mut self, name: &[u8]) -> Option<&mut Field> {
        if self.slots.is_empty() {
            self.slots.resize_with(KEPT, || None);
        }
        let slot = &mut self.slots[place(name)];
        match slot {
            Some(field) if *field.spelled == *name => {}
            _ => *slot = Some(Field::new(name)?),
        }
        slot.as_mut()
    }
}

impl Field {
    fn new(name: &[u8]) -> Option<Self> {
        // A long name is only here until the next that takes its place, and is not found again.
        let spelled = if name.len() > LONGEST_NAME { Box::default() } else { name.into() };
        Some(Self { spelled, name: HeaderName::from_bytes(name).ok()?, kind: Kind::of(name), value: None, last: 0 })
    }

    /// This value for HTTP/2; `None` if it is not one.
    pub(super) fn value(&mut self, value: &[u8]) -> Option<HeaderValue> {
        if let Some(kept) = &self.value
            && kept.as_bytes() == value
        {
            return Some(kept.clone());
        }
        let made = HeaderValue::from_bytes(value).ok()?;
        if self.kind != Kind::Changing && value.len() <= LONGEST_VALUE {
            let hash = FixedState::with_seed(0).hash_one(value);
            if self.last == hash {
                self.value = Some(made.clone());
            }
            self.last = hash;
        }
        Some(made)
    }
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        if CHANGING.contains(name) {
            Self::Changing
        } else if OF_CONNECTION.contains(name) {
            Self::OfConnection
        } else if name.eq_ignore_ascii_case(b"content-length") {
            Self::Length
        } else if name.eq_ignore_ascii_case(b"te") {
            Self::Te
        } else {
            Self::Usual
        }
    }
}

/// Where a name is kept. With these factors few of the usual names share a place, in small letters and otherwise.
fn place(name: &[u8]) -> usize {
    let at = |index: usize| usize::from(name.get(index).copied().unwrap_or_default());
    let length = name.len();
    let inner = at(length / 2) * 126 + at(length / 4 * 3) * 22;
    (length * 117 + at(0) * 97 + inner + at(length.wrapping_sub(1)) * 14) % KEPT
}
