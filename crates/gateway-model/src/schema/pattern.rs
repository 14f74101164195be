//! Lua patterns, as schemas state constraints on strings with.

/// A compiled Lua pattern: classes, sets, the single-character repetitions and both anchors. Balanced matches,
/// frontiers and back references are not part of it; parentheses group nothing here and are skipped.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: &'static str,
    items: Vec<Item>,
    at_start: bool,
    at_end: bool,
    /// The only text that it matches, if there is but one, as far as it goes.
    literal: Option<String>,
}

#[derive(Clone, Debug)]
struct Item {
    set: ByteSet,
    repeat: Repeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    One,
    Optional,
    /// `*`, or `+` with the least count of 1.
    Greedy(usize),
    /// `-`
    Lazy,
}

/// Steps a match may take; what needs more does not match. Keeps patterns with several repetitions harmless.
const STEPS: usize = 1 << 20;

impl Pattern {
    /// Compiles `text`. A trailing `%` or an unclosed set stand for themselves.
    pub fn new(text: &'static str) -> Self {
        let mut bytes = text.as_bytes();
        let at_start = bytes.first() == Some(&b'^');
        if at_start {
            bytes = &bytes[1..];
        }
        let mut items = Vec::new();
        let mut at_end = false;
        while let Some((&first, rest)) = bytes.split_first() {
            if matches!(first, b'(' | b')') {
                bytes = rest;
                continue;
            }
            if first == b'$' && rest.is_empty() {
                at_end = true;
                break;
            }
            let (set, rest) = single(first, rest);
            let (repeat, rest) = match rest.split_first() {
                Some((b'*', rest)) => (Repeat::Greedy(0), rest),
                Some((b'+', rest)) => (Repeat::Greedy(1), rest),
                Some((b'-', rest)) => (Repeat::Lazy, rest),
                Some((b'?', rest)) => (Repeat::Optional, rest),
                _ => (Repeat::One, rest),
            };
            items.push(Item { set, repeat });
            bytes = rest;
        }
        let literal = items.iter().map(Item::only).collect();
        Self { text, items, at_start, at_end, literal }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &'static str {
        self.text
    }

    /// Whether it matches somewhere in `subject`.
    pub fn is_match(&self, subject: &str) -> bool {
        if let Some(literal) = &self.literal {
            return match (self.at_start, self.at_end) {
                (true, true) => subject == literal,
                (true, false) => subject.starts_with(literal.as_str()),
                (false, true) => subject.ends_with(literal.as_str()),
                (false, false) => subject.contains(literal.as_str()),
            };
        }
        let subject = subject.as_bytes();
        let mut steps = STEPS;
        let last = if self.at_start { 0 } else { subject.len() };
        (0..=last).any(|start| self.matches_at(subject, start, &self.items, &mut steps))
    }

    fn matches_at(&self, subject: &[u8], mut at: usize, mut items: &[Item], steps: &mut usize) -> bool {
        while let Some((item, rest)) = items.split_first() {
            if *steps == 0 {
                return false;
            }
            *steps -= 1;
            let fits = |at: usize| subject.get(at).is_some_and(|byte| item.set.has(*byte));
            match item.repeat {
                Repeat::One => {
                    if !fits(at) {
                        return false;
                    }
                    at += 1;
                }
                Repeat::Optional => {
                    if fits(at) && self.matches_at(subject, at + 1, rest, steps) {
                        return true;
                    }
                }
                Repeat::Greedy(least) => {
                    let run = subject[at..].iter().take_while(|byte| item.set.has(**byte)).count();
                    return (least..=run).rev().any(|count| self.matches_at(subject, at + count, rest, steps));
                }
                Repeat::Lazy => loop {
                    if self.matches_at(subject, at, rest, steps) {
                        return true;
                    }
                    if *steps == 0 || !fits(at) {
                        return false;
                    }
                    at += 1;
                },
            }
            items = rest;
        }
        !self.at_end || at == subject.len()
    }
}

impl Item {
    /// The only character that it matches, if there is but one.
    fn only(&self) -> Option<char> {
        let mut bytes = (0..=127).filter(|byte| self.set.has(*byte));
        let only = bytes.next().filter(|_| bytes.next().is_none() && self.set.0[2..] == [0, 0]);
        only.filter(|_| self.repeat == Repeat::One).map(char::from)
    }
}

/// One character's worth of pattern that begins with `first`, and what follows it.
fn single(first: u8, rest: &[u8]) -> (ByteSet, &[u8]) {
    match first {
        b'.' => (ByteSet::default().inverted(), rest),
        b'%' => match rest.split_first() {
            Some((class, rest)) => (ByteSet::class(*class), rest),
            None => (ByteSet::default().plus(b'%'), rest),
        },
        b'[' => bracketed(rest),
        byte => (ByteSet::default().plus(byte), rest),
    }
}

/// The set after `[`, and what follows its `]`.
fn bracketed(rest: &[u8]) -> (ByteSet, &[u8]) {
    let (inverted, mut rest) = match rest.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, rest),
    };
    let mut set = ByteSet::default();
    let mut first = true;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b']' && !first {
            rest = after;
            break;
        }
        first = false;
        rest = match (byte, after) {
            (b'%', [class, after @ ..]) => {
                set = set.union(ByteSet::class(*class));
                after
            }
            (low, [b'-', high, after @ ..]) if *high != b']' => {
                for byte in low..=*high {
                    set = set.plus(byte);
                }
                after
            }
            (byte, after) => {
                set = set.plus(byte);
                after
            }
        };
    }
    (if inverted { set.inverted() } else { set }, rest)
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct ByteSet([u64; 4]);

impl ByteSet {
    fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    fn plus(mut self, byte: u8) -> Self {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        self
    }

    fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    fn inverted(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// `%a` and its like; a capital is the complement, anything else is itself.
    fn class(name: u8) -> Self {
        let test: fn(&u8) -> bool = match name.to_ascii_lowercase() {
            b'a' => u8::is_ascii_alphabetic,
            b'c' => u8::is_ascii_control,
            b'd' => u8::is_ascii_digit,
            b'l' => u8::is_ascii_lowercase,
            b'p' => u8::is_ascii_punctuation,
            b's' => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
            b'u' => u8::is_ascii_uppercase,
            b'w' => u8::is_ascii_alphanumeric,
            b'x' => u8::is_ascii_hexdigit,
            _ => return Self::default().plus(name),
        };
        let set = (0..=255).filter(test).fold(Self::default(), Self::plus);
        if name.is_ascii_uppercase() { set.inverted() } else { set }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &'static str, subject: &str) -> bool {
        Pattern::new(pattern).is_match(subject)
    }

    #[test]
    fn classes_sets_and_anchors() {
        assert!(matches("^%u+$", "GET"));
        assert!(!matches("^%u+$", "get"));
        assert!(!matches("^%u+$", "G T"));
        assert!(matches("^[a-z][a-z%d-]-[a-z%d]+$", "my-env"));
        assert!(!matches("^[a-z][a-z%d-]-[a-z%d]+$", "A_B"));
        assert!(!matches("^[a-z][a-z%d-]-[a-z%d]+$", "a"));
        assert!(matches("//", "a//b"));
        assert!(matches("^[^*]*%*?[^*]*$", "a.*"));
        assert!(!matches("^[^*]*%*?[^*]*$", "*.a.*"));
        assert!(matches("^%*%.", "*.a"));
        assert!(matches("%.%*$", "a.*"));
    }

    #[test]
    fn repetitions_back_off() {
        assert!(matches("%w*%p*@+%w*%.?%w*", "a.b@c.d"));
        assert!(!matches("%w*%p*@+%w*%.?%w*", "nobody"));
        assert!(matches("^[^:]+:.*$", "a:b"));
        assert!(!matches("^[^:]+:.*$", "nocolon"));
        assert!(matches("a-b", "aab"));
    }

    #[test]
    fn hostile_subjects_end() {
        let subject = "a".repeat(5000);
        assert!(!matches("^a*a*a*a*a*a*b$", &subject));
    }

    #[test]
    fn odd_patterns_are_literal() {
        assert!(matches("%", "100%"));
        assert!(matches("[abc", "b"));
    }
}
