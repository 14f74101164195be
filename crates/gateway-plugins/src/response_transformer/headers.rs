//! Changes of header fields.

use gateway_proxy::pdk::{Headers, headers};
use smallvec::SmallVec;

use super::{Config, pair};

/// Types that are told to be UTF-8 when a change says nothing of it.
const TEXT_TYPES: [&str; 6] =
    ["text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml"];

/// The changes, in the order in which they are made. All conditions are those of the fields as they came.
#[derive(Debug)]
pub(super) struct HeaderChanges {
    remove: Vec<String>,
    rename: Vec<Field>,
    replace: Vec<Field>,
    add: Vec<Field>,
    append: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Its value, or its new name.
    value: String,
}

impl HeaderChanges {
    /// The error names an entry that is no header field.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        Ok(Self {
            remove: config.remove.headers.iter().map(|entry| pair(entry).0.to_owned()).collect(),
            rename: fields(&config.rename.headers)?,
            replace: fields(&config.replace.headers)?,
            add: fields(&config.add.headers)?,
            append: fields(&config.append.headers)?,
        })
    }

    pub(super) fn make(&self, headers: &mut Headers) {
        let renamed: SmallVec<[Vec<Vec<u8>>; 4]> =
            self.rename.iter().map(|field| headers.get_all(&field.name).map(<[u8]>::to_vec).collect()).collect();
        let set: SmallVec<[&Field; 8]> = self
            .replace
            .iter()
            .filter(|field| headers.contains(&field.name))
            .chain(self.add.iter().filter(|field| !headers.contains(&field.name)))
            .collect();
        for name in &self.remove {
            headers.remove(name);
        }
        for (field, values) in self.rename.iter().zip(renamed).filter(|(_, values)| !values.is_empty()) {
            headers.remove(&field.value);
            for value in values {
                headers.append(&field.value, value);
            }
            headers.remove(&field.name);
        }
        for field in set {
            headers.set(&field.name, &field.value);
        }
        for field in &self.append {
            headers.append(&field.name, &field.value);
        }
    }
}

/// Entries without a value change nothing.
fn fields(entries: &[String]) -> Result<Vec<Field>, String> {
    let pairs = entries.iter().map(|entry| pair(entry)).filter(|(_, value)| !value.is_empty());
    pairs
        .map(|(name, value)| {
            if !headers::is_name(name.as_bytes()) || !headers::is_value(value.as_bytes()) {
                return Err(format!("'{name}:{value}' is not a header field: take letters, digits and '-' for names"));
            }
            Ok(Field { name: name.to_owned(), value: with_charset(name, value.trim()) })
        })
        .collect()
}

fn with_charset(name: &str, value: &str) -> String {
    let is_text = TEXT_TYPES.iter().any(|kind| value.eq_ignore_ascii_case(kind));
    if name.eq_ignore_ascii_case("content-type") && is_text {
        format!("{value}; charset=UTF-8")
    } else {
        value.to_owned()
    }
}
