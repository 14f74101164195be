//! References to secrets: `{vault://env/my-secret}` stands for what the environment has as `MY_SECRET`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

/// Where references lead.
#[derive(Clone, Debug, Default)]
pub struct References {
    environment: Arc<HashMap<String, String>>,
    /// What names of variables begin with, by the prefix of the vault.
    vaults: HashMap<Arc<str>, Arc<str>>,
}

/// A vault as it is stored.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Vault {
    prefix: Arc<str>,
    #[serde(default)]
    config: Option<VaultConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct VaultConfig {
    #[serde(default)]
    prefix: Option<Arc<str>>,
}

impl References {
    /// References into this environment, by the vault `env` alone.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { environment: Arc::new(environment.into_iter().collect()), vaults: HashMap::new() }
    }

    /// The same with these vaults.
    pub(crate) fn set_vaults<'a>(&mut self, vaults: impl Iterator<Item = &'a Arc<Vault>>) {
        self.vaults = vaults
            .map(|vault| {
                let prefix = vault.config.as_ref().and_then(|config| config.prefix.clone());
                (Arc::clone(&vault.prefix), prefix.unwrap_or_default())
            })
            .collect();
    }

    /// Puts what they stand for in the place of all references in a document. The error names the first that stands
    /// for nothing.
    pub(crate) fn resolve(&self, document: &mut Value) -> Result<(), String> {
        match document {
            Value::String(text) => {
                if let Some(value) = self.lookup(text)? {
                    *text = value;
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.resolve(item)),
            Value::Object(fields) => fields.values_mut().try_for_each(|field| self.resolve(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    /// What a text stands for; `None` if it is no reference.
    ///
    /// # Errors
    /// It stands for nothing; without secrets.
    pub fn lookup(&self, text: &str) -> Result<Option<String>, String> {
        let Some(reference) = text.strip_prefix("{vault://").and_then(|rest| rest.strip_suffix('}')) else {
            return Ok(None);
        };
        let path = reference.split('?').next().unwrap_or_default();
        let mut parts = path.split('/');
        let (vault, name, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
        let prefix = match self.vaults.get(vault) {
            Some(prefix) => &**prefix,
            None if vault == "env" => "",
            None => return Err(format!("{text}: there is no vault {vault:?}")),
        };
        let variable = format!("{prefix}{name}").replace('-', "_").to_ascii_uppercase();
        let value = self.environment.get(&variable).ok_or_else(|| format!("{text}: {variable} is not set"))?;
        let Some(key) = key else { return Ok(Some(value.clone())) };
        let fields: Value = serde_json::from_str(value).map_err(|_| format!("{text}: {variable} is not JSON"))?;
        match fields.get(key) {
            Some(Value::String(value)) => Ok(Some(value.clone())),
            Some(value) => Ok(Some(value.to_string())),
            None => Err(format!("{text}: {variable} has no {key:?}")),
        }
    }
}

/// Whether a document has any reference.
pub(crate) fn any_in(document: &Value) -> bool {
    match document {
        Value::String(text) => text.starts_with("{vault://"),
        Value::Array(items) => items.iter().any(any_in),
        Value::Object(fields) => fields.values().any(any_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn references() -> References {
        let environment = [("MY_SECRET", "hush"), ("APP_DB", r#"{"user":"u","port":5}"#)];
        let mut references = References::new(environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let vault: Vault = serde_json::from_value(json!({"prefix": "app", "config": {"prefix": "app-"}})).unwrap();
        references.set_vaults([Arc::new(vault)].iter());
        references
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        let mut document = json!({"a": "{vault://env/my-secret}", "b": ["{vault://app/db/user}", "plain"], "c": "{vault://app/db/port?ttl=1}"});
        assert!(any_in(&document));
        references().resolve(&mut document).unwrap();
        assert_eq!(document, json!({"a": "hush", "b": ["u", "plain"], "c": "5"}));
        assert!(!any_in(&document));
    }

    #[test]
    fn a_reference_to_nothing_is_an_error_that_shows_no_value() {
        for reference in
            ["{vault://env/none}", "{vault://nope/x}", "{vault://env/my-secret/key}", "{vault://app/db/none}"]
        {
            let error = references().resolve(&mut json!([reference])).unwrap_err();
            assert!(error.contains(reference) && !error.contains("hush"), "{error}");
        }
    }
}
