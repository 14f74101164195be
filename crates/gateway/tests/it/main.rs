//! The node from outside.

// Says so to the lint that lets tests unwrap.
#[cfg(test)]
mod admin;
#[cfg(test)]
mod nodes;
