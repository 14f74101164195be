//! Which route a request takes: the language of expressions, the fields of routes, how they rank, and an index that
//! makes a match cost the same for one route and for a hundred thousand. Pure: no I/O, no clock.

pub mod expression;
mod matcher;
pub mod path;
mod pattern;
mod place;
mod rank;
mod request;
mod router;
mod spec;
mod table;

pub use pattern::check_pattern;
pub use request::{Headers, Request, same_name};
pub use router::{Edit, Entry, Matched, Router};
pub use spec::{Flavor, RouteError, RouteSpec};
pub use table::Table;
