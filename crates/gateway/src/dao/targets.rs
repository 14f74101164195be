//! Targets: written as people like, kept as `host:port`.

use gateway_model::entities::canonical_target;
use gateway_model::error::{DaoError, Fields};
use serde_json::Value;

use super::document::foreign_id;
use super::{By, Dao, is_uuid};

/// Brings the address of a target that is written into its form.
pub(super) fn normalise(given: &mut Fields) -> Result<(), DaoError> {
    let Some(Value::String(target)) = given.get_mut("target") else { return Ok(()) };
    if target.is_empty() {
        return Ok(());
    }
    *target = canonical_target(target).map_err(|message| DaoError::field("target", message))?;
    Ok(())
}

impl Dao {
    /// The target of an upstream by its id or its address.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn target(&self, upstream: &str, segment: &str) -> Result<Option<Fields>, DaoError> {
        let entity = self.entity("targets");
        let target = if is_uuid(segment) {
            self.select(entity, By::Id(segment)).await?
        } else {
            let Ok(address) = canonical_target(segment) else { return Ok(None) };
            self.targets(upstream)
                .await?
                .into_iter()
                .find(|target| target.get("target") == Some(&address.as_str().into()))
        };
        Ok(target.filter(|target| foreign_id(target, "upstream").is_some_and(|id| id.eq_ignore_ascii_case(upstream))))
    }

    /// The targets of an upstream, the newest first.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn targets(&self, upstream: &str) -> Result<Vec<Fields>, DaoError> {
        let mut targets = self.referring(self.entity("targets"), "upstreams", upstream).await?;
        targets.sort_by(|a, b| age(b).partial_cmp(&age(a)).unwrap_or(std::cmp::Ordering::Equal));
        Ok(targets)
    }
}

fn age(target: &Fields) -> (f64, &str) {
    let created = target.get("created_at").and_then(Value::as_f64).unwrap_or_default();
    (created, target.get("id").and_then(Value::as_str).unwrap_or_default())
}
