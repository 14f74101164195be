//! Lists of changes, ready to be made.

use crate::template::{Template, TemplateError};

/// Changes of one kind of thing, in the order in which they are made.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) remove: Vec<String>,
    pub(super) rename: Vec<Change>,
    pub(super) replace: Vec<Change>,
    pub(super) add: Vec<Change>,
    pub(super) append: Vec<Change>,
}

/// `name:template`
#[derive(Debug)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) value: Template,
}

/// The configured lists.
pub(super) struct Lists<'a> {
    pub(super) remove: &'a [String],
    pub(super) rename: &'a [String],
    pub(super) replace: &'a [String],
    pub(super) add: &'a [String],
    pub(super) append: &'a [String],
}

impl Changes {
    pub(super) fn new(lists: &Lists<'_>) -> Result<Self, TemplateError> {
        Ok(Self {
            remove: lists.remove.iter().filter_map(|entry| pair(entry)).map(|(name, _)| name.to_owned()).collect(),
            rename: read(lists.rename)?,
            replace: read(lists.replace)?,
            add: read(lists.add)?,
            append: read(lists.append)?,
        })
    }

    /// Names of headers, which are told apart without regard to case.
    pub(super) fn with_lower_names(mut self) -> Self {
        self.remove.iter_mut().for_each(|name| name.make_ascii_lowercase());
        let lists = [&mut self.rename, &mut self.replace, &mut self.add, &mut self.append];
        lists.into_iter().flatten().for_each(|change| change.name.make_ascii_lowercase());
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.lists().iter().all(|list| list.is_empty())
    }

    /// Whether what is done depends on the request.
    pub(super) fn is_dynamic(&self) -> bool {
        self.lists().into_iter().flatten().any(|change| change.value.is_dynamic())
    }

    fn lists(&self) -> [&Vec<Change>; 4] {
        [&self.rename, &self.replace, &self.add, &self.append]
    }
}

/// Entries without a value change nothing.
fn read(entries: &[String]) -> Result<Vec<Change>, TemplateError> {
    let pairs = entries.iter().filter_map(|entry| pair(entry)).filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| Ok(Change { name: name.to_owned(), value: Template::new(value)? })).collect()
}

/// What stands before the first colon, and what after it and those next to it.
pub(super) fn pair(entry: &str) -> Option<(&str, &str)> {
    let (name, value) = entry.split_once(':').unwrap_or((entry, ""));
    (!name.is_empty()).then(|| (name, value.trim_start_matches(':')))
}
