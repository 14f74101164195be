//! The program from outside.

// Says so to the lint that lets tests unwrap.
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod node;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod words;
