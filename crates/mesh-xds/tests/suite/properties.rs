//! What holds for every mesh.
