//! Schemas: what documents may hold, built as values.
//!
//! ```
//! use gateway_model::schema::{Element, EntityCheck, Field, Schema};
//!
//! let config = Schema::record([
//!     Field::array("allow", Element::string()),
//!     Field::integer("status").between(100, 599).default_value(429),
//!     Field::string("name").required().one_of(["a", "b"]),
//! ])
//! .check(EntityCheck::at_least_one_of(["allow", "status"]));
//! assert_eq!(config.fields().len(), 3);
//! ```

mod ahead;
mod check;
mod defaults;
mod entity_check;
pub(crate) mod field;
pub(crate) mod filled;
mod names;
mod pattern;
pub(crate) mod process;
pub(crate) mod validate;
pub(crate) use validate::ENTITY;

pub(crate) mod value;
pub(crate) mod view;

pub use check::{Check, CustomCheck, Match};
pub use entity_check::{EntityCheck, EntityCheckFn, EntityError};
pub use field::{Deprecation, Element, Expand, Field, Kind, OnDelete, Schema, ShownFrom};
pub use filled::Document;
pub use pattern::Pattern;
pub(crate) use process::Input;
pub use process::Source;
