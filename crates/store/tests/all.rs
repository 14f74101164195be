//! The back ends from outside.

// Says so to the lint that lets tests unwrap.
#[cfg(test)]
mod all {
    mod conformance;
    mod equivalence;
    mod kill;
    mod postgres;
    mod server;
    mod sqlite;
}
