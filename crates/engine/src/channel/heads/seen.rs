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
///
/// In its table of what was sent before, each of them would take the place of a field that comes again.
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

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen::new()) };
}

/// Puts a field into HTTP/2's form; `None` if HTTP/2 cannot have it. The flag says whether its value [changes](CHANGING)
/// all the time.
pub(super) fn field(name: &[u8], value: &[u8]) -> Option<(HeaderName, HeaderValue, bool)> {
    SEEN.with_borrow_mut(|seen| seen.field(name, value))
}

/// The fields a thread has seen last.
#[derive(Debug)]
struct Seen {
    /// Empty until the first.
    slots: Vec<Option<Field>>,
}

#[derive(Debug)]
struct Field {
    /// The name as it came.
    spelled: Box<[u8]>,
    name: HeaderName,
    changing: bool,
    value: Option<HeaderValue>,
    /// The hash of the value that came last. Only one that comes twice is kept: a copy for others costs more than it
    /// is worth.
    last: u64,
}

impl Seen {
    const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Option<(HeaderName, HeaderValue, bool)> {
        if name.len() > LONGEST_NAME {
            return Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?, false));
        }
        if self.slots.is_empty() {
            self.slots.resize_with(KEPT, || None);
        }
        let slot = &mut self.slots[place(name)];
        let field = match slot {
            Some(field) if *field.spelled == *name => field,
            _ => slot.insert(Field::new(name)?),
        };
        let value = field.value(value)?;
        Some((field.name.clone(), value, field.changing))
    }
}

impl Field {
    fn new(name: &[u8]) -> Option<Self> {
        Some(Self {
            spelled: name.into(),
            name: HeaderName::from_bytes(name).ok()?,
            changing: CHANGING.contains(name),
            value: None,
            last: 0,
        })
    }

    fn value(&mut self, value: &[u8]) -> Option<HeaderValue> {
        if let Some(kept) = &self.value
            && kept.as_bytes() == value
        {
            return Some(kept.clone());
        }
        let made = HeaderValue::from_bytes(value).ok()?;
        if !self.changing && value.len() <= LONGEST_VALUE {
            let hash = FixedState::with_seed(0).hash_one(value);
            if self.last == hash {
                self.value = Some(made.clone());
            }
            self.last = hash;
        }
        Some(made)
    }
}

/// Where a name is kept: the usual ones, in any of their spellings, have a place of their own each.
fn place(name: &[u8]) -> usize {
    let at = |index: usize| usize::from(name.get(index).copied().unwrap_or_default());
    let length = name.len();
    let (middle, last) = (at(length / 2), at(length.wrapping_sub(1)));
    (length * 13 + at(0) * 7 + middle * 27 + last * 3) % KEPT
}
