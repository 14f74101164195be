//! One module a command: its arguments and what it does.

pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod delete;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod manage;
pub(crate) mod version;

use mesh_model::{Kind, Scope};

/// The path of all resources of a kind in a mesh.
fn collection<'a>(kind: &'a Kind, mesh: &'a str) -> Vec<&'a str> {
    match kind.scope {
        Scope::Global => vec![kind.path],
        Scope::Mesh => vec!["meshes", mesh, kind.path],
    }
}
