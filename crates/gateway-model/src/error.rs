//! What can be wrong with a write or a look-up, as the Admin API tells it.

mod lua;

pub use lua::{key as key_text, pretty};

use serde_json::{Map, Value};

/// A document's fields, or a tree of messages by field.
pub type Fields = Map<String, Value>;

/// An error of a data access, with the code, the name and the message that clients know.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", self.message())]
pub enum DaoError {
    /// The key is malformed; messages by field.
    InvalidPrimaryKey(Fields),
    /// The document is wrong; a tree of messages.
    SchemaViolation(Fields),
    /// There is a document with the same primary key.
    PrimaryKeyViolation(Fields),
    /// The document refers to one that does not exist.
    ForeignKeyMissing {
        /// The field that refers.
        field: String,
        /// What it refers to.
        key: Fields,
        /// The kind referred to.
        entity: String,
    },
    /// The document is referred to.
    ForeignKeyReferenced {
        /// The kind that refers.
        by: String,
        /// The kind of the document.
        entity: String,
    },
    /// There is a document with the same values.
    UniqueViolation(Fields),
    /// No document has this primary key.
    NotFound(Fields),
    /// No document has this value of a unique field.
    NotFoundByField(Fields),
    /// A page's offset makes no sense: what of it, why.
    InvalidOffset { offset: String, reason: &'static str },
    /// The storage failed; the text is for logs only.
    Database(String),
    /// The storage cannot be reached or does not take writes for now. The text is for logs only.
    Unavailable {
        /// Whether the change may have been made all the same.
        in_doubt: bool,
        text: String,
    },
    /// A page's size is out of bounds.
    InvalidSize(String),
    /// A value of a unique field is malformed; messages by field.
    InvalidUnique { field: String, message: String },
    /// An option of the query is wrong; messages by option.
    InvalidOptions(Fields),
    /// Writes are not possible without a database: `create`, `update`, `create or update`, `remove`.
    Unsupported {
        operation: &'static str,
        entity: String,
        /// The unique field used in place of the primary key.
        by: Option<String>,
    },
    /// References by unique fields that lead nowhere; messages by field and its field.
    ForeignKeysUnresolved(Fields),
    /// A declarative configuration is wrong; a tree of messages.
    DeclarativeConfig(Fields),
    /// Something else refers to it: the whole message.
    ReferencedByOthers(String),
}

impl DaoError {
    /// A single wrong field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::SchemaViolation(Map::from_iter([(name.to_owned(), Value::String(message.into()))]))
    }

    /// A message about the document as a whole.
    pub fn entity(message: impl Into<String>) -> Self {
        let messages = Value::Array(vec![Value::String(message.into())]);
        Self::SchemaViolation(Map::from_iter([(crate::schema::ENTITY.to_owned(), messages)]))
    }

    /// What a reference by a unique field that leads nowhere is: `field` refers by `name` to an `entity`.
    pub fn unresolved(field: &str, name: &str, value: &Value, entity: &str) -> Self {
        let key = Map::from_iter([(name.to_owned(), value.clone())]);
        let text =
            format!("the foreign key cannot be resolved with '{}' for an existing '{entity}' entity", lua::key(&key));
        let inner = Map::from_iter([(name.to_owned(), Value::String(text))]);
        Self::ForeignKeysUnresolved(Map::from_iter([(field.to_owned(), Value::Object(inner))]))
    }

    /// The code in bodies.
    pub fn code(&self) -> u8 {
        match self {
            Self::InvalidPrimaryKey(_) => 1,
            Self::SchemaViolation(_) => 2,
            Self::PrimaryKeyViolation(_) => 3,
            Self::ForeignKeyMissing { .. } | Self::ForeignKeyReferenced { .. } => 4,
            Self::UniqueViolation(_) => 5,
            Self::NotFound(_) | Self::NotFoundByField(_) => 6,
            Self::InvalidOffset { .. } => 7,
            Self::Database(_) | Self::Unavailable { .. } => 8,
            Self::InvalidSize(_) => 9,
            Self::InvalidUnique { .. } => 10,
            Self::InvalidOptions(_) => 11,
            Self::Unsupported { .. } => 12,
            Self::ForeignKeysUnresolved(_) => 13,
            Self::DeclarativeConfig(_) => 14,
            Self::ReferencedByOthers(_) => 19,
        }
    }

    /// The name in bodies.
    pub fn name(&self) -> String {
        let name = match self {
            Self::InvalidPrimaryKey(_) => "invalid primary key",
            Self::SchemaViolation(_) => "schema violation",
            Self::PrimaryKeyViolation(_) => "primary key violation",
            Self::ForeignKeyMissing { .. } | Self::ForeignKeyReferenced { .. } => "foreign key violation",
            Self::UniqueViolation(_) => "unique constraint violation",
            Self::NotFound(_) | Self::NotFoundByField(_) => "not found",
            Self::InvalidOffset { .. } => "invalid offset",
            Self::Database(_) | Self::Unavailable { .. } => "database error",
            Self::InvalidSize(_) => "invalid size",
            Self::InvalidUnique { field, .. } => return format!("invalid unique {field}"),
            Self::InvalidOptions(_) => "invalid options",
            Self::Unsupported { .. } => "operation unsupported",
            Self::ForeignKeysUnresolved(_) => "foreign keys unresolved",
            Self::DeclarativeConfig(_) => "invalid declarative configuration",
            Self::ReferencedByOthers(_) => "referenced by others",
        };
        name.to_owned()
    }

    /// The HTTP status it is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Self::UniqueViolation(_) => 409,
            Self::NotFound(_) | Self::NotFoundByField(_) => 404,
            Self::Unsupported { .. } => 405,
            Self::Database(_) => 500,
            Self::Unavailable { .. } => 503,
            _ => 400,
        }
    }

    /// The sentence in bodies.
    pub fn message(&self) -> String {
        match self {
            Self::InvalidPrimaryKey(fields) => format!("invalid primary key: '{}'", lua::key(fields)),
            Self::SchemaViolation(fields) => summary(fields, "schema violation", "schema violations"),
            Self::PrimaryKeyViolation(key) => format!("primary key violation on key '{}'", lua::key(key)),
            Self::ForeignKeyMissing { key, entity, .. } => {
                format!("the foreign key '{}' does not reference an existing '{entity}' entity.", lua::key(key))
            }
            Self::ForeignKeyReferenced { by, entity } => {
                format!("an existing '{by}' entity references this '{entity}' entity")
            }
            Self::UniqueViolation(key) => format!("UNIQUE violation detected on '{}'", lua::key(key)),
            Self::NotFound(key) => format!("could not find the entity with primary key '{}'", lua::key(key)),
            Self::NotFoundByField(key) => format!("could not find the entity with '{}'", lua::key(key)),
            Self::InvalidOffset { offset, reason } => format!("'{offset}' is not a valid offset: {reason}"),
            Self::Database(text) | Self::InvalidSize(text) | Self::ReferencedByOthers(text) => text.clone(),
            Self::Unavailable { in_doubt: false, .. } => {
                "the database is not available; nothing was changed, try again later".to_owned()
            }
            Self::Unavailable { in_doubt: true, .. } => {
                "the database went away during the change; see whether it was made before trying again".to_owned()
            }
            Self::InvalidUnique { message, .. } => message.clone(),
            Self::InvalidOptions(options) => summary(options, "invalid option", "option violations"),
            Self::Unsupported { operation, entity, by } => {
                let suffix = by.as_ref().map(|by| format!(" by '{by}'")).unwrap_or_default();
                format!("cannot {operation} '{entity}' entities{suffix} when not using a database")
            }
            Self::ForeignKeysUnresolved(fields) => summary(fields, "foreign key unresolved", "foreign keys unresolved"),
            Self::DeclarativeConfig(fields) => {
                format!("declarative config is invalid: {}", pretty(&Value::Object(fields.clone())))
            }
        }
    }

    /// The details in bodies.
    pub fn fields(&self) -> Option<Fields> {
        let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
        match self {
            Self::InvalidPrimaryKey(fields)
            | Self::SchemaViolation(fields)
            | Self::PrimaryKeyViolation(fields)
            | Self::UniqueViolation(fields)
            | Self::NotFound(fields)
            | Self::NotFoundByField(fields)
            | Self::InvalidOptions(fields)
            | Self::ForeignKeysUnresolved(fields)
            | Self::DeclarativeConfig(fields) => Some(fields.clone()),
            Self::ForeignKeyMissing { field, key, .. } => Some(one(field, Value::Object(key.clone()))),
            Self::ForeignKeyReferenced { by, .. } => Some(one("@referenced_by", Value::String(by.clone()))),
            _ => None,
        }
    }

    /// The body it is answered with; that of [`Self::Database`] tells nothing.
    pub fn body(&self) -> Value {
        match self {
            Self::Database(_) => return serde_json::json!({"message": "An unexpected error occurred"}),
            Self::Unavailable { .. } => return serde_json::json!({"message": self.message()}),
            _ => {}
        }
        let mut body = serde_json::json!({"code": self.code(), "name": self.name(), "message": self.message()});
        if let Some(fields) = self.fields() {
            let key = if matches!(self, Self::InvalidOptions(_)) { "options" } else { "fields" };
            body[key] = Value::Object(fields);
        }
        body
    }
}

/// All messages in one line: how many, then `field: message` and so on.
fn summary(fields: &Fields, one: &str, many: &str) -> String {
    let messages = flatten(fields);
    let text = messages.join("; ");
    match messages.len() {
        1 => format!("{one} ({text})"),
        count => format!("{count} {many} ({text})"),
    }
}

/// A tree of messages two levels deep as `field.below: message`; what is deeper is printed as it is.
fn flatten(fields: &Fields) -> Vec<String> {
    let mut messages = Vec::new();
    if let Some(Value::Array(entity)) = fields.get(crate::schema::ENTITY) {
        messages.extend(entity.iter().map(text));
    }
    let mut names: Vec<&String> = fields.keys().filter(|name| *name != crate::schema::ENTITY).collect();
    names.sort();
    for name in names {
        match &fields[name] {
            Value::Object(below) => {
                let mut keys: Vec<&String> = below.keys().collect();
                keys.sort();
                messages.extend(keys.iter().map(|key| format!("{name}.{key}: {}", text(&below[*key]))));
            }
            Value::Array(below) => {
                let set = below.iter().enumerate().filter(|(_, message)| !message.is_null());
                messages.extend(set.map(|(at, message)| format!("{name}.{}: {}", at + 1, text(message))));
            }
            message => messages.push(format!("{name}: {}", text(message))),
        }
    }
    messages
}

fn text(message: &Value) -> String {
    match message {
        Value::String(text) => text.clone(),
        other => pretty(other),
    }
}

#[cfg(test)]
mod tests;
