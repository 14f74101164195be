//! The back ends from outside.

mod all {
    mod conformance;
}
