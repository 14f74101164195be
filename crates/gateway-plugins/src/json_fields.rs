//! Fields of JSON bodies, changed the way the transformers do: top-level names, taken literally.

use serde_json::{Map, Number, Value};

/// A body whose fields can be changed.
#[derive(Debug)]
pub(crate) enum Fields {
    Object(Map<String, Value>),
    /// A list has no fields: changes are without effect, yet it is written anew.
    List(Vec<Value>),
}

impl Fields {
    /// Gives back what is neither an object nor a list.
    pub(crate) fn new(body: Value) -> Result<Self, Value> {
        match body {
            Value::Object(fields) => Ok(Self::Object(fields)),
            Value::Array(items) => Ok(Self::List(items)),
            other => Err(other),
        }
    }

    /// Whether the field is there and not `false`.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(self, Self::Object(fields) if fields.get(name).is_some_and(|value| *value != Value::Bool(false)))
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        match self {
            Self::Object(fields) => fields.shift_remove(name),
            Self::List(_) => None,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if let Self::Object(fields) = self {
            fields.insert(name.to_owned(), value);
        }
    }

    /// Makes a list of the field's value and `value`. A value that is no text, list or object gives way.
    pub(crate) fn append(&mut self, name: &str, value: Value) {
        let Self::Object(fields) = self else { return };
        match fields.get_mut(name) {
            Some(Value::Array(items)) => items.push(value),
            Some(Value::Object(object)) if !object.is_empty() => {
                let free = (1_usize..).map(|at| at.to_string()).find(|key| !object.contains_key(key));
                object.insert(free.expect("an object does not have every number"), value);
            }
            Some(old @ Value::String(_)) => {
                let first = old.take();
                *old = Value::Array(vec![first, value]);
            }
            _ => self.set(name, Value::Array(vec![value])),
        }
    }

    /// Compact, whole numbers without a fraction.
    pub(crate) fn write(self) -> Vec<u8> {
        let mut body = match self {
            Self::Object(fields) => Value::Object(fields),
            Self::List(items) => Value::Array(items),
        };
        plain_numbers(&mut body);
        body.to_string().into_bytes()
    }
}

fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().expect("it is one");
            if float.fract() == 0.0 && float.abs() < 1e15 {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(fields) => fields.values_mut().for_each(plain_numbers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn appending_depends_on_what_is_there() {
        let body = json!({ "s": "a", "l": ["a"], "n": 1, "z": null, "o": { "a": 1.0 }, "e": {} });
        let mut fields = Fields::new(body).unwrap();
        for name in ["s", "l", "n", "z", "o", "o", "e", "new"] {
            fields.append(name, json!("x"));
        }
        let expected = json!({
            "s": ["a", "x"], "l": ["a", "x"], "n": ["x"], "z": ["x"], "o": { "a": 1, "1": "x", "2": "x" }, "e": ["x"],
            "new": ["x"],
        });
        assert_eq!(String::from_utf8(fields.write()).unwrap(), expected.to_string());
    }

    #[test]
    fn lists_have_no_fields() {
        let mut fields = Fields::new(json!([1, 2.0])).unwrap();
        fields.set("a", json!(1));
        fields.append("b", json!(1));
        assert!(fields.remove("a").is_none() && !fields.has("a"));
        assert_eq!(fields.write(), b"[1,2]");
        assert_eq!(Fields::new(json!("s")).unwrap_err(), json!("s"));
    }
}
