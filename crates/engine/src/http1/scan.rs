//! How far bytes go on that may stand in a token, a value or a target: eight at a time where they are usual ones.
//!
//! Each is a function of its own in the program, so that its numbers have the registers for themselves.

use crate::headers::TOKEN;

const HIGH: u64 = each(0x80);

/// How many bytes of a token are at the start; `None` if nothing ends it.
#[inline(never)]
pub(super) fn token(bytes: &[u8]) -> Option<usize> {
    // Letters and hyphens, which most names consist of.
    let others = |word: u64| {
        let lower = (word | each(0x20)) & !HIGH;
        // The high bit of every byte: at least `a`, and not more than `z`.
        let letters = (lower + each(0x80 - b'a')) & !(lower + each(0x7f - b'z'));
        let hyphens = HIGH - ((word & !HIGH) ^ each(b'-'));
        !(letters | hyphens) | word
    };
    run(bytes, others, |byte| TOKEN[byte as usize])
}

/// How many bytes that may be in a value are at the start; `None` if nothing ends it. Control characters may not be,
/// but for the tab.
#[inline(never)]
pub(super) fn value(bytes: &[u8]) -> Option<usize> {
    run(bytes, |word| (below(word, 0x20) | is(word, 0x7f)) & !word, |byte| !byte.is_ascii_control() || byte == b'\t')
}

/// How many bytes that may be in a request target are at the start; `None` if nothing ends it. Those are visible
/// characters, and bytes above ASCII, which clients send unencoded, but no `#`.
#[inline(never)]
pub(super) fn target(bytes: &[u8]) -> Option<usize> {
    run(
        bytes,
        |word| (below(word, 0x21) | is(word, b'#') | is(word, 0x7f)) & !word,
        |byte| byte > b' ' && byte != b'#' && byte != 0x7f,
    )
}

/// How many bytes for which `goes_on` holds are at the start; `None` if nothing ends them. `doubtful` has the high bit
/// of the first byte set for which that has to be asked, and perhaps of others behind it.
#[inline(always)]
fn run(bytes: &[u8], doubtful: impl Fn(u64) -> u64, goes_on: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    for word in bytes.as_chunks().0 {
        let doubtful = doubtful(u64::from_le_bytes(*word)) & HIGH;
        if doubtful != 0 {
            at += doubtful.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    while goes_on(*bytes.get(at)?) {
        at += 1;
    }
    Some(at)
}

/// The high bit of every byte that is below this one, unless it was set before. The borrow of such a byte may set it
/// above that as well.
const fn below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(each(byte))
}

/// The same of every byte that is this one.
const fn is(word: u64, byte: u8) -> u64 {
    below(word ^ each(byte), 1)
}

/// Eight times this byte.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}
