//! What is known about documents before one is seen: what their checks say to fields that nothing is given for.

use serde_json::Map;

use super::defaults::Fallback;
use super::entity_check::{self, EntityCheck};
use super::filled::{Filled, Places};
use super::validate::{self, Completeness, Error};
use super::view::View;

/// What is known about the documents that are completed by one schema and checked by the same, or by one with the same
/// fields at the same places.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    /// The defaults that are wrong, in order, by their places.
    pub(super) wrong: Box<[(usize, Error)]>,
    /// The places of required fields without a default.
    pub(super) needed: Box<[usize]>,
    /// In the order of the checks across fields.
    pub(super) checks: Box<[Foreseen]>,
}

/// What is known about a check.
#[derive(Clone, Debug, Default)]
pub(super) struct Foreseen {
    /// It has nothing to say while none of the fields at these places is given.
    pub(super) quiet_without: Option<Places>,
    /// It runs on every document that nothing else is wrong with.
    pub(super) always_runs: bool,
    /// Whether its condition holds while the field at this place is not given.
    pub(super) applies: Option<(usize, bool)>,
}

impl Ahead {
    pub(super) fn new(completed: View<'_>, view: View<'_>) -> Self {
        let defaults = completed.record().defaults();
        let same = std::ptr::eq(completed.record(), view.record());
        let known = |at: usize| same || !(completed.is_specialised() || view.record().replaces(at));
        let mut wrong = Vec::new();
        for (at, (field, unset)) in view.fields().zip(&defaults.all).enumerate() {
            if let Fallback::Value { value, checked } = &unset.fallback {
                let checked = if known(at) { checked.clone() } else { validate::field(field, None, value) };
                wrong.extend(checked.err().map(|error| (at, error)));
            }
        }
        let needed =
            view.fields().enumerate().filter(|(at, field)| field.is_required() && defaults.value(*at).is_none());
        let empty = Filled::empty(completed).viewed(view);
        Self {
            wrong: wrong.into(),
            needed: needed.map(|(at, _)| at).collect(),
            checks: view.checks().map(|check| Foreseen::new(check, &empty)).collect(),
        }
    }
}

impl Foreseen {
    /// What there is to know from the document that nothing is given for.
    fn new(check: &EntityCheck, empty: &Filled<'_>) -> Self {
        let view = empty.view();
        let place = |path: &str| view.record().index.get(path.split('.').next().unwrap_or(path));
        let looks_at = |check: &EntityCheck| {
            let mut places = Some(Places::default());
            check.each_source(&mut |path, _| {
                places = places.zip(place(path)).map(|(places, place)| places.with(place));
            });
            places
        };
        let quiet = || {
            let mut errors = Map::new();
            entity_check::run(check, view, empty, Completeness::Full, &mut errors);
            errors.is_empty()
        };
        // What code looks at is not known.
        let quiet_without =
            if matches!(check, EntityCheck::Custom { .. }) { None } else { looks_at(check).filter(|_| quiet()) };
        let applies = check.condition().and_then(|(field, wanted)| {
            let at = view.record().index.get(field)?;
            Some((at, entity_check::matches(view, empty, field, wanted)))
        });
        Self { quiet_without, always_runs: always_runs(check, empty), applies }
    }
}

/// Whether nothing that can be given keeps a check from running, but for errors that were found before.
fn always_runs(check: &EntityCheck, empty: &Filled<'_>) -> bool {
    let view = empty.view();
    let with_missing = check.rules().with_missing;
    let (mut any, mut always) = (with_missing, true);
    check.each_source(&mut |path, required| {
        let Some(at) = view.record().index.get(path) else {
            always &= !path.contains('.');
            return;
        };
        let there = empty.at(at).is_some();
        any |= there;
        always &= !view.record().fields[at].flags.referenceable && (there || !required || with_missing);
    });
    any && always
}
