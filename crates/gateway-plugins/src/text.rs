//! Short texts without an allocation.

use std::fmt;

/// At most 64 bytes; what is written beyond is an error.
#[derive(Debug)]
pub(crate) struct Short {
    bytes: [u8; 64],
    len: usize,
}

impl Short {
    /// The text of a value of which it is known that it is no longer.
    pub(crate) fn of(value: impl fmt::Display) -> Self {
        let mut text = Self { bytes: [0; 64], len: 0 };
        fmt::write(&mut text, format_args!("{value}")).expect("addresses and everyday numbers are short");
        text
    }

    /// What was written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
