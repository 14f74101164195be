//! Routes: read, kept by number, and put into the router one after the other while they are at hand.
//!
//! A configuration may have a hundred thousand of them, so that what is done for each of them is kept small.

use std::sync::Arc;

use foldhash::quality::RandomState;
use gateway_model::typed::Route;
use gateway_router::{Edit, Entry, RouteError};
use indexmap::IndexMap;
use indexmap::map::Entry as Slot;

use super::documents::{Map, Set};
use super::{Compiler, Id, Problem};
use crate::config::RouteRuntime;

/// A change of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteChange<'a> {
    pub(super) id: &'a str,
    /// JSON; `None` if it is gone.
    pub(super) document: Option<&'a str>,
}

/// The routes as they are now.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// By id. A route's number is where it is here; the last one takes the place of one that goes.
    kept: IndexMap<Id, Kept, RandomState>,
    /// Numbers.
    of_service: Map<Id, Vec<u32>>,
}

#[derive(Debug)]
struct Kept {
    document: Arc<Route>,
    /// The number of the chain it uses, once it is compiled.
    chain: Option<u32>,
    /// Where it is among those of its service.
    at: u32,
    /// Where it is in the router, if it is there.
    entry: Option<Entry<RouteRuntime>>,
}

/// What compiling routes needs and makes.
struct Work {
    edit: Edit<RouteRuntime>,
    service: Service,
    /// Routes that cannot be matched.
    refused: Vec<(Id, RouteError)>,
}

/// The service that the last route was of: the next one mostly has the same.
#[derive(Debug, Default)]
struct Service {
    id: Option<Id>,
    number: Option<usize>,
    enabled: bool,
}

impl Routes {
    /// The ids of all routes.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.kept.keys()
    }

    /// The ids of a service's routes.
    pub(super) fn of_service(&self, service: &str) -> impl Iterator<Item = &Id> {
        let numbers = self.of_service.get(service).map_or(&[][..], Vec::as_slice);
        numbers.iter().filter_map(|number| self.kept.get_index(*number as usize)).map(|(id, _)| id)
    }

    /// Makes room for many at once if there are none.
    fn expect(&mut self, count: usize) {
        if self.kept.is_empty() {
            self.kept.reserve_exact(count);
        }
    }

    /// Takes a document over, and tells its number.
    fn put(&mut self, id: &str, document: Arc<Route>) -> usize {
        let key = if *document.id == *id { Arc::clone(&document.id) } else { id.into() };
        match self.kept.entry(key) {
            Slot::Vacant(slot) => {
                let number = slot.index();
                let at = service_of(&document).map_or(0, |service| link(&mut self.of_service, service, number));
                slot.insert(Kept { document, chain: None, at, entry: None });
                number
            }
            Slot::Occupied(mut slot) => {
                let number = slot.index();
                let before = std::mem::replace(&mut slot.get_mut().document, document);
                let document = &slot.get().document;
                if service_of(&before) != service_of(document) {
                    let at = service_of(document).map_or(0, |service| link(&mut self.of_service, service, number));
                    let left = std::mem::replace(&mut slot.get_mut().at, at);
                    self.unlink(&before, left);
                }
                number
            }
        }
    }

    /// Forgets a route, and gives what was kept of it.
    fn remove(&mut self, id: &str) -> Option<Kept> {
        let (number, _, kept) = self.kept.swap_remove_full(id)?;
        if let Some((_, moved)) = self.kept.get_index(number)
            && let Some(service) = service_of(&moved.document)
            && let Some(list) = self.of_service.get_mut(service)
        {
            list[moved.at as usize] = small(number);
        }
        self.unlink(&kept.document, kept.at);
        Some(kept)
    }

    /// Takes a route from the list of its service, where the last one takes the free place.
    fn unlink(&mut self, document: &Route, at: u32) {
        let Some(service) = service_of(document) else { return };
        let Some(list) = self.of_service.get_mut(service) else { return };
        list.swap_remove(at as usize);
        if let Some(moved) = list.get(at as usize) {
            self.kept[*moved as usize].at = at;
        } else if list.is_empty() {
            self.of_service.remove(service);
        }
    }
}

/// Puts a route at the end of the list of its service, and tells where that is.
fn link(of_service: &mut Map<Id, Vec<u32>>, service: &Id, number: usize) -> u32 {
    let list = match of_service.get_mut(service) {
        Some(list) => list,
        None => of_service.entry(Arc::clone(service)).or_default(),
    };
    list.push(small(number));
    small(list.len() - 1)
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("there are fewer routes than that in memory")
}

fn service_of(route: &Route) -> Option<&Id> {
    route.service.as_ref().map(|service| &service.id)
}

impl Compiler {
    /// Takes changes of routes over, compiles these routes and those whose id is in `touched`, and exchanges the
    /// router. `step` is called for each change.
    pub(super) fn compile_routes(
        &mut self,
        changes: &[RouteChange<'_>],
        touched: Set<Id>,
        problems: &mut Vec<Problem>,
        mut step: impl FnMut(),
    ) {
        if changes.is_empty() && touched.is_empty() {
            return;
        }
        self.routes.expect(changes.len());
        let mut work = Work { edit: self.router.edit(), service: Service::default(), refused: Vec::new() };
        let problem = |id: &str, reason| Problem { collection: "routes".to_owned(), id: id.to_owned(), reason };
        for RouteChange { id, document } in changes {
            step();
            match document.map(serde_json::from_str) {
                Some(Ok(route)) => self.put_route(id, route, &mut work),
                Some(Err(error)) => problems.push(problem(id, error.to_string())),
                None => self.remove_route(id, &mut work),
            }
        }
        for id in touched {
            if let Some(number) = self.routes.kept.get_index_of(&id) {
                self.compile_route(number, &mut work);
            }
        }
        self.router = work.edit.finish();
        problems.extend(work.refused.into_iter().map(|(id, error)| problem(&id, error.to_string())));
    }

    fn put_route(&mut self, id: &str, mut route: Route, work: &mut Work) {
        if let Some(of) = &mut route.service {
            self.look_up(Some(&of.id), &mut work.service);
            if let Some(shared) = &work.service.id {
                of.id = Arc::clone(shared);
            }
        }
        let number = self.routes.put(id, Arc::new(route));
        self.compile_route(number, work);
    }

    fn remove_route(&mut self, id: &str, work: &mut Work) {
        let Some(kept) = self.routes.remove(id) else { return };
        work.forget_refusal(id);
        if let Some(chain) = kept.chain {
            self.chains.leave(chain);
        }
        if let Some(entry) = kept.entry {
            work.edit.remove(entry);
        }
    }

    fn compile_route(&mut self, number: usize, work: &mut Work) {
        let Kept { document, chain: before, entry, .. } = &mut self.routes.kept[number];
        work.forget_refusal(&document.id);
        if let Some(entry) = entry.take() {
            work.edit.remove(entry);
        }
        let (document, before) = (Arc::clone(document), *before);
        self.look_up(service_of(&document), &mut work.service);
        let own = self.documents.plugins_of_route.contains_key(&document.id).then(|| Arc::clone(&document.id));
        let chain = self.chains.join((own, work.service.id.clone()), &self.plugins);
        if let Some(before) = before {
            self.chains.leave(before);
        }
        let runtime = RouteRuntime::new(document, work.service.number, chain as usize, self.settings.router_flavor);
        let entry = if work.service.enabled && runtime.is_http { work.put(runtime) } else { None };
        let kept = &mut self.routes.kept[number];
        (kept.chain, kept.entry) = (Some(chain), entry);
    }

    fn look_up(&self, id: Option<&Id>, service: &mut Service) {
        if service.id.as_ref() == id && service.id.is_some() {
            return;
        }
        let known = id.and_then(|id| self.documents.services.get_key_value(id));
        *service = Service {
            id: known.map(|(id, _)| id).or(id).cloned(),
            number: id.and_then(|id| self.services.number(id)),
            enabled: known.is_none_or(|(_, document)| document.enabled),
        };
    }
}

impl Work {
    fn put(&mut self, runtime: RouteRuntime) -> Option<Entry<RouteRuntime>> {
        let id = Arc::clone(&runtime.document.id);
        match self.edit.put(runtime.spec(), runtime) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.refused.push((id, error));
                None
            }
        }
    }

    /// The route is compiled once more or gone.
    fn forget_refusal(&mut self, id: &str) {
        if !self.refused.is_empty() {
            self.refused.retain(|(refused, _)| **refused != *id);
        }
    }
}
