//! What the gateway's documents are: schemas, core entities, errors, forms, the declarative format.
//!
//! Pure: no I/O, no clock, no randomness of its own. Documents are JSON objects; a schema value describes each
//! kind once, and checking, defaults, merging, presentation and introspection all follow from it.

pub mod declarative;
pub mod entities;
pub mod entity;
pub mod error;
pub mod form;
pub mod registry;
pub mod schema;
pub mod typed;
pub mod types;
