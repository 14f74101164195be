//! Which media types are kept.

/// A media type, or all of one type: `text/*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    kind: String,
    subtype: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads a type with its parameters; nothing when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
        });
        Some(Self {
            kind: kind.trim().to_ascii_lowercase(),
            subtype: subtype.trim().to_ascii_lowercase(),
            parameters: parameters.collect(),
        })
    }

    /// Whether this includes `other`: the same or any type, and exactly the same parameters.
    pub(super) fn includes(&self, other: &Self) -> bool {
        let same = |own: &str, others: &str| own == "*" || own == others;
        same(&self.kind, &other.kind)
            && same(&self.subtype, &other.subtype)
            && self.parameters.len() == other.parameters.len()
            && self.parameters.iter().all(|parameter| other.parameters.contains(parameter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_to_be_the_same() {
        let includes = |own, other| MediaType::parse(own).unwrap().includes(&MediaType::parse(other).unwrap());
        assert!(includes("application/json; charset=utf-8", "Application/JSON;charset=utf-8"));
        assert!(!includes("application/json", "application/json; charset=utf-8"));
        assert!(!includes("application/json; charset=utf-8", "application/json; charset=UTF-8"));
        assert!(includes("text/*", "text/html"));
        assert!(includes("*/*", "image/png"));
        assert!(!includes("text/*", "image/png"));
        assert_eq!(MediaType::parse("json"), None);
    }
}
