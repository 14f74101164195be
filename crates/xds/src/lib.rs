//! The aggregated discovery protocol: delta and state of the world, as a state machine without I/O
//! ([`Stream`]), and its transport over HTTP/2 ([`server`]). It knows names, versions and bytes, and
//! nothing of what a resource means, except in which order types must change so that traffic goes on.

mod frame;
pub mod request;
pub mod response;
pub mod server;
pub mod status;
pub mod stream;
pub mod view;

pub use request::{DeltaRequest, SotwRequest};
pub use response::{Response, Variant};
pub use server::{Directory, Hello, Session, StreamEvent, router};
pub use status::{Code, Status};
pub use stream::{Outcome, Stream};
pub use view::{TypeSet, View};
