//! Regular expressions of routes: read when a route is, compiled when a request needs that.

mod program;

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use program::{Outcome, Program, Slots};

/// Largest compiled regular expression, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// Up to this [`cost`] a regular expression stays below [`SIZE_LIMIT`] without doubt.
const CHEAP: usize = 4000;

/// A regular expression on bytes. `(?<name>…)` names a group.
///
/// Compiling costs what twenty requests do, and takes more memory than the rest of a route, while most expressions of
/// routes do not need it: they are run as they were read. Only where that turns out to take long, or something is
/// wanted that it cannot do, a compiled expression takes its place.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    head: Box<[u8]>,
    /// A text that is in everything that matches, if the head does not tell as much.
    inner: Option<Box<[u8]>>,
    /// The names of the groups from 1 on.
    names: Box<[Option<Box<str>>]>,
    program: Option<Program>,
    regex: OnceLock<Option<Regex>>,
}

/// The groups of a match by number, from 1, and those with names by name. If there are any, the first is the whole
/// match, number 0.
pub(crate) type Groups = Vec<(Box<str>, Box<str>)>;

impl Pattern {
    /// Reads it; the error says what is wrong in words for a user.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let hir = ParserBuilder::new().utf8(false).build().parse(text).map_err(|error| error.to_string())?;
        let regex = OnceLock::new();
        if cost(&hir) > CHEAP {
            let compiled = compile(text).map_err(|error| error.to_string())?;
            regex.get_or_init(|| Some(compiled));
        }
        let mut head = Vec::new();
        if hir.properties().look_set_prefix().contains(Look::Start) {
            literal_head(&hir, &mut head);
        }
        let inner = inner_literal(&hir).filter(|inner| memchr::memmem::find(&head, inner).is_none()).map(Box::from);
        let mut names = Vec::new();
        group_names(&hir, &mut names);
        let program = Program::new(&hir, names.len());
        Ok(Self { text: text.into(), head: head.into(), inner, names: names.into(), program, regex })
    }

    /// What everything that matches begins with; empty if it may match further inside.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// How long its first match in `text` is. The match's groups are put in place of those that are in `groups`.
    pub(crate) fn find(&self, text: &[u8], groups: &mut Groups) -> Option<usize> {
        if !self.may_match(text) {
            return None;
        }
        let mut slots = Slots::new();
        if let Some(program) = self.program.as_ref().filter(|_| self.regex.get().is_none()) {
            match program.search(text, &mut slots) {
                Outcome::Match(start, end) => {
                    self.note(groups, &text[start..end], |group| {
                        let (start, end) = (slots[2 * group], slots[2 * group + 1]);
                        (end != usize::MAX).then(|| &text[start..end])
                    });
                    return Some(end - start);
                }
                Outcome::None => return None,
                Outcome::Undecided => {}
            }
        }
        let regex = self.compiled()?;
        if self.names.is_empty() {
            let found = regex.find(text)?;
            groups.clear();
            return Some(found.len());
        }
        let found = regex.captures(text)?;
        let whole = found.get(0)?.as_bytes();
        self.note(groups, whole, |group| found.get(group + 1).map(|group| group.as_bytes()));
        Some(whole.len())
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        if !self.may_match(text) {
            return false;
        }
        if let Some(program) = self.program.as_ref().filter(|_| self.regex.get().is_none()) {
            match program.search(text, &mut Slots::new()) {
                Outcome::Match(..) => return true,
                Outcome::None => return false,
                Outcome::Undecided => {}
            }
        }
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    /// Whether what is known of all matches may be in `text`.
    fn may_match(&self, text: &[u8]) -> bool {
        text.starts_with(&self.head)
            && self.inner.as_ref().is_none_or(|inner| memchr::memmem::find(text, inner).is_some())
    }

    fn compiled(&self) -> Option<&Regex> {
        // What was not compiled when it was read is too small for the limit, the only thing that could be wrong now.
        self.regex.get_or_init(|| compile(&self.text).ok()).as_ref()
    }

    fn note<'t>(&self, groups: &mut Groups, whole: &[u8], group: impl Fn(usize) -> Option<&'t [u8]>) {
        groups.clear();
        for (number, name) in self.names.iter().enumerate() {
            let Some(text) = group(number) else { continue };
            if groups.is_empty() {
                groups.push(("0".into(), String::from_utf8_lossy(whole).into()));
            }
            let text = String::from_utf8_lossy(text);
            groups.push(((number + 1).to_string().into(), text.as_ref().into()));
            if let Some(name) = name {
                groups.push((name.clone(), text.into()));
            }
        }
    }
}

fn group_names(hir: &Hir, names: &mut Vec<Option<Box<str>>>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            let number = capture.index as usize;
            // Groups that can take no part in a match are not there any more, but have kept their numbers.
            if names.len() < number {
                names.resize(number, None);
            }
            names[number - 1].clone_from(&capture.name);
            group_names(&capture.sub, names);
        }
        HirKind::Repetition(repetition) => group_names(&repetition.sub, names),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| group_names(part, names));
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// Whether a text is a regular expression for texts in UTF-8, and what is wrong if not. Only large ones are compiled
/// for that.
pub fn check_pattern(text: &str) -> Result<(), String> {
    let hir = regex_syntax::parse(text).map_err(|error| error.to_string())?;
    if cost(&hir) > CHEAP {
        regex::Regex::new(text).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(SIZE_LIMIT).build()
}

/// How large it will be when compiled: one for a byte or a range of characters.
fn cost(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        // A range beyond ASCII is several in UTF-8.
        HirKind::Class(Class::Unicode(class)) => class.ranges().len() + if class.is_ascii() { 1 } else { 10 },
        HirKind::Class(Class::Bytes(class)) => class.ranges().len() + 1,
        HirKind::Capture(capture) => cost(&capture.sub).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            cost(&repetition.sub).saturating_add(1).saturating_mul(copies as usize)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(parts.len(), |sum, part| sum.saturating_add(cost(part)))
        }
    }
}

/// Appends what every match begins with. Whether that is all of it, so that what follows can be appended as well.
fn literal_head(hir: &Hir, head: &mut Vec<u8>) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            head.extend_from_slice(&literal.0);
            true
        }
        HirKind::Capture(capture) => literal_head(&capture.sub, head),
        HirKind::Concat(parts) => parts.iter().all(|part| literal_head(part, head)),
        HirKind::Repetition(repetition) => {
            if repetition.min > 0 {
                literal_head(&repetition.sub, head);
            }
            false
        }
        HirKind::Class(_) | HirKind::Alternation(_) => false,
    }
}

/// The longest text that is in every match.
fn inner_literal(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        HirKind::Capture(capture) => inner_literal(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => inner_literal(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(inner_literal).max_by_key(|literal| literal.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_inner_texts_are_in_every_match() {
        for (pattern, head, inner) in [
            (r"^(?:/rx/r1/\d+)", "/rx/r1/", ""),
            (r"^(?:^/a\.b/(?<x>.*))", "/a.b/", ""),
            ("^(?:/a?b)", "/", "b"),
            ("^(?:/ab*)", "/a", ""),
            ("^/(a|b)/cd", "/", "/cd"),
            ("^/(?:ab)+c", "/ab", ""),
            ("^/a|/b", "", ""),
            ("^(?:/a|/b)", "", ""),
            ("^(?i)/a", "/", ""),
            ("^/v{2}", "/v", ""),
            ("^/a$", "/a", ""),
            ("(?m)^/a", "", "/a"),
            ("/a", "", "/a"),
            (r"^/(?<t>\w+)/r17$", "/", "/r17"),
        ] {
            let read = Pattern::new(pattern).unwrap();
            let inner = (!inner.is_empty()).then(|| Box::from(inner.as_bytes()));
            assert_eq!((read.head(), &read.inner), (head.as_bytes(), &inner), "{pattern}");
        }
    }

    #[test]
    fn what_is_cheap_is_far_from_the_limit() {
        for part in [r"\w", ".", "(?i:k)", "(?s-u:.)", "(a)", "(?:a|b|)", "abc"] {
            for repeated in [
                |part: &str, n: usize| part.repeat(n),
                |part: &str, n: usize| format!("(?:{part}){{{n}}}"),
                |part: &str, n: usize| format!("(?:{part}+){{0,{n}}}"),
            ] {
                let cheap = |text: &str| ParserBuilder::new().utf8(false).build().parse(text).map(|hir| cost(&hir));
                let (mut most, mut step) = (1, 1024);
                while step > 0 {
                    if cheap(&repeated(part, most + step)).is_ok_and(|cost| cost <= CHEAP) {
                        most += step;
                    }
                    step /= 2;
                }
                let compiled = RegexBuilder::new(&repeated(part, most)).size_limit(SIZE_LIMIT / 2).build();
                assert_eq!(compiled.map(|_| ()), Ok(()), "{part} {most}");
            }
        }
    }

    #[test]
    fn what_is_too_large_is_told_when_it_is_read() {
        let error = Pattern::new(r"\w{1000}").unwrap_err();
        assert_eq!(error, regex_error(r"\w{1000}"));
        assert_eq!(Pattern::new("/(").unwrap_err(), regex_error("/("));
        assert!(check_pattern("/[a").unwrap_err().ends_with("error: unclosed character class"));
        assert!(check_pattern(r"\w{10000}").is_err() && check_pattern(r"/a/(?<x>\w+)").is_ok());
    }

    fn regex_error(text: &str) -> String {
        compile(text).unwrap_err().to_string()
    }
}
