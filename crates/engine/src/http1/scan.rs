//! How far fields and targets go on: eight bytes at a time where they are usual ones.
//!
//! These are functions of their own in the program, so that their numbers have the registers for themselves.

use crate::headers::TOKEN;

const HIGH: u64 = each(0x80);

/// Where the name at the start, a token, ends, and where what may be in a value ends behind it: everything but control
/// characters other than the tab. All of `bytes` if nothing ends it.
#[inline(never)]
pub(super) fn field(bytes: &[u8]) -> (usize, usize) {
    // Letters and hyphens, which most names consist of.
    let others = |word: u64| {
        let lower = (word | each(0x20)) & !HIGH;
        // The high bit of every byte: at least `a`, and not more than `z`.
        let letters = (lower + each(0x80 - b'a')) & !(lower + each(0x7f - b'z'));
        let hyphens = HIGH - ((word & !HIGH) ^ each(b'-'));
        !(letters | hyphens) | word
    };
    let controls = |word| (below(word, 0x20) | is(word, 0x7f)) & !word;
    let name = run(bytes, 0, others, |byte| TOKEN[byte as usize]);
    (name, run(bytes, name, controls, |byte| !byte.is_ascii_control() || byte == b'\t'))
}

/// Where the request target at the start ends; all of `bytes` if nothing ends it. In one are visible characters, and
/// bytes above ASCII, which clients send unencoded, but no `#`.
#[inline(never)]
pub(super) fn target(bytes: &[u8]) -> usize {
    run(
        bytes,
        0,
        |word| (below(word, 0x21) | is(word, b'#') | is(word, 0x7f)) & !word,
        |byte| byte > b' ' && byte != b'#' && byte != 0x7f,
    )
}

/// Where the bytes for which `goes_on` holds end that begin at `at`. `doubtful` has the high bit of the first byte set
/// for which that has to be asked, and perhaps of others behind it.
#[inline(always)]
fn run(bytes: &[u8], mut at: usize, doubtful: impl Fn(u64) -> u64, goes_on: impl Fn(u8) -> bool) -> usize {
    for word in bytes[at..].as_chunks().0 {
        let doubtful = doubtful(u64::from_le_bytes(*word)) & HIGH;
        if doubtful != 0 {
            at += doubtful.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    while at < bytes.len() && goes_on(bytes[at]) {
        at += 1;
    }
    at
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
