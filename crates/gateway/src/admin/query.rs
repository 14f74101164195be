//! The arguments of a URL.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};

use super::answer::Answer;
use crate::dao::{DEFAULT_SIZE, TagFilter};

/// The most arguments a call may have.
pub(super) const MAX_ARGS: usize = 1000;

/// The largest page.
const MAX_SIZE: usize = 1000;

/// Names and values in the order given.
#[derive(Clone, Debug, Default)]
pub(super) struct Args(Vec<(String, String)>);

impl Args {
    pub(super) fn parse(query: &str) -> Result<Self, Answer> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX_ARGS + 1).collect();
        if pairs.len() > MAX_ARGS {
            return Err(Answer::message(400, "Too many arguments"));
        }
        Ok(Self(pairs))
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first value of an argument, which may be written as a list.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let is = move |key: &str| key == name || key.strip_suffix("[]") == Some(name);
        self.0.iter().filter(move |(key, _)| is(key)).map(|(_, value)| value.as_str())
    }

    /// How many documents of a list are wanted.
    pub(super) fn size(&self) -> Result<usize, DaoError> {
        let Some(text) = self.get("size") else { return Ok(DEFAULT_SIZE) };
        let Ok(number) = text.trim().parse::<f64>() else {
            return Err(DaoError::InvalidSize("size must be a number".to_owned()));
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a small whole number")]
        if number.fract() == 0.0 && (1.0..=MAX_SIZE as f64).contains(&number) {
            return Ok(number as usize);
        }
        Err(DaoError::InvalidSize(format!("size must be an integer between 1 and {MAX_SIZE}")))
    }

    /// Where the page before ended.
    pub(super) fn offset(&self) -> Option<String> {
        self.get("offset").filter(|offset| !offset.is_empty()).map(str::to_owned)
    }

    pub(super) fn tags(&self, entity: &EntitySchema) -> Result<Option<TagFilter>, DaoError> {
        self.get("tags").map(|tags| TagFilter::parse(tags, entity)).transpose()
    }

    /// The arguments as fields of a document.
    pub(super) fn fields(&self) -> Fields {
        self.0.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
    }
}
