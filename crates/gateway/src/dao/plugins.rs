//! What holds between a plugin and what it is put on.

use std::collections::BTreeSet;

use gateway_model::error::{DaoError, Fields};
use serde_json::{Value, json};
use store::Query;

use super::document::{foreign_id, stored};
use super::{Dao, failed, key};

impl Dao {
    /// A plugin with protocols of its own must share one with its route, or with a route of its service.
    pub(super) async fn check_protocols(&self, given: &Fields, current: Option<&Fields>) -> Result<(), DaoError> {
        let mut plugin = current.cloned().unwrap_or_default();
        plugin.extend(given.clone());
        let Some(protocols) = plugin.get("protocols").and_then(Value::as_array) else { return Ok(()) };
        let protocols: BTreeSet<&str> = protocols.iter().filter_map(Value::as_str).collect();
        let shares = |route: &Fields| {
            let theirs = route.get("protocols").and_then(Value::as_array);
            theirs.is_some_and(|theirs| theirs.iter().filter_map(Value::as_str).any(|each| protocols.contains(each)))
        };
        if let Some(id) = foreign_id(&plugin, "route") {
            let route = self.store.get(&key("routes", id)).await.map_err(failed)?;
            if let Some(route) = route
                && !shares(&stored(&route)?)
            {
                return Err(mismatch("must match the associated route's protocols"));
            }
        } else if let Some(id) = foreign_id(&plugin, "service") {
            let routes = self.referring(self.entity("routes"), "services", id).await?;
            let any = routes.is_empty() || routes.iter().any(shares);
            if !any {
                let text = "must match the protocols of at least one route pointing to this Plugin's service";
                return Err(mismatch(text));
            }
        }
        Ok(())
    }

    /// The names of the plugins that there are documents of, also of those switched off, each once.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn used_plugins(&self) -> Result<Vec<Value>, DaoError> {
        let mut names = Vec::new();
        for record in self.store.list(Query::all("plugins")).await.map_err(failed)?.records {
            if let Some(name) = stored(&record)?.shift_remove("name")
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        Ok(names)
    }
}

fn mismatch(message: &str) -> DaoError {
    DaoError::SchemaViolation(Fields::from_iter([("protocols".to_owned(), json!(message))]))
}
