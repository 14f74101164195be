//! Heads of the same fields one after another: what they have in common is made once.

use std::cell::RefCell;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use http::header::{HeaderMap, HeaderValue};

use super::fields::{self, Form, Kind, Length, counted};
use crate::headers::Headers;

/// How many shapes a thread keeps.
const KEPT: usize = 64;

/// Heads that are larger are not kept, so that nobody fills the memory with them.
const MOST_FIELDS: usize = 48;
const LARGEST: u64 = 4 * 1024;
const LONGEST_VALUE: usize = 256;

thread_local! {
    static SHAPES: RefCell<Shapes> = const { RefCell::new(Shapes { places: Vec::new() }) };
}

/// Fields without those that HTTP/2 does not have, and what they count for: the same as [`fields::write`].
pub(super) fn write(headers: &Headers, form: &Form) -> (HeaderMap, u64) {
    SHAPES.with_borrow_mut(|shapes| shapes.write(headers, form))
}

/// The shapes of heads that a thread has seen.
struct Shapes {
    /// Empty until the first.
    places: Vec<Place>,
}

#[derive(Default)]
struct Place {
    shape: Option<Shape>,
    /// Which shape came last of those that are not kept here. One that comes twice in a row is.
    last: u64,
}

/// The names of a head's fields in their order, and the values they had.
struct Shape {
    form: Form,
    listed: Vec<Field>,
    length: Field,
    written: HeaderMap,
}

struct Field {
    /// The name as it came.
    name: Box<[u8]>,
    kind: Kind,
    /// The hash of the value that came last. One that comes twice in a row is kept: a copy of others costs more than
    /// it is worth.
    last: u64,
}

impl Shapes {
    fn write(&mut self, headers: &Headers, form: &Form) -> (HeaderMap, u64) {
        if self.places.is_empty() {
            self.places.resize_with(KEPT, Place::default);
        }
        let key = key(headers, form);
        let place = &mut self.places[key as usize % KEPT];
        if let Some(shape) = &mut place.shape
            && let Some(written) = shape.write(headers, form)
        {
            return written;
        }
        let (written, size) = fields::write(headers, form);
        if place.last == key && size <= LARGEST {
            place.shape = Shape::of(headers, form, &written);
        }
        place.last = key;
        (written, size)
    }
}

/// A number that heads of one shape have in common.
fn key(headers: &Headers, form: &Form) -> u64 {
    let own = u64::from(form.host) + if matches!(form.length, Length::Known(Some(_))) { 2 } else { 4 };
    headers.iter().fold(own, |key, (name, _)| {
        let letter = name.last().copied().unwrap_or_default();
        key.wrapping_mul(0x1_0003).wrapping_add(name.len() as u64 * 7 + u64::from(letter))
    })
}

impl Shape {
    /// The shape of `headers`, of which `written` was made; `None` if it has none that lasts.
    fn of(headers: &Headers, form: &Form, written: &HeaderMap) -> Option<Self> {
        let field = |name: &[u8]| Field { name: name.into(), kind: Kind::of(name, form), last: 0 };
        let listed: Vec<Field> = headers.iter().map(|(name, _)| field(name)).collect();
        let length = Field { name: b"content-length".as_slice().into(), kind: Kind::Usual, last: 0 };
        let expected = listed.iter().filter(|field| field.kind != Kind::LeftOut).count()
            + usize::from(matches!(form.length, Length::Known(Some(_))));
        // Each name once, and nothing left out for its value.
        let lasts = written.keys_len() == expected && written.len() == expected && listed.len() <= MOST_FIELDS;
        lasts.then(|| Self { form: *form, listed, length, written: written.clone() })
    }

    /// Fields in this shape; `None` if `headers` have another one.
    fn write(&mut self, headers: &Headers, form: &Form) -> Option<(HeaderMap, u64)> {
        let length = match (form.length, self.form.length) {
            (Length::AsListed, Length::AsListed) | (Length::Known(None), Length::Known(None)) => None,
            (Length::Known(Some(length)), Length::Known(Some(_))) => Some(length),
            _ => return None,
        };
        if self.form.host != form.host || self.listed.len() != headers.len() {
            return None;
        }
        let mut written = self.written.clone();
        let mut values = written.values_mut().zip(self.written.values_mut());
        let mut size = 0;
        for ((name, value), field) in headers.iter().zip(&mut self.listed) {
            if *field.name != *name {
                return None;
            }
            match field.kind {
                Kind::LeftOut => {}
                Kind::Te if !field.kind.is_written(value) => return None,
                Kind::Usual | Kind::Changing | Kind::Te => size += field.put(value, values.next()?, form)?,
            }
        }
        if let Some(length) = length {
            size += self.length.put(itoa::Buffer::new().format(length).as_bytes(), values.next()?, form)?;
        }
        values.next().is_none().then_some((written, size))
    }
}

impl Field {
    /// Makes the value the one to be written if it is not, and perhaps the one that is kept; what the field counts
    /// for.
    fn put(&mut self, value: &[u8], (put, kept): (&mut HeaderValue, &mut HeaderValue), form: &Form) -> Option<u64> {
        if put.as_bytes() != value {
            *put = HeaderValue::from_bytes(value).ok()?;
            if self.kind != Kind::Changing && value.len() <= LONGEST_VALUE {
                let hash = FixedState::with_seed(0).hash_one(value);
                if self.last == hash {
                    kept.clone_from(put);
                }
                self.last = hash;
            }
        }
        if self.kind == Kind::Changing {
            self.kind.mark(put, form);
        }
        Some(counted(self.name.len(), value.len()))
    }
}
