//! Expressions as trees.

use super::TemplateError;
use super::value::number;

/// The most operations and operands of an expression.
const SIZE_LIMIT: usize = 256;

/// An expression.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) root: Node,
}

#[derive(Debug)]
pub(super) enum Node {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Box<[u8]>),
    Name(Box<str>),
    Index(Box<Self>, Box<Self>),
    Call(Box<Self>, Vec<Self>),
    Method(Box<Self>, Box<str>, Vec<Self>),
    Not(Box<Self>),
    Minus(Box<Self>),
    Length(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
}

/// Operators that need both operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Expression {
    /// Reads an expression; nothing at all is nil.
    pub(super) fn new(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, size: 0, text };
        if parser.tokens.is_empty() {
            return Ok(Self { root: Node::Nil });
        }
        let root = parser.expression(0)?;
        match parser.peek() {
            None => Ok(Self { root }),
            Some(_) => Err(parser.error()),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(Vec<u8>),
    Name(String),
    Sign(&'static str),
}

const SIGNS: [&str; 23] = [
    "..", "==", "~=", "<=", ">=", "<", ">", "(", ")", "[", "]", ".", ":", ",", "#", "+", "-", "*", "/", "%", "^", "~",
    "=",
];

fn tokens(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_whitespace() {
            rest = &rest[1..];
        } else if first.is_ascii_digit() || first == '.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            let end = number_end(rest);
            let value = number(&rest[..end]);
            tokens.push(Token::Number(value.ok_or_else(|| malformed(text, &rest[..end]))?));
            rest = &rest[end..];
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if first == '"' || first == '\'' {
            let (value, after) = quoted(&rest[1..], first).ok_or_else(|| malformed(text, rest))?;
            tokens.push(Token::Text(value));
            rest = after;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            return Err(malformed(text, rest));
        }
    }
    Ok(tokens)
}

fn malformed(text: &str, near: &str) -> TemplateError {
    let near: String = near.chars().take(20).collect();
    TemplateError::new(format!("malformed expression '{text}' near '{near}'"))
}

fn number_end(text: &str) -> usize {
    let mut previous = b' ';
    text.bytes()
        .position(|byte| {
            let signed = matches!(byte, b'+' | b'-') && matches!(previous, b'e' | b'E') && !text.starts_with("0x");
            previous = byte;
            !(byte.is_ascii_alphanumeric() || byte == b'.' || signed)
        })
        .unwrap_or(text.len())
}

/// A string up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> Option<(Vec<u8>, &str)> {
    let mut value = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            _ if byte == quote as u8 => return Some((value, &text[at + 1..])),
            b'\\' => value.push(match bytes.next()?.1 {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                other if other.is_ascii_alphanumeric() => return None,
                other => other,
            }),
            b'\n' => return None,
            _ => value.push(byte),
        }
    }
    None
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    size: usize,
    text: &'a str,
}

/// How tightly unary operators bind.
const UNARY: u8 = 7;

/// A binary operator's name, how tightly it binds on its left and on its right.
fn binding(token: &Token) -> Option<(&str, u8, u8)> {
    match token {
        Token::Name(name) if name == "or" => Some(("or", 1, 1)),
        Token::Name(name) if name == "and" => Some(("and", 2, 2)),
        Token::Sign(sign @ ("==" | "~=" | "<" | "<=" | ">" | ">=")) => Some((sign, 3, 3)),
        Token::Sign("..") => Some(("..", 5, 4)),
        Token::Sign(sign @ ("+" | "-")) => Some((sign, 6, 6)),
        Token::Sign(sign @ ("*" | "/" | "%")) => Some((sign, 7, 7)),
        Token::Sign("^") => Some(("^", 10, 9)),
        _ => None,
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), TemplateError> {
        if self.take(sign) { Ok(()) } else { Err(self.error()) }
    }

    fn error(&self) -> TemplateError {
        let near = match self.peek() {
            None => "its end".to_owned(),
            Some(Token::Number(number)) => format!("'{number}'"),
            Some(Token::Text(text)) => format!("'{}'", String::from_utf8_lossy(text)),
            Some(Token::Name(name)) => format!("'{name}'"),
            Some(Token::Sign(sign)) => format!("'{sign}'"),
        };
        TemplateError::new(format!("malformed expression '{}' near {near}", self.text))
    }

    /// Everything built counts, so that neither reading nor evaluating can go deep.
    fn count(&mut self) -> Result<(), TemplateError> {
        self.size += 1;
        if self.size > SIZE_LIMIT {
            return Err(TemplateError::new(format!("an expression has at most {SIZE_LIMIT} parts")));
        }
        Ok(())
    }

    fn expression(&mut self, limit: u8) -> Result<Node, TemplateError> {
        self.count()?;
        let mut left = self.unary()?;
        while let Some((name, left_power, right_power)) = self.peek().and_then(binding) {
            if left_power <= limit {
                break;
            }
            let name = name.to_owned();
            self.at += 1;
            let right = Box::new(self.expression(right_power)?);
            left = join(&name, Box::new(left), right);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, TemplateError> {
        let make: fn(Box<Node>) -> Node = match self.peek() {
            Some(Token::Name(name)) if name == "not" => Node::Not,
            Some(Token::Sign("-")) => Node::Minus,
            Some(Token::Sign("#")) => Node::Length,
            _ => return self.suffixed(),
        };
        self.at += 1;
        Ok(make(Box::new(self.expression(UNARY)?)))
    }

    fn suffixed(&mut self) -> Result<Node, TemplateError> {
        let mut node = self.primary()?;
        loop {
            self.count()?;
            node = if self.take(".") {
                Node::Index(Box::new(node), Box::new(Node::Text(self.name()?.into_bytes().into())))
            } else if self.take("[") {
                let key = self.expression(0)?;
                self.expect("]")?;
                Node::Index(Box::new(node), Box::new(key))
            } else if self.take(":") {
                let name = self.name()?;
                self.expect("(")?;
                Node::Method(Box::new(node), name.into(), self.arguments()?)
            } else if self.take("(") {
                Node::Call(Box::new(node), self.arguments()?)
            } else {
                return Ok(node);
            };
        }
    }

    fn primary(&mut self) -> Result<Node, TemplateError> {
        let token = self.peek().cloned().ok_or_else(|| self.error())?;
        let node = match token {
            Token::Number(number) => Node::Number(number),
            Token::Text(text) => Node::Text(text.into()),
            Token::Name(name) => match &*name {
                "nil" => Node::Nil,
                "true" => Node::Boolean(true),
                "false" => Node::Boolean(false),
                "and" | "or" | "not" | "function" | "end" | "if" | "then" | "else" | "elseif" | "return" | "local"
                | "for" | "while" | "do" | "repeat" | "until" | "in" | "break" => return Err(self.error()),
                _ => Node::Name(name.into()),
            },
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign(_) => return Err(self.error()),
        };
        self.at += 1;
        Ok(node)
    }

    fn name(&mut self) -> Result<String, TemplateError> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.error()),
        }
    }

    /// Arguments after the opening parenthesis.
    fn arguments(&mut self) -> Result<Vec<Node>, TemplateError> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if !self.take(",") {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }
}

fn join(name: &str, left: Box<Node>, right: Box<Node>) -> Node {
    let operator = match name {
        "or" => return Node::Or(left, right),
        "and" => return Node::And(left, right),
        "==" => Operator::Equal,
        "~=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        ".." => Operator::Concat,
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Modulo,
        _ => Operator::Power,
    };
    Node::Binary(operator, left, right)
}
