//! `multipart/form-data` as a list of named parts, each kept as it was sent.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;

/// A multipart form.
#[derive(Debug)]
pub(crate) struct Multipart {
    boundary: Vec<u8>,
    parts: Vec<Part>,
}

/// What stands between two boundaries.
#[derive(Debug)]
struct Part {
    name: Option<String>,
    /// Head, empty line and content, without the line end before the boundary.
    text: Vec<u8>,
    content: usize,
}

impl Multipart {
    /// Reads a body; `None` when the content type names no boundary.
    pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Self> {
        let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())?;
        let delimiter = format!("--{boundary}").into_bytes();
        let mut parts = Vec::new();
        let mut starts = memmem::find_iter(body, &delimiter).peekable();
        while let Some(start) = starts.next() {
            let text = &body[start + delimiter.len()..starts.peek().copied().unwrap_or(body.len())];
            let Some(text) = text.strip_prefix(b"\r\n") else { continue };
            parts.push(Part::read(text.strip_suffix(b"\r\n").unwrap_or(text)));
        }
        Some(Self { boundary: delimiter, parts })
    }

    /// The content of the first part `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get_bytes(name).map(String::from_utf8_lossy)
    }

    /// The content of the first part `name`, as it was sent.
    pub(crate) fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        let part = self.parts.iter().find(|part| part.is(name))?;
        Some(&part.text[part.content..])
    }

    /// The named parts.
    pub(crate) fn as_json(&self) -> Value {
        let text = |part: &Part| String::from_utf8_lossy(&part.text[part.content..]).into_owned();
        let named = self.parts.iter().filter_map(|part| Some((part.name.clone()?, Value::String(text(part)))));
        Value::Object(named.collect())
    }

    /// Removes the parts `name`.
    pub(crate) fn remove(&mut self, name: &str) {
        self.parts.retain(|part| !part.is(name));
    }

    /// Gives the part `name` this content: a new one at the end if there is none.
    pub(crate) fn set(&mut self, name: &str, content: &[u8]) {
        // Neither a name nor a content ends its part.
        let quoted = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let mut text = format!("Content-Disposition: form-data; name=\"{quoted}\"\r\n\r\n").into_bytes();
        let head = text.len();
        text.extend_from_slice(content);
        let part = Part { name: Some(name.to_owned()), text, content: head };
        match self.parts.iter_mut().find(|part| part.is(name)) {
            Some(old) => *old = part,
            None => self.parts.push(part),
        }
    }

    /// The body.
    pub(crate) fn write(self) -> Vec<u8> {
        let mut body = Vec::new();
        for part in &self.parts {
            for piece in [&self.boundary[..], b"\r\n", &part.text, b"\r\n"] {
                body.extend_from_slice(piece);
            }
        }
        body.extend_from_slice(&self.boundary);
        body.extend_from_slice(b"--\r\n");
        body
    }
}

impl Part {
    fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    fn read(text: &[u8]) -> Self {
        let (head, content) = match memmem::find(text, b"\r\n\r\n") {
            Some(end) => (&text[..end], end + 4),
            None => (text, text.len()),
        };
        let name = head
            .split(|byte| *byte == b'\n')
            .filter_map(|line| std::str::from_utf8(line).ok())
            .filter_map(|line| line.trim_end().split_once(':'))
            .find(|(field, _)| field.eq_ignore_ascii_case("content-disposition"))
            .and_then(|(_, value)| parameter(value, "name"));
        Self { name, text: text.to_vec(), content }
    }
}

/// A parameter of a header's value, without quotes: `form-data; name="a"`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xx\r\nContent-Disposition: \
                        form-data; name=\"b\"\r\n\r\nx\r\ny\r\n--xx--\r\n";

    #[test]
    fn parts_are_found_and_removed_by_name() {
        let mut form = Multipart::read("multipart/form-data; boundary=\"xx\"", BODY.as_bytes()).unwrap();
        assert_eq!(form.get("b").unwrap(), "x\r\ny");
        assert!(form.get("c").is_none());
        form.remove("a");
        let left = String::from_utf8(form.write()).unwrap();
        assert_eq!(left, "--xx\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nx\r\ny\r\n--xx--\r\n");
    }

    #[test]
    fn a_broken_body_has_no_parts() {
        let form = Multipart::read("multipart/form-data; boundary=xx", b"--xx").unwrap();
        assert!(form.get("a").is_none());
        assert!(Multipart::read("multipart/form-data", BODY.as_bytes()).is_none());
    }
}
