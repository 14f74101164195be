//! Multipart forms, to be changed. Parts that stay are kept as they were sent.

use memchr::memmem;

/// A multipart form.
#[derive(Debug)]
pub(super) struct Form {
    delimiter: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    name: String,
    /// Head, empty line and content.
    text: Vec<u8>,
    content: usize,
}

impl Form {
    /// Reads a body; `None` when the content type names no boundary.
    pub(super) fn read(content_type: &str, body: &[u8]) -> Option<Self> {
        let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())?;
        let delimiter = format!("--{boundary}").into_bytes();
        let mut parts = Vec::new();
        let mut starts = memmem::find_iter(body, &delimiter).peekable();
        while let Some(start) = starts.next() {
            let text = &body[start + delimiter.len()..starts.peek().copied().unwrap_or(body.len())];
            if let Some(text) = text.strip_prefix(b"\r\n") {
                parts.push(Part::read(text.strip_suffix(b"\r\n").unwrap_or(text)));
            }
        }
        Some(Self { delimiter, parts })
    }

    /// The content of the part `name`.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let part = self.parts.iter().find(|part| part.name == name)?;
        Some(&part.text[part.content..])
    }

    /// Removes the parts `name`.
    pub(super) fn remove(&mut self, name: &str) {
        self.parts.retain(|part| part.name != name);
    }

    /// Gives the part `name` this content: a new one at the end if there is none.
    pub(super) fn set(&mut self, name: &str, content: &[u8]) {
        // Neither a name nor a content ends its part.
        let quoted = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let mut text = format!("Content-Disposition: form-data; name=\"{quoted}\"\r\n\r\n").into_bytes();
        let head = text.len();
        text.extend_from_slice(content);
        let part = Part { name: name.to_owned(), text, content: head };
        match self.parts.iter_mut().find(|part| part.name == name) {
            Some(old) => *old = part,
            None => self.parts.push(part),
        }
    }

    /// The body.
    pub(super) fn write(self) -> Vec<u8> {
        let mut body = Vec::new();
        for part in &self.parts {
            for piece in [&self.delimiter[..], b"\r\n", &part.text, b"\r\n"] {
                body.extend_from_slice(piece);
            }
        }
        body.extend_from_slice(&self.delimiter);
        body.extend_from_slice(b"--\r\n");
        body
    }
}

impl Part {
    fn read(text: &[u8]) -> Self {
        let content = memmem::find(text, b"\r\n\r\n").map_or(text.len(), |end| end + 4);
        let name = text[..content]
            .split(|byte| *byte == b'\n')
            .filter_map(|line| std::str::from_utf8(line).ok()?.trim_end().split_once(':'))
            .find(|(field, _)| field.eq_ignore_ascii_case("content-disposition"))
            .and_then(|(_, value)| parameter(value, "name"));
        Self { name: name.unwrap_or_default(), text: text.to_vec(), content }
    }
}

/// A parameter of a header's value, without quotes: `form-data; name="a"`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}
