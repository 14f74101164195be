//! Versions: our own, and Envoy's.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;

const OWN: &str = env!("CARGO_PKG_VERSION");

/// Our version as the control plane wants to know it.
pub(crate) fn own() -> Value {
    json!({ "version": OWN, "gitTag": "unknown", "gitCommit": "unknown", "buildDate": "unknown" })
}

/// Our version for people.
pub(crate) fn text(detailed: bool) -> String {
    if detailed {
        format!("Product:       Higuma\nVersion:       {OWN}\nEnvoy:         {OLDEST_ENVOY} or later\n")
    } else {
        format!("Higuma {OWN}\n")
    }
}

const OLDEST_ENVOY: &str = "1.22";

/// The version of an Envoy program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envoy {
    /// `1.40.0`; empty when the program did not say.
    pub(crate) version: String,
    /// `<commit>/1.40.0/Clean/RELEASE/BoringSSL`
    pub(crate) build: String,
}

impl Envoy {
    /// Asks the program. Fails when there is none.
    pub(crate) async fn of(binary: &Path) -> Result<Self, Failure> {
        const PATIENCE: Duration = Duration::from_secs(20);
        let failed = |reason: String| Failure::Binary(format!("{}: {reason}", binary.display()));
        let output =
            tokio::process::Command::new(binary).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .map_err(|_| failed(format!("--version took longer than {PATIENCE:?}")))?
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(format!("--version failed with {}", output.status)));
        }
        let envoy = Self::parse(&String::from_utf8_lossy(&output.stdout));
        if !envoy.is_compatible() {
            tracing::warn!(version = envoy.version, oldest = OLDEST_ENVOY, "This version of Envoy is not supported");
        }
        Ok(envoy)
    }

    /// Reads `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
    fn parse(text: &str) -> Self {
        let build = text.split_once("version:").map_or("", |(_, rest)| rest.trim());
        let build = build.split_whitespace().next().unwrap_or_default();
        Self { version: build.split('/').nth(1).unwrap_or_default().to_owned(), build: build.to_owned() }
    }

    /// Whether it reads the configuration it will get.
    pub(crate) fn is_compatible(&self) -> bool {
        let mut numbers = self.version.split(['.', '-']).map(str::parse::<u32>);
        matches!((numbers.next(), numbers.next()), (Some(Ok(1)), Some(Ok(22..))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_envoy_prints() {
        let envoy = Envoy::parse("\nenvoy  version: 9e55809/1.40.0/Clean/RELEASE/BoringSSL\n\n");
        assert_eq!(envoy.version, "1.40.0");
        assert_eq!(envoy.build, "9e55809/1.40.0/Clean/RELEASE/BoringSSL");
        assert!(envoy.is_compatible());
    }

    #[test]
    fn old_and_unknown_versions_are_not_compatible() {
        for text in ["", "version:", "version: a/1.12.2/Clean", "version: a/x.y/Clean", "nonsense"] {
            assert!(!Envoy::parse(text).is_compatible(), "{text}");
        }
        assert!(Envoy::parse("version: a/1.37.0-dev/Modified").is_compatible());
    }
}
