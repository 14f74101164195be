//! The names of a certificate, which are documents of their own but are written and shown with it.

use std::collections::BTreeSet;

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use serde_json::{Value, json};
use store::{Op, Query};

use super::document::draft;
use super::write::key_in;
use super::{By, Dao, Rim, failed, key};

/// What becomes of a certificate's names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SniChange {
    /// They stay.
    Unsaid,
    /// These and no others.
    To(Vec<String>),
}

impl Dao {
    /// Takes `snis` out of a certificate that is written. `id` is that of the certificate, if it has one already.
    pub(super) async fn snis_of(
        &self,
        entity: &EntitySchema,
        given: &mut Fields,
        id: Option<&str>,
    ) -> Result<SniChange, DaoError> {
        if entity.name() != "certificates" {
            return Ok(SniChange::Unsaid);
        }
        let names = match given.get("snis") {
            None => return Ok(SniChange::Unsaid),
            Some(Value::Null) => Vec::new(),
            // An empty object stands for an empty list.
            Some(Value::Object(object)) if object.is_empty() => Vec::new(),
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            // The schema has something to say about that.
            Some(_) => return Ok(SniChange::Unsaid),
        };
        given.shift_remove("snis");
        let mut seen = BTreeSet::new();
        for name in &names {
            if !seen.insert(name) {
                return Err(DaoError::field("snis", format!("{name} is duplicated")));
            }
        }
        let snis = self.entity("snis");
        for name in &names {
            let Some(sni) = self.select(snis, By::Name(name)).await? else { continue };
            let owner = sni.get("certificate").and_then(|certificate| certificate["id"].as_str()).unwrap_or_default();
            if id.is_none_or(|id| !id.eq_ignore_ascii_case(owner)) {
                let text = format!("{name} already associated with existing certificate '{owner}'");
                return Err(DaoError::field("snis", text));
            }
        }
        Ok(SniChange::To(names))
    }

    /// Creates the names that are new.
    pub(super) fn sni_steps(
        &self,
        certificate: &Fields,
        snis: &SniChange,
        steps: &mut Vec<Op>,
    ) -> Result<(), DaoError> {
        let SniChange::To(names) = snis else { return Ok(()) };
        let entity = self.entity("snis");
        let kept: BTreeSet<String> = steps
            .iter()
            .filter_map(|step| match step {
                Op::Put(draft, _) if &*draft.key.collection == "snis" => {
                    draft.unique.first().map(|(_, name)| name.clone())
                }
                _ => None,
            })
            .collect();
        for name in names.iter().filter(|name| !kept.contains(*name)) {
            let given = json!({ "name": name, "certificate": { "id": certificate.get("id") } });
            let Value::Object(given) = given else { unreachable!("it was just built as an object") };
            let sni = entity.insert(given, &mut Rim::new(self.clock.clone()))?;
            steps.push(Op::Create(draft(entity, &sni, None)));
        }
        Ok(())
    }

    /// Deletes the names that a certificate is to have no longer, and notes those it keeps.
    pub(super) async fn drop_snis(
        &self,
        certificate: &Fields,
        snis: &SniChange,
        steps: &mut Vec<Op>,
    ) -> Result<(), DaoError> {
        let SniChange::To(names) = snis else { return Ok(()) };
        let naming = Some(key_in("certificates", certificate));
        let there = self.store.list(Query { naming, ..Query::all("snis") }).await.map_err(failed)?;
        for record in there.records {
            let keep = record.draft.unique.iter().any(|(_, name)| names.contains(name));
            steps.push(match keep {
                true => Op::Put(record.draft.clone(), None),
                false => Op::Delete(record.draft.key.clone(), None),
            });
        }
        Ok(())
    }

    /// The names of the certificate of this id, sorted.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn snis_named(&self, id: &str) -> Result<Vec<String>, DaoError> {
        let naming = Some(key("certificates", id));
        let snis = self.store.list(Query { naming, ..Query::all("snis") }).await.map_err(failed)?;
        let mut names: Vec<String> =
            snis.records.iter().flat_map(|sni| &sni.draft.unique).map(|(_, name)| name.clone()).collect();
        names.sort();
        Ok(names)
    }
}
