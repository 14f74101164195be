//! Values of expressions for a request.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::parse::{Expression, Node, Operator};
use super::value::{Table, Value};
use super::{Scope, TemplateError};

/// The longest text that is built.
const TEXT_LIMIT: usize = 1024 * 1024;

impl Expression {
    pub(super) fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Result<Value<'a>, TemplateError> {
        evaluate(&self.root, scope)
    }
}

fn evaluate<'a>(node: &'a Node, scope: &Scope<'a>) -> Result<Value<'a>, TemplateError> {
    Ok(match node {
        Node::Nil => Value::Nil,
        Node::Boolean(value) => Value::Boolean(*value),
        Node::Number(number) => Value::Number(*number),
        Node::Text(text) => Value::Text(Cow::Borrowed(text)),
        Node::Name(name) => named(name, scope),
        Node::Index(table, key) => index(&evaluate(table, scope)?, &evaluate(key, scope)?)?,
        Node::Call(function, arguments) => call(&evaluate(function, scope)?, &values(arguments, scope)?)?,
        Node::Method(receiver, name, arguments) => {
            method(&evaluate(receiver, scope)?, name, &values(arguments, scope)?)?
        }
        Node::Not(operand) => Value::Boolean(!evaluate(operand, scope)?.is_true()),
        Node::Minus(operand) => Value::Number(-arithmetic(&evaluate(operand, scope)?)?),
        Node::Length(operand) => match evaluate(operand, scope)? {
            Value::Text(text) => Value::Number(text.len() as f64),
            Value::Table(table) => Value::Number(table.len() as f64),
            other => return Err(attempt("get length of", &other)),
        },
        Node::And(left, right) => match evaluate(left, scope)? {
            value if value.is_true() => evaluate(right, scope)?,
            value => value,
        },
        Node::Or(left, right) => match evaluate(left, scope)? {
            value if value.is_true() => value,
            _ => evaluate(right, scope)?,
        },
        Node::Binary(operator, left, right) => binary(*operator, evaluate(left, scope)?, evaluate(right, scope)?)?,
    })
}

fn values<'a>(nodes: &'a [Node], scope: &Scope<'a>) -> Result<Vec<Value<'a>>, TemplateError> {
    nodes.iter().map(|node| evaluate(node, scope)).collect()
}

fn attempt(what: &str, value: &Value<'_>) -> TemplateError {
    TemplateError::new(format!("attempt to {what} a {} value", value.type_name()))
}

fn named<'a>(name: &str, scope: &Scope<'a>) -> Value<'a> {
    match name {
        "headers" => Value::Table(Table::Headers(scope.headers)),
        "query_params" => Value::Table(Table::Query(scope.query)),
        "uri_captures" => Value::Table(Table::Captures(scope.captures)),
        "shared" => Value::Table(scope.shared.map_or(Table::Empty, Table::Object)),
        "type" => Value::Type,
        _ => Value::Nil,
    }
}

fn index<'a>(table: &Value<'a>, key: &Value<'_>) -> Result<Value<'a>, TemplateError> {
    match table {
        Value::Table(table) => Ok(table.get(key)),
        // Text has methods, which are no values here.
        Value::Text(_) => Ok(Value::Nil),
        other => Err(attempt("index", other)),
    }
}

fn call<'a>(function: &Value<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>, TemplateError> {
    match (function, arguments) {
        (Value::Type, [value, ..]) => Ok(Value::text(value.type_name())),
        (Value::Type, []) => Err(TemplateError::new("bad argument #1 to 'type' (value expected)")),
        (other, _) => Err(attempt("call", other)),
    }
}

fn method<'a>(receiver: &Value<'a>, name: &str, arguments: &[Value<'a>]) -> Result<Value<'a>, TemplateError> {
    let text: Cow<'_, [u8]> = match receiver {
        Value::Text(text) => Cow::Borrowed(&**text),
        Value::Number(_) => receiver.clone().into_text(),
        other => return Err(attempt("index", other)),
    };
    let whole = |at: usize, default: i64| match arguments.get(at) {
        None | Some(Value::Nil) => Ok(default),
        Some(value) => value
            .as_number()
            .map(|number| number as i64)
            .ok_or_else(|| TemplateError::new(format!("bad argument #{} to '{name}' (number expected)", at + 1))),
    };
    let text = match name {
        "upper" => text.to_ascii_uppercase(),
        "lower" => text.to_ascii_lowercase(),
        "reverse" => text.iter().rev().copied().collect(),
        "len" => return Ok(Value::Number(text.len() as f64)),
        "sub" => part(&text, whole(0, 1)?, whole(1, -1)?).to_vec(),
        "rep" => {
            let times = usize::try_from(whole(0, 0)?).unwrap_or(0);
            if text.len().checked_mul(times).is_none_or(|len| len > TEXT_LIMIT) {
                return Err(too_long());
            }
            text.repeat(times)
        }
        "gsub" => match arguments {
            [Value::Text(from), Value::Text(to), ..] => replace(&text, from, to)?,
            _ => return Err(TemplateError::new("bad arguments to 'gsub' (strings expected)")),
        },
        _ => return Err(TemplateError::new(format!("attempt to call method '{name}' (a nil value)"))),
    };
    Ok(Value::Text(Cow::Owned(text)))
}

/// The part from position `from` to position `to`, from 1; negative positions count from the end.
fn part(text: &[u8], from: i64, to: i64) -> &[u8] {
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { len.saturating_add(at).saturating_add(1) } else { at };
    let (from, to) = (place(from).max(1), place(to).min(len));
    if from > to {
        return &[];
    }
    let bound = |at: i64| usize::try_from(at).expect("between 0 and the length");
    &text[bound(from - 1)..bound(to)]
}

/// Every `from` as `to`; patterns are not understood, only text.
fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Result<Vec<u8>, TemplateError> {
    if from.is_empty() || from.iter().any(|byte| b"^$*+?.([%-".contains(byte)) || to.contains(&b'%') {
        return Err(TemplateError::new("gsub takes plain text here, not patterns"));
    }
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = 0;
    for found in memchr::memmem::find_iter(text, from) {
        replaced.extend_from_slice(&text[rest..found]);
        replaced.extend_from_slice(to);
        rest = found + from.len();
        if replaced.len() > TEXT_LIMIT {
            return Err(too_long());
        }
    }
    replaced.extend_from_slice(&text[rest..]);
    Ok(replaced)
}

fn too_long() -> TemplateError {
    TemplateError::new(format!("a text of more than {TEXT_LIMIT} bytes"))
}

fn arithmetic(value: &Value<'_>) -> Result<f64, TemplateError> {
    value.as_number().ok_or_else(|| attempt("perform arithmetic on", value))
}

fn binary<'a>(operator: Operator, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, TemplateError> {
    let calculated = |with: fn(f64, f64) -> f64| -> Result<Value<'a>, TemplateError> {
        Ok(Value::Number(with(arithmetic(&left)?, arithmetic(&right)?)))
    };
    match operator {
        Operator::Equal => Ok(Value::Boolean(equal(&left, &right))),
        Operator::NotEqual => Ok(Value::Boolean(!equal(&left, &right))),
        Operator::Less => Ok(Value::Boolean(compare(&left, &right)?.is_some_and(Ordering::is_lt))),
        Operator::LessOrEqual => Ok(Value::Boolean(compare(&left, &right)?.is_some_and(Ordering::is_le))),
        Operator::Greater => Ok(Value::Boolean(compare(&left, &right)?.is_some_and(Ordering::is_gt))),
        Operator::GreaterOrEqual => Ok(Value::Boolean(compare(&left, &right)?.is_some_and(Ordering::is_ge))),
        Operator::Concat => concat(left, right),
        Operator::Add => calculated(|a, b| a + b),
        Operator::Subtract => calculated(|a, b| a - b),
        Operator::Multiply => calculated(|a, b| a * b),
        Operator::Divide => calculated(|a, b| a / b),
        Operator::Modulo => calculated(|a, b| a - (a / b).floor() * b),
        Operator::Power => calculated(f64::powf),
    }
}

fn concat<'a>(left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, TemplateError> {
    for operand in [&left, &right] {
        if !matches!(operand, Value::Text(_) | Value::Number(_)) {
            return Err(attempt("concatenate", operand));
        }
    }
    let mut text = left.into_text().into_owned();
    text.extend_from_slice(&right.into_text());
    if text.len() > TEXT_LIMIT { Err(too_long()) } else { Ok(Value::Text(Cow::Owned(text))) }
}

fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Nil, Value::Nil) | (Value::Type, Value::Type) => true,
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        _ => false,
    }
}

fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, TemplateError> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        _ => Err(TemplateError::new(format!("attempt to compare {} with {}", left.type_name(), right.type_name()))),
    }
}
