//! Routes: read, kept by number, and put into the router one after the other while they are at hand.
//!
//! A configuration may have a hundred thousand of them, so that what is done for each of them is kept small.

use std::sync::Arc;

use gateway_model::typed::Route;
use gateway_router::{Edit, Entry, RouteError};

use super::documents::Map;
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
    numbers: Map<Id, u32>,
    kept: Vec<Option<Kept>>,
    free: Vec<u32>,
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
    /// Routes that cannot be matched, by number.
    refused: Vec<(u32, RouteError)>,
}

/// The service that the last route was of: the next one mostly has the same.
#[derive(Debug, Default)]
struct Service {
    id: Option<Id>,
    number: Option<usize>,
    enabled: bool,
}

impl Routes {
    /// The number of a route.
    pub(super) fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The ids of all routes.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.numbers.keys()
    }

    /// The numbers of a service's routes.
    pub(super) fn of_service(&self, service: &str) -> &[u32] {
        self.of_service.get(service).map_or(&[], Vec::as_slice)
    }

    /// Makes room for many at once if there are none.
    fn expect(&mut self, count: usize) {
        if self.kept.is_empty() {
            self.numbers.reserve(count);
            self.kept.reserve_exact(count);
        }
    }

    /// Takes a document over, and tells its number.
    fn put(&mut self, id: &str, document: Arc<Route>) -> u32 {
        let key = if *document.id == *id { Arc::clone(&document.id) } else { id.into() };
        let number = *self.numbers.entry(key).or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.kept.push(None);
                u32::try_from(self.kept.len() - 1).expect("there are fewer routes than that in memory")
            })
        });
        match &mut self.kept[number as usize] {
            Some(kept) if service_of(&kept.document) == service_of(&document) => kept.document = document,
            _ => {
                let (chain, entry) = self.unlink(number).map_or((None, None), |kept| (kept.chain, kept.entry));
                let at = self.link(number, &document);
                self.kept[number as usize] = Some(Kept { document, chain, at, entry });
            }
        }
        number
    }

    /// Forgets a route, and gives its number and what was kept of it.
    fn remove(&mut self, id: &str) -> Option<(u32, Kept)> {
        let number = self.numbers.remove(id)?;
        self.free.push(number);
        Some((number, self.unlink(number)?))
    }

    fn link(&mut self, number: u32, document: &Route) -> u32 {
        let Some(service) = service_of(document) else { return 0 };
        let list = match self.of_service.get_mut(service) {
            Some(list) => list,
            None => self.of_service.entry(Arc::clone(service)).or_default(),
        };
        list.push(number);
        list.len() as u32 - 1
    }

    /// Takes a route from its place and from the list of its service, where the last one takes the free place.
    fn unlink(&mut self, number: u32) -> Option<Kept> {
        let kept = self.kept[number as usize].take()?;
        if let Some(service) = service_of(&kept.document)
            && let Some(list) = self.of_service.get_mut(service)
        {
            list.swap_remove(kept.at as usize);
            if let Some(moved) = list.get(kept.at as usize).and_then(|moved| self.kept[*moved as usize].as_mut()) {
                moved.at = kept.at;
            }
            if list.is_empty() {
                self.of_service.remove(service);
            }
        }
        Some(kept)
    }
}

fn service_of(route: &Route) -> Option<&Id> {
    route.service.as_ref().map(|service| &service.id)
}

impl Compiler {
    /// Takes changes of routes over, compiles these routes and those with a number in `touched`, and exchanges the
    /// router. `step` is called for each change.
    pub(super) fn compile_routes(
        &mut self,
        changes: &[RouteChange<'_>],
        touched: impl IntoIterator<Item = u32>,
        problems: &mut Vec<Problem>,
        mut step: impl FnMut(),
    ) {
        let mut touched = touched.into_iter().peekable();
        if changes.is_empty() && touched.peek().is_none() {
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
        for number in touched {
            self.compile_route(number, &mut work);
        }
        self.router = work.edit.finish();
        for (number, error) in work.refused {
            if let Some(kept) = &self.routes.kept[number as usize] {
                problems.push(problem(&kept.document.id, error.to_string()));
            }
        }
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
        let Some((number, kept)) = self.routes.remove(id) else { return };
        work.forget_refusal(number);
        if let Some(chain) = kept.chain {
            self.chains.leave(chain);
        }
        if let Some(entry) = kept.entry {
            work.edit.remove(entry);
        }
    }

    fn compile_route(&mut self, number: u32, work: &mut Work) {
        let Some(kept) = self.routes.kept.get_mut(number as usize).and_then(Option::as_mut) else { return };
        work.forget_refusal(number);
        if let Some(entry) = kept.entry.take() {
            work.edit.remove(entry);
        }
        let (document, before) = (Arc::clone(&kept.document), kept.chain);
        self.look_up(service_of(&document), &mut work.service);
        let own = self.documents.plugins_of_route.contains_key(&document.id).then(|| Arc::clone(&document.id));
        let chain = self.chains.join((own, work.service.id.clone()), &self.plugins);
        if let Some(before) = before {
            self.chains.leave(before);
        }
        let runtime = RouteRuntime::new(document, work.service.number, chain as usize, self.settings.router_flavor);
        let entry = if work.service.enabled && runtime.is_http { work.put(number, runtime) } else { None };
        if let Some(kept) = &mut self.routes.kept[number as usize] {
            kept.chain = Some(chain);
            kept.entry = entry;
        }
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
    fn put(&mut self, number: u32, runtime: RouteRuntime) -> Option<Entry<RouteRuntime>> {
        match self.edit.put(runtime.spec(), runtime) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.refused.push((number, error));
                None
            }
        }
    }

    /// The route is compiled once more or gone.
    fn forget_refusal(&mut self, number: u32) {
        if !self.refused.is_empty() {
            self.refused.retain(|(refused, _)| *refused != number);
        }
    }
}
