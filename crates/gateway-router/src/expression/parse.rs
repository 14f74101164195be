//! Texts to expressions.

use super::field::Kind;
use super::{Comparison, ExpressionError, Field, Ip, MAX_DEPTH, MAX_LENGTH, Node, Predicate, Test};
use crate::pattern::Pattern;

pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    if text.len() > MAX_LENGTH {
        return Err(error(0, format!("the expression has {} bytes, the limit is {MAX_LENGTH}", text.len())));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let node = parser.conjunction()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.expected("&&, || or the end"));
    }
    Ok(node)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

enum Literal {
    Text(String),
    Number(i64),
    Address(Ip),
}

impl<'a> Parser<'a> {
    fn conjunction(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.disjunction()?;
        while self.take("&&") {
            node = Node::And(Box::new(node), Box::new(self.disjunction()?));
        }
        Ok(node)
    }

    fn disjunction(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.term()?;
        while self.take("||") {
            node = Node::Or(Box::new(node), Box::new(self.term()?));
        }
        Ok(node)
    }

    fn term(&mut self) -> Result<Node, ExpressionError> {
        let negated = self.take("!");
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(error(self.at, format!("parentheses are nested more than {MAX_DEPTH} deep")));
            }
            let node = self.conjunction()?;
            if !self.take(")") {
                return Err(self.expected(")"));
            }
            self.depth -= 1;
            return Ok(if negated { Node::Not(Box::new(node)) } else { node });
        }
        if negated {
            return Err(self.expected("( after !"));
        }
        self.predicate().map(Node::Predicate)
    }

    fn predicate(&mut self) -> Result<Predicate, ExpressionError> {
        let start = self.at;
        let (mut lower, mut any) = (false, false);
        let mut open = 0;
        let field = loop {
            let name_at = self.skip_space();
            let name = self.word();
            if name.is_empty() {
                return Err(self.expected("a field"));
            }
            match (name, self.take("(")) {
                ("lower", true) => lower = true,
                ("any", true) => any = true,
                (other, true) => return Err(error(name_at, format!("unknown transformation function: {other}"))),
                (name, false) => break Field::parse(name).ok_or_else(|| error(name_at, "Unknown LHS field"))?,
            }
            open += 1;
            if open > 2 {
                return Err(error(name_at, "too many transformations"));
            }
        };
        for _ in 0..open {
            if !self.take(")") {
                return Err(self.expected(")"));
            }
        }
        if lower && field.kind() != Kind::Text {
            return Err(error(start, "lower-case transformation function only supported with String type fields"));
        }
        let test = self.test(&field)?;
        Ok(Predicate { field, lower, any, test })
    }

    fn test(&mut self, field: &Field) -> Result<Test, ExpressionError> {
        let at = self.skip_space();
        const OPERATORS: [&str; 12] = ["==", "!=", "^=", "=^", ">=", "<=", "~", ">", "<", "contains", "not in", "in"];
        let operator =
            OPERATORS.into_iter().find(|operator| self.take(operator)).ok_or_else(|| self.expected("an operator"))?;
        let literal = self.literal()?;
        let mismatch = || error(at, "Type mismatch between the LHS and RHS values of predicate");
        Ok(match (operator, field.kind(), literal) {
            ("==", Kind::Text, Literal::Text(text)) => Test::Equals(text.into()),
            ("!=", Kind::Text, Literal::Text(text)) => Test::Differs(text.into()),
            ("^=", Kind::Text, Literal::Text(text)) => Test::Prefix(text.into()),
            ("=^", Kind::Text, Literal::Text(text)) => Test::Suffix(text.into()),
            ("contains", Kind::Text, Literal::Text(text)) => Test::Contains(text.into()),
            ("~", Kind::Text, Literal::Text(text)) => {
                Test::Regex(Pattern::new(&text).map_err(|reason| error(at, reason))?)
            }
            ("==", Kind::Number, Literal::Number(number)) => Test::Number(Comparison::Equal, number),
            ("!=", Kind::Number, Literal::Number(number)) => Test::Number(Comparison::NotEqual, number),
            (">", Kind::Number, Literal::Number(number)) => Test::Number(Comparison::Greater, number),
            (">=", Kind::Number, Literal::Number(number)) => Test::Number(Comparison::GreaterOrEqual, number),
            ("<", Kind::Number, Literal::Number(number)) => Test::Number(Comparison::Less, number),
            ("<=", Kind::Number, Literal::Number(number)) => Test::Number(Comparison::LessOrEqual, number),
            ("==" | "in", Kind::Address, Literal::Address(ip)) => Test::Address(ip, true),
            ("!=" | "not in", Kind::Address, Literal::Address(ip)) => Test::Address(ip, false),
            ("in" | "not in", Kind::Text | Kind::Number, _) => {
                return Err(error(at, "In/NotIn operators only supports IP in CIDR"));
            }
            ("~" | "^=" | "=^" | "contains", Kind::Number | Kind::Address, _) => {
                return Err(error(at, "Regex/Prefix/Postfix operators only supports string operands"));
            }
            (">" | ">=" | "<" | "<=", Kind::Text | Kind::Address, _) => {
                return Err(error(at, "Greater/Lesser operators only supports integer operands"));
            }
            _ => return Err(mismatch()),
        })
    }

    fn literal(&mut self) -> Result<Literal, ExpressionError> {
        let at = self.skip_space();
        let rest = &self.text[at..];
        if let Some(raw) = rest.strip_prefix("r#\"") {
            let end = raw.find("\"#").ok_or_else(|| error(at, "the raw string does not end"))?;
            self.at = at + 3 + end + 2;
            return Ok(Literal::Text(raw[..end].to_owned()));
        }
        if rest.starts_with('"') {
            return self.string().map(Literal::Text);
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:/-".contains(c))).unwrap_or(rest.len());
        let word = &rest[..end];
        self.at = at + end;
        if let Some(number) = number(word) {
            return Ok(Literal::Number(number));
        }
        Ip::parse(word)
            .map(Literal::Address)
            .ok_or_else(|| error(at, "expected a string, a number, an address or a network"))
    }

    fn string(&mut self) -> Result<String, ExpressionError> {
        let start = self.at;
        let mut out = String::new();
        let mut characters = self.text[start + 1..].char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at = start + 1 + offset + 1;
                    return Ok(out);
                }
                '\\' => match characters.next() {
                    Some((_, '"')) => out.push('"'),
                    Some((_, '\\')) => out.push('\\'),
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, 't')) => out.push('\t'),
                    _ => return Err(error(start + 1 + offset, "unknown escape sequence")),
                },
                other => out.push(other),
            }
        }
        Err(error(start, "the string does not end"))
    }

    /// Takes a token if it comes next; a word only as a whole.
    fn take(&mut self, token: &str) -> bool {
        let at = self.skip_space();
        let Some(rest) = self.text[at..].strip_prefix(token) else { return false };
        let is_word = token.ends_with(|c: char| c.is_ascii_alphabetic());
        if is_word && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
            return false;
        }
        self.at = at + token.len();
        true
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        // Names of headers and arguments may have nearly anything in them.
        let end = rest.find(|c: char| c.is_whitespace() || "()=!^~<>&|\"".contains(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_space(&mut self) -> usize {
        self.space();
        self.at
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, what: &str) -> ExpressionError {
        error(self.at, format!("expected {what}"))
    }
}

fn number(word: &str) -> Option<i64> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -value } else { value })
}

fn error(at: usize, message: impl Into<String>) -> ExpressionError {
    ExpressionError { at, message: message.into() }
}
