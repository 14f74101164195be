//! The gateway's entities: what they are made of, what is checked, and how they are written down. Pure: no I/O, no
//! clock, no randomness.

pub mod typed;
