//! Regular expressions run as they were read, by backtracking: the match is the one a compiled expression finds.

use std::sync::{Arc, LazyLock};

use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind, Look, Repetition};
use smallvec::SmallVec;

/// The most steps a program has; what needs more is compiled.
const MOST_STEPS: usize = 256;

/// What a search may cost: this, and this much for each byte of the text.
const BUDGET: usize = 2048;
const BUDGET_BYTE: usize = 16;

/// What an expression asks of a text, step by step.
#[derive(Clone, Debug)]
pub(super) struct Program {
    steps: Box<[Step]>,
    /// Twice the number of groups, the whole match not counted.
    slots: usize,
    /// Whether a match can begin at the start of the text only.
    anchored: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Text(Box<[u8]>),
    One(Set),
    /// Between so many and so many of a set, the more or the less the better.
    Run {
        set: Set,
        least: usize,
        most: usize,
        greedy: bool,
    },
    /// Goes on with the first, and if that leads nowhere with the second.
    Either(usize, usize),
    Jump(usize),
    Save(usize),
    Start,
    End,
    LineStart,
    LineEnd,
}

/// Ranges of characters, sorted.
type Chars = Arc<[(char, char)]>;

/// A set of characters, or of bytes.
#[derive(Clone, Debug)]
struct Set {
    /// Those below 128.
    ascii: u128,
    others: Others,
}

#[derive(Clone, Debug)]
enum Others {
    None,
    /// Sets that everybody uses are shared.
    Chars(Chars),
    /// Bytes from 128.
    Bytes(u128),
}

/// What became of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// From where to where.
    Match(usize, usize),
    None,
    /// It would have cost too much.
    Undecided,
}

/// Where groups begin and end, two for each. `usize::MAX` stands for a group that took no part.
pub(super) type Slots = SmallVec<[usize; 8]>;

/// Something that can be done otherwise.
enum Choice {
    Go {
        step: usize,
        at: usize,
    },
    /// A run can end earlier, down to `least`; `step` is what follows it.
    Shorter {
        step: usize,
        least: usize,
        at: usize,
    },
    /// A run can take so many more.
    Longer {
        step: usize,
        at: usize,
        left: usize,
    },
    /// A slot held this.
    Slot(usize, usize),
}

impl Program {
    /// The program of an expression with so many groups; none if it has something that is left to the compiled form.
    pub(super) fn new(hir: &Hir, groups: usize) -> Option<Self> {
        let mut writer = Writer::default();
        writer.write(hir)?;
        let anchored = hir.properties().look_set_prefix().contains(Look::Start);
        Some(Self { steps: writer.steps.into(), slots: 2 * groups, anchored })
    }

    /// Looks for the first match in `text`, and where its groups are.
    pub(super) fn search(&self, text: &[u8], slots: &mut Slots) -> Outcome {
        let mut budget = BUDGET + BUDGET_BYTE * text.len();
        let last = if self.anchored { 0 } else { text.len() };
        for start in 0..=last {
            slots.clear();
            slots.resize(self.slots, usize::MAX);
            match self.run(text, start, slots, &mut budget) {
                Outcome::None => {}
                decided => return decided,
            }
        }
        Outcome::None
    }

    fn run(&self, text: &[u8], start: usize, slots: &mut Slots, budget: &mut usize) -> Outcome {
        let mut choices: SmallVec<[Choice; 16]> = SmallVec::new();
        let (mut step, mut at) = (0, start);
        loop {
            let Some(now) = self.steps.get(step) else { return Outcome::Match(start, at) };
            if *budget == 0 {
                return Outcome::Undecided;
            }
            *budget -= 1;
            let next = match now {
                Step::Text(wanted) => text[at..].starts_with(wanted).then(|| (step + 1, at + wanted.len())),
                Step::One(set) => set.after(text, at).map(|at| (step + 1, at)),
                Step::Run { set, least, most, greedy } => {
                    let (count, end, short) = set.run(text, at, *least, if *greedy { *most } else { *least });
                    *budget = budget.saturating_sub(count);
                    if count < *least {
                        None
                    } else {
                        if *greedy && end > short {
                            choices.push(Choice::Shorter { step: step + 1, least: short, at: end });
                        } else if !*greedy && *most > *least {
                            choices.push(Choice::Longer { step, at: end, left: *most - *least });
                        }
                        Some((step + 1, end))
                    }
                }
                Step::Either(first, second) => {
                    choices.push(Choice::Go { step: *second, at });
                    Some((*first, at))
                }
                Step::Jump(to) => Some((*to, at)),
                Step::Save(slot) => {
                    choices.push(Choice::Slot(*slot, std::mem::replace(&mut slots[*slot], at)));
                    Some((step + 1, at))
                }
                Step::Start => (at == 0).then_some((step + 1, at)),
                Step::End => (at == text.len()).then_some((step + 1, at)),
                Step::LineStart => (at == 0 || text[at - 1] == b'\n').then_some((step + 1, at)),
                Step::LineEnd => (at == text.len() || text[at] == b'\n').then_some((step + 1, at)),
            };
            match next.or_else(|| self.otherwise(text, &mut choices, slots)) {
                Some(next) => (step, at) = next,
                None => return Outcome::None,
            }
        }
    }

    /// Takes back what was done since the last choice, and gives how to go on.
    fn otherwise(
        &self,
        text: &[u8],
        choices: &mut SmallVec<[Choice; 16]>,
        slots: &mut Slots,
    ) -> Option<(usize, usize)> {
        loop {
            match choices.pop()? {
                Choice::Slot(slot, before) => slots[slot] = before,
                Choice::Go { step, at } => return Some((step, at)),
                Choice::Shorter { step, least, at } => {
                    let Some(Step::Run { set, .. }) = self.steps.get(step - 1) else { continue };
                    let at = set.before(text, at);
                    if at > least {
                        choices.push(Choice::Shorter { step, least, at });
                    }
                    return Some((step, at));
                }
                Choice::Longer { step, at, left } => {
                    let Some(Step::Run { set, .. }) = self.steps.get(step) else { continue };
                    let Some(at) = set.after(text, at) else { continue };
                    if left > 1 {
                        choices.push(Choice::Longer { step, at, left: left - 1 });
                    }
                    return Some((step + 1, at));
                }
            }
        }
    }
}

/// Turns an expression into steps.
#[derive(Default)]
struct Writer {
    steps: Vec<Step>,
}

impl Writer {
    fn push(&mut self, step: Step) -> Option<usize> {
        self.steps.push(step);
        (self.steps.len() <= MOST_STEPS).then(|| self.steps.len() - 1)
    }

    fn write(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => Some(()),
            HirKind::Literal(literal) => self.push(Step::Text(literal.0.clone())).map(drop),
            HirKind::Class(class) => self.push(Step::One(Set::new(class))).map(drop),
            HirKind::Look(look) => {
                let step = match look {
                    Look::Start => Step::Start,
                    Look::End => Step::End,
                    Look::StartLF => Step::LineStart,
                    Look::EndLF => Step::LineEnd,
                    _ => return None,
                };
                self.push(step).map(drop)
            }
            HirKind::Capture(capture) => {
                let slot = 2 * (capture.index as usize - 1);
                self.push(Step::Save(slot))?;
                self.write(&capture.sub)?;
                self.push(Step::Save(slot + 1)).map(drop)
            }
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.write(part)),
            HirKind::Alternation(parts) => self.write_any(parts),
            HirKind::Repetition(repetition) => self.write_repeated(repetition),
        }
    }

    fn write_any(&mut self, parts: &[Hir]) -> Option<()> {
        let mut ends = Vec::with_capacity(parts.len());
        for (number, part) in parts.iter().enumerate() {
            if number + 1 == parts.len() {
                self.write(part)?;
                continue;
            }
            let choice = self.push(Step::Either(0, 0))?;
            self.write(part)?;
            ends.push(self.push(Step::Jump(0))?);
            self.steps[choice] = Step::Either(choice + 1, self.steps.len());
        }
        let here = self.steps.len();
        for end in ends {
            self.steps[end] = Step::Jump(here);
        }
        Some(())
    }

    fn write_repeated(&mut self, Repetition { min, max, greedy, sub }: &Repetition) -> Option<()> {
        let (least, greedy) = (*min as usize, *greedy);
        if let HirKind::Class(class) = sub.kind() {
            let most = max.map_or(usize::MAX, |max| max as usize);
            return self.push(Step::Run { set: Set::new(class), least, most, greedy }).map(drop);
        }
        for _ in 0..least {
            self.write(sub)?;
        }
        let either = |within: usize, behind: usize| {
            if greedy { Step::Either(within, behind) } else { Step::Either(behind, within) }
        };
        match max {
            None => {
                // What may be nothing could be repeated without end.
                if sub.properties().minimum_len().is_none_or(|length| length == 0) {
                    return None;
                }
                let choice = self.push(Step::Jump(0))?;
                self.write(sub)?;
                self.push(Step::Jump(choice))?;
                self.steps[choice] = either(choice + 1, self.steps.len());
            }
            Some(max) => {
                let mut choices = Vec::new();
                for _ in least..*max as usize {
                    choices.push(self.push(Step::Jump(0))?);
                    self.write(sub)?;
                }
                let here = self.steps.len();
                for choice in choices {
                    self.steps[choice] = either(choice + 1, here);
                }
            }
        }
        Some(())
    }
}

/// The sets with many characters that have short names.
static COMMON: LazyLock<Vec<Chars>> = LazyLock::new(|| {
    let sets = [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S"].into_iter().filter_map(|text| {
        match regex_syntax::parse(text).expect("these are expressions").into_kind() {
            HirKind::Class(Class::Unicode(class)) => Some(pairs(class.ranges())),
            _ => None,
        }
    });
    sets.collect()
});

fn pairs(ranges: &[ClassUnicodeRange]) -> Chars {
    ranges.iter().map(|range| (range.start(), range.end())).collect()
}

impl Set {
    fn new(class: &Class) -> Self {
        match class {
            Class::Unicode(class) => {
                let ranges = class.ranges();
                let below = |range: &ClassUnicodeRange| (u32::from(range.start()), u32::from(range.end()));
                let ascii = ranges.iter().map(below).fold(0, |bits, (first, last)| bits | bits_between(first, last));
                if class.is_ascii() {
                    return Self { ascii, others: Others::None };
                }
                let same = |common: &Chars| {
                    common.len() == ranges.len()
                        && common.iter().zip(ranges).all(|(pair, range)| *pair == (range.start(), range.end()))
                };
                let few = ranges.len() < 8;
                let shared = if few { None } else { COMMON.iter().find(|common| same(common)) };
                Self { ascii, others: Others::Chars(shared.map_or_else(|| pairs(ranges), Arc::clone)) }
            }
            Class::Bytes(class) => {
                let (mut ascii, mut others) = (0, 0);
                for range in class.ranges() {
                    let (first, last) = (u32::from(range.start()), u32::from(range.end()));
                    ascii |= bits_between(first, last);
                    if last >= 128 {
                        others |= bits_between(first.max(128) - 128, last - 128);
                    }
                }
                Self { ascii, others: Others::Bytes(others) }
            }
        }
    }

    /// Where a character of the set that is at `at` ends.
    fn after(&self, text: &[u8], at: usize) -> Option<usize> {
        let byte = *text.get(at)?;
        if byte < 128 {
            return (self.ascii >> byte & 1 == 1).then_some(at + 1);
        }
        match &self.others {
            Others::None => None,
            Others::Bytes(bits) => (bits >> (byte - 128) & 1 == 1).then_some(at + 1),
            Others::Chars(ranges) => {
                let (char, length) = char_at(text, at)?;
                let found = ranges.binary_search_by(|(first, last)| {
                    if *last < char {
                        std::cmp::Ordering::Less
                    } else if *first > char {
                        std::cmp::Ordering::Greater
                    } else {
                        std::cmp::Ordering::Equal
                    }
                });
                found.is_ok().then_some(at + length)
            }
        }
    }

    /// Where the character that ends at `at` begins, which is one of the set.
    fn before(&self, text: &[u8], at: usize) -> usize {
        let mut at = at - 1;
        if matches!(self.others, Others::Chars(_)) {
            while text[at] & 0xc0 == 0x80 {
                at -= 1;
            }
        }
        at
    }

    /// How many characters of the set, `most` at most, begin at `at`, where they end, and where the first `least` do.
    fn run(&self, text: &[u8], at: usize, least: usize, most: usize) -> (usize, usize, usize) {
        let (mut count, mut end, mut short) = (0, at, at);
        while count < most {
            let Some(next) = self.after(text, end) else { break };
            end = next;
            count += 1;
            if count == least {
                short = end;
            }
        }
        (count, end, short)
    }
}

/// The bits from `first` to `last` that are below 128.
fn bits_between(first: u32, last: u32) -> u128 {
    if first > 127 {
        return 0;
    }
    let upto = u128::MAX >> (127 - last.min(127));
    upto & (u128::MAX << first)
}

/// The character at `at` and its length, if it is one.
fn char_at(text: &[u8], at: usize) -> Option<(char, usize)> {
    let length = match text[at] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let char = std::str::from_utf8(text.get(at..at + length)?).ok()?.chars().next()?;
    Some((char, length))
}

#[cfg(test)]
mod tests;
