//! Writing, changing and showing documents.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{EntitySchema, Transformation};
use crate::error::{DaoError, Fields};
use crate::schema::filled::Filled;
use crate::schema::process::{self, Mode};
use crate::schema::validate::{self, Completeness};
use crate::schema::value::{display, get_path, is_nonempty, quoted, same};
use crate::schema::view::View;
use crate::schema::{Document, Field, Input, Kind, OnDelete, Source};

const REQUIRED: &str = "required field missing";

/// A field that refers to another kind of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignField {
    pub name: &'static str,
    /// The kind referred to.
    pub reference: &'static str,
    pub on_delete: OnDelete,
    pub required: bool,
}

impl EntitySchema {
    /// Its name: plural, snake case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The path segment of its collection.
    pub fn collection(&self) -> &'static str {
        self.admin_name.unwrap_or(self.name)
    }

    /// The path segment of its collection below a parent.
    pub fn nested_collection(&self) -> &'static str {
        self.nested_name.unwrap_or_else(|| self.collection())
    }

    /// Whether the Admin API serves it.
    pub fn has_admin_api(&self) -> bool {
        self.admin_api
    }

    /// The fields that identify a document.
    pub fn key_fields(&self) -> &'static [&'static str] {
        self.primary_key
    }

    /// The unique field that names a document in paths.
    pub fn endpoint(&self) -> Option<&'static str> {
        self.endpoint_key
    }

    /// The fields that find a document on the request path.
    pub fn cache_fields(&self) -> &'static [&'static str] {
        self.cache_key
    }

    /// Whether documents may carry a `ttl`.
    pub fn has_ttl(&self) -> bool {
        self.ttl
    }

    /// Whether documents have tags.
    pub fn has_tags(&self) -> bool {
        self.schema.0.field("tags").is_some()
    }

    /// Its general fields, in the order of documents.
    pub fn fields(&self) -> &[Field] {
        self.schema.fields()
    }

    /// The field called `name` of a document, as the document's own kind (a plugin's, for example) has it.
    pub fn field_of(&self, document: &Fields, name: &str) -> Option<&Field> {
        self.view(document).field(name)
    }

    /// The fields that refer to other kinds.
    pub fn foreign_fields(&self) -> impl Iterator<Item = ForeignField> {
        self.schema.fields().iter().filter_map(|field| match field.kind() {
            Kind::Foreign { reference, on_delete } => Some(ForeignField {
                name: field.name(),
                reference,
                on_delete: *on_delete,
                required: field.is_required(),
            }),
            _ => None,
        })
    }

    /// Lists of fields whose values together no two documents share. With a single field null is no value; with
    /// several it is one.
    pub fn unique_keys(&self) -> impl Iterator<Item = Cow<'static, [&'static str]>> {
        let single = self.schema.fields().iter().filter(|field| field.is_unique());
        single.map(|field| Cow::Owned(vec![field.name()])).chain(self.unique.iter().map(|key| Cow::Borrowed(*key)))
    }

    /// A new document out of what a writer gave, complete and in the order of the schema. For writes that replace a
    /// document too: what they do not give falls back to its default.
    ///
    /// # Errors
    /// [`DaoError::SchemaViolation`], [`DaoError::InvalidOptions`] of a wrong `ttl`.
    pub fn insert(&self, given: Fields, source: &mut dyn Source) -> Result<Fields, DaoError> {
        self.write(given, true, source)
    }

    /// As [`Self::insert`], of a document that is in its stored form already: passwords are hashes.
    ///
    /// # Errors
    /// [`DaoError::SchemaViolation`], [`DaoError::InvalidOptions`] of a wrong `ttl`.
    pub fn insert_stored(&self, given: Fields, source: &mut dyn Source) -> Result<Fields, DaoError> {
        self.write(given, false, source)
    }

    fn write(&self, given: Fields, transform: bool, source: &mut dyn Source) -> Result<Fields, DaoError> {
        let sent: Vec<bool> = self.transformations.iter().map(|each| has_all(&given, each.input)).collect();
        let mut document = self.fill(given, source)?.into_map();
        if transform {
            for (transformation, _) in self.transformations.iter().zip(sent).filter(|(_, sent)| *sent) {
                apply(transformation, &mut document);
            }
        }
        Ok(document)
    }

    /// As [`Self::insert_stored`], with defaults left where they are.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub(crate) fn fill(&self, given: impl Input, source: &mut dyn Source) -> Result<Filled<'_>, DaoError> {
        self.check_ttl(&given)?;
        let view = self.view(&given);
        let document = process::whole_record(view, given, source).map_err(DaoError::SchemaViolation)?;
        let view = self.checked_view(&document)?;
        let document = document.viewed(view);
        validate::filled(&document).map_err(DaoError::SchemaViolation)?;
        Ok(document)
    }

    /// A document with changes laid over it: records are merged, anything else is replaced, null erases.
    ///
    /// # Errors
    /// [`DaoError::SchemaViolation`], [`DaoError::InvalidOptions`] of a wrong `ttl`.
    pub fn update(&self, current: &Fields, changes: Fields, source: &mut dyn Source) -> Result<Fields, DaoError> {
        self.check_ttl(&changes)?;
        let kind = self.variants.as_ref().and_then(|variants| changes.get(variants.key));
        let view = self.view(if kind.is_some() { &changes } else { current });
        let changes = process::record(view, changes, Mode::Changes, source).map_err(DaoError::SchemaViolation)?;
        let sent: Vec<bool> = self.transformations.iter().map(|each| has_all(&changes, each.input)).collect();
        let halves: Vec<String> =
            self.transformations.iter().filter_map(|each| half_given(each, &changes, current)).collect();
        let merged = process::merge(view, changes, current);
        let view = self.checked_view(&merged)?;
        let wrong = validate::record(view, &merged, Completeness::Update).err().unwrap_or_default();
        let wrong = halves.into_iter().fold(wrong, with_entity_error);
        if !wrong.is_empty() {
            return Err(DaoError::SchemaViolation(wrong));
        }
        let mut document = process::fill(view, merged, source).map_err(DaoError::SchemaViolation)?;
        for (transformation, _) in self.transformations.iter().zip(sent).filter(|(_, sent)| *sent) {
            apply(transformation, &mut document);
        }
        Ok(document)
    }

    /// Checks a document as [`Self::insert`] does, and no more.
    ///
    /// # Errors
    /// [`DaoError::SchemaViolation`], [`DaoError::InvalidOptions`] of a wrong `ttl`.
    pub fn validate(&self, mut given: Fields, source: &mut dyn Source) -> Result<(), DaoError> {
        let mut wrong = Fields::new();
        for field in &self.form_fields {
            let Some(value) = given.shift_remove(field.name()) else { continue };
            if let Err(err) = validate::field(field, None, &value) {
                wrong.insert(field.name().to_owned(), err);
            }
        }
        match self.write(given, false, source) {
            Ok(_) if wrong.is_empty() => Ok(()),
            Ok(_) => Err(DaoError::SchemaViolation(wrong)),
            Err(DaoError::SchemaViolation(others)) => {
                wrong.extend(others);
                Err(DaoError::SchemaViolation(wrong))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks what there is of a document, without asking for the rest of it.
    pub(crate) fn check_some(&self, document: &Fields) -> Result<(), Fields> {
        let kind = self.variants.as_ref().map(|variants| variants.key);
        if let Some(kind) = kind.filter(|kind| document.get(*kind).is_none_or(Value::is_null)) {
            return Err(Map::from_iter([(kind.to_owned(), Value::String(REQUIRED.to_owned()))]));
        }
        validate::record(self.view(document), document, Completeness::Update)
    }

    /// A stored document as reads show it: every field, deprecated names too, nothing internal; a `ttl` that is not
    /// set is null.
    pub fn present(&self, document: &Fields) -> Fields {
        let mut shown = process::present(self.view(document), document);
        if self.ttl {
            shown.insert("ttl".to_owned(), document.get("ttl").cloned().unwrap_or_default());
        }
        shown
    }

    /// The primary key of a document.
    pub fn key_of(&self, document: &Fields) -> Fields {
        let value = |name: &&str| ((*name).to_owned(), document.get(*name).cloned().unwrap_or_default());
        self.primary_key.iter().map(value).collect()
    }

    /// Checks an id as it stands in a path.
    ///
    /// # Errors
    /// [`DaoError::InvalidPrimaryKey`].
    pub fn check_id(&self, id: &str) -> Result<(), DaoError> {
        let [name] = self.primary_key else { return Ok(()) };
        let Some(field) = self.schema.0.field(name) else { return Ok(()) };
        validate::field(field, None, &Value::String(id.to_owned()))
            .map_err(|err| DaoError::InvalidPrimaryKey(Map::from_iter([((*name).to_owned(), err)])))
    }

    /// Checks the value of the field that names documents in paths.
    ///
    /// # Errors
    /// [`DaoError::InvalidUnique`].
    pub fn check_endpoint(&self, value: &str) -> Result<(), DaoError> {
        let Some(field) = self.endpoint_key.and_then(|name| self.schema.0.field(name)) else { return Ok(()) };
        validate::field(field, None, &Value::String(value.to_owned()))
            .map_err(|err| DaoError::InvalidUnique { field: field.name().to_owned(), message: display(&err) })
    }

    /// The field whose value says which special schema applies.
    pub(crate) fn variant_key(&self) -> Option<&'static str> {
        self.variants.as_ref().map(|variants| variants.key)
    }

    /// The field that writes may carry though documents do not have it.
    pub(crate) fn extra_field(&self, name: &str) -> Option<&Field> {
        self.form_fields.iter().find(|field| field.name() == name)
    }

    /// The schema for this document.
    pub(crate) fn view(&self, document: &dyn Document) -> View<'_> {
        let special = self.variants.as_ref().and_then(|variants| {
            let find = |name: &Value| name.as_str().and_then(|name| variants.schemas.get(name));
            match document.get(variants.key) {
                Some(Value::Array(names)) => names.iter().find_map(find),
                Some(name) => find(name),
                None => None,
            }
        });
        View::specialised(&self.schema.0, special.map(|variant| &variant.whole), self.ttl)
    }

    /// The schema for this document, when it says which.
    fn checked_view(&self, document: &dyn Document) -> Result<View<'_>, DaoError> {
        let view = self.view(document);
        let Some(variants) = self.variants.as_ref().filter(|_| !view.is_specialised()) else { return Ok(view) };
        let given = match document.get(variants.key) {
            None | Some(Value::Null) => return Err(DaoError::field(variants.key, REQUIRED)),
            Some(Value::Array(names)) => names.first().map(display),
            Some(Value::Object(_)) => None,
            Some(name) => Some(display(name)),
        };
        let given = given.unwrap_or_else(|| "nil".to_owned());
        Err(DaoError::field(variants.key, variants.unknown.replace("%s", &given)))
    }

    /// A `ttl` is an option of the write more than a part of the document, and is checked before it.
    fn check_ttl(&self, given: &dyn Document) -> Result<(), DaoError> {
        const LONGEST: u64 = 100_000_000;
        let ttl = if self.ttl { given.get("ttl") } else { None };
        let Some(ttl) = ttl.filter(|ttl| !ttl.is_null()) else { return Ok(()) };
        let fits = ttl.as_f64().is_some_and(|ttl| ttl.fract() == 0.0 && (0.0..=LONGEST as f64).contains(&ttl));
        if fits {
            return Ok(());
        }
        let text = format!("must be an integer between 0 and {LONGEST}");
        Err(DaoError::InvalidOptions(Map::from_iter([("ttl".to_owned(), Value::String(text))])))
    }
}

/// Whether something is set at all of the paths.
fn has_all(document: &dyn Document, paths: &[&str]) -> bool {
    paths.iter().all(|path| is_nonempty(get_path(document, path)))
}

/// What is wrong with changes that touch only a part of what a transformation works with: a password can only be
/// changed by who says whose it is.
fn half_given(transformation: &Transformation, changes: &Fields, current: &Fields) -> Option<String> {
    let Transformation { input, needs, .. } = transformation;
    let said = |path: &&str| get_path(changes, path).filter(|value| !value.is_null());
    let moved = needs.iter().any(|path| match (said(path), get_path(current, path)) {
        (Some(new), Some(old)) => !same(new, old),
        (new, old) => new.is_some() != old.is_some_and(|old| !old.is_null()),
    });
    let together = if moved { [input, *needs].concat() } else { input.to_vec() };
    let given = together.iter().filter(|path| is_nonempty(said(path))).count();
    let half = given > 0 && given < together.len();
    half.then(|| format!("all or none of these fields must be set: {}", quoted([input, *needs].concat())))
}

/// What is wrong with a document, with one more complaint about it as a whole.
fn with_entity_error(mut wrong: Fields, message: String) -> Fields {
    match wrong.get_mut("@entity") {
        Some(Value::Array(messages)) => messages.push(message.into()),
        _ => drop(wrong.insert("@entity".to_owned(), Value::Array(vec![message.into()]))),
    }
    wrong
}

fn apply(transformation: &Transformation, document: &mut Fields) {
    if has_all(document, transformation.needs) {
        for (name, value) in (transformation.on_write)(document) {
            document.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests;
