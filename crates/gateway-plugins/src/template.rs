//! Text with expressions in it: `Bearer $(headers.x_token or 'none')`.
//!
//! The expressions are those of Lua without statements, tables and functions of one's own. They see the request as
//! `headers`, `query_params`, `uri_captures` and `shared`. A template is read once and evaluated for every request.

mod evaluate;
mod parse;
mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use gateway_proxy::pdk::Headers;
use serde_json::{Map, Value as Json};

use parse::Expression;
pub(crate) use value::number;

/// The longest template.
const LENGTH_LIMIT: usize = 16 * 1024;

/// A template.
#[derive(Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Expression(Expression),
}

/// What expressions see of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) headers: &'a Headers,
    /// Without its `?`.
    pub(crate) query: &'a [u8],
    pub(crate) captures: &'a [(Box<str>, Box<str>)],
    pub(crate) shared: Option<&'a Map<String, Json>>,
}

/// Why there is no text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(String);

impl TemplateError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl Template {
    /// Reads a template.
    pub(crate) fn new(text: &str) -> Result<Self, TemplateError> {
        if text.len() > LENGTH_LIMIT {
            return Err(TemplateError::new(format!("a template may not be longer than {LENGTH_LIMIT} bytes")));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, expression, after)) = next_expression(rest) {
            push_text(&mut pieces, before);
            pieces.push(Piece::Expression(Expression::new(expression)?));
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Self { pieces })
    }

    /// Whether it has expressions, so that its text depends on the request.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Expression(_)))
    }

    /// The text for a request. `nil` and `false` are nothing.
    pub(crate) fn render<'a>(&'a self, scope: &Scope<'a>) -> Result<Cow<'a, [u8]>, TemplateError> {
        match &*self.pieces {
            [Piece::Text(text)] => Ok(Cow::Borrowed(text.as_bytes())),
            [Piece::Expression(expression)] => Ok(expression.evaluate(scope)?.into_text()),
            pieces => {
                let mut text = Vec::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(part) => text.extend_from_slice(part.as_bytes()),
                        Piece::Expression(expression) => {
                            text.extend_from_slice(&expression.evaluate(scope)?.into_text());
                        }
                    }
                }
                Ok(Cow::Owned(text))
            }
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

/// The text before the first `$(`, what is within its parentheses, and the text after them. A `$(` that is never
/// closed is text.
fn next_expression(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(start) = text[from..].find("$(").map(|at| from + at) {
        let inner = start + 2;
        let mut depth = 1_usize;
        for (at, byte) in text.as_bytes()[inner..].iter().enumerate() {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let end = inner + at;
                return Some((&text[..start], &text[inner..end], &text[end + 1..]));
            }
        }
        from = inner;
    }
    None
}
