//! Where a head has something else than text: found for 64 bytes at a time.

use wide::u8x16;

/// How many bytes are looked at together: a bit of a number for each.
const WINDOW: usize = 64;

/// Finds places in a block. They have to be asked for in order: what lies before the window of the last answer is not
/// found again.
pub(super) struct Marks<'a> {
    block: &'a [u8],
    /// Where the window begins.
    start: usize,
    window: Window,
}

/// What stands in a window: the lowest bit is for the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// Everything but letters and hyphens, of which most names consist.
    others: u64,
    /// Control characters, with the tab.
    controls: u64,
}

impl<'a> Marks<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { block, start: 0, window: window(block) }
    }

    /// The first byte from `at` on that is neither a letter nor a hyphen; the length of the block or more if there is
    /// none.
    #[inline(always)]
    pub(super) fn other(&mut self, at: usize) -> usize {
        self.find(at, |window| window.others)
    }

    /// The same for control characters.
    #[inline(always)]
    pub(super) fn control(&mut self, at: usize) -> usize {
        self.find(at, |window| window.controls)
    }

    #[inline(always)]
    fn find(&mut self, mut at: usize, marks: impl Fn(&Window) -> u64) -> usize {
        debug_assert!(at >= self.start, "places are asked for in order");
        loop {
            let offset = at - self.start;
            if offset < WINDOW {
                let left = marks(&self.window) >> offset;
                if left != 0 {
                    return at + left.trailing_zeros() as usize;
                }
                at = self.start + WINDOW;
            }
            if at >= self.block.len() {
                return at;
            }
            self.start = at;
            self.window = window(&self.block[at..]);
        }
    }
}

/// What the first bytes of `block` are. Behind its end there are zeros, which are control characters.
fn window(block: &[u8]) -> Window {
    match block.first_chunk() {
        Some(bytes) => look(bytes),
        None => {
            let mut bytes = [0; WINDOW];
            bytes[..block.len()].copy_from_slice(block);
            look(&bytes)
        }
    }
}

#[inline(never)]
fn look(bytes: &[u8; WINDOW]) -> Window {
    let mut window = Window { others: 0, controls: 0 };
    for (at, part) in bytes.as_chunks().0.iter().enumerate() {
        let text = u8x16::new(*part);
        // This bit makes upper case lower.
        let letters = up_to((text | u8x16::splat(0x20)) - u8x16::splat(b'a'), b'z' - b'a');
        let usual = letters | text.simd_eq(u8x16::splat(b'-'));
        let controls = up_to(text, 0x1f) | text.simd_eq(u8x16::splat(0x7f));
        let marks = |bytes: u8x16| u64::from(bytes.to_bitmask()) << (at * 16);
        window.others |= marks(usual);
        window.controls |= marks(controls);
    }
    window.others = !window.others;
    window
}

/// Which of these numbers are not above `most`: all bits of their bytes.
#[inline(always)]
fn up_to(numbers: u8x16, most: u8) -> u8x16 {
    numbers.min(u8x16::splat(most)).simd_eq(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at_each(bytes: &[u8; WINDOW]) -> Window {
        let marks = |is: fn(&u8) -> bool| bytes.iter().rev().fold(0, |marks, byte| marks << 1 | u64::from(is(byte)));
        Window {
            others: marks(|byte| !byte.is_ascii_alphabetic() && *byte != b'-'),
            controls: marks(u8::is_ascii_control),
        }
    }

    #[test]
    fn every_byte_at_every_place_is_told() {
        for byte in 0..=255 {
            for place in 0..WINDOW {
                for around in [b'a', b'\r', 0xff] {
                    let mut bytes = [around; WINDOW];
                    bytes[place] = byte;
                    assert_eq!(look(&bytes), look_at_each(&bytes), "{byte} at {place} within {around}");
                }
            }
        }
    }

    #[test]
    fn places_are_found_beyond_windows_and_not_beyond_the_end() {
        for length in 0..200 {
            let mut block = vec![b'a'; length];
            assert!(Marks::new(&block).other(0) >= length && Marks::new(&block).control(0) >= length);
            for place in 0..length {
                block[place] = b'\n';
                let mut marks = Marks::new(&block);
                assert_eq!((marks.other(place / 2), marks.control(place), marks.other(place)), (place, place, place));
                block[place] = b':';
                let mut marks = Marks::new(&block);
                assert!(marks.other(0) == place && marks.control(place) >= length);
                block[place] = b'a';
            }
        }
    }
}
