//! An error with its causes on one line.

use std::error::Error;
use std::fmt::Write as _;

/// `error: cause: cause of the cause`. Messages must not repeat their source themselves.
pub fn report(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("a String takes every write");
        source = cause.source();
    }
    text
}
