//! A connected proxy.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base::Problems;
use jiff::Timestamp;
use mesh_model::tags::SERVICE;
use mesh_xds::{EndpointsKey, ProxyMetadata};
use proto::TypeUrl;
use tokio::sync::watch;
use xds::{TypeSet, View};

use super::Views;
use super::assignments::Swap;
use super::identity::Identity;
use crate::admin_access::AdminIdentity;

#[derive(Debug)]
pub(super) struct Connected {
    /// The session that is served.
    pub(super) session: u64,
    pub(super) metadata: ProxyMetadata,
    /// Endpoint assignments it has.
    pub(super) endpoints: Vec<EndpointsKey>,
    pub(super) identity: Option<Identity>,
    /// Of its admin interface.
    pub(super) admin: Option<AdminIdentity>,
    pub(super) problems: Problems,
    views: watch::Sender<Arc<View>>,
}

impl Default for Connected {
    fn default() -> Self {
        Self {
            session: 0,
            metadata: ProxyMetadata::default(),
            endpoints: Vec::new(),
            identity: None,
            admin: None,
            problems: Problems::default(),
            views: watch::Sender::new(Arc::default()),
        }
    }
}

/// Sets that a change already looked at, by the address of the old one, which is kept so that its address
/// stays its own.
pub(super) type Replaced = HashMap<*const TypeSet, (Arc<TypeSet>, Option<Arc<TypeSet>>)>;

impl Connected {
    pub(super) fn connect(&mut self, session: u64, metadata: ProxyMetadata) -> Views {
        self.session = session;
        self.metadata = metadata;
        self.views.subscribe()
    }

    /// Whether it has endpoints of one of `services`.
    pub(super) fn consumes(&self, services: &BTreeSet<Arc<str>>) -> bool {
        let service =
            |key: &EndpointsKey| key.tags.get(SERVICE).is_some_and(|service| services.contains(service.as_str()));
        !services.is_empty() && self.endpoints.iter().any(service)
    }

    pub(super) fn publish(&self, view: View) {
        let old = self.current();
        let same = |kind| old.get(kind).version() == view.get(kind).version();
        if !old.is_ready() || !TypeUrl::ALL.into_iter().all(same) {
            self.views.send_replace(Arc::new(view));
        }
    }

    /// Replaces endpoint assignments; proxies with equal sets share the new one through `memo`.
    pub(super) fn swap_endpoints(&self, swap: &Swap, memo: &mut Replaced) {
        let old = Arc::clone(self.current().get(TypeUrl::Endpoint));
        let (_, new) = memo.entry(Arc::as_ptr(&old)).or_insert_with(|| {
            let new = swap.apply(&old);
            (old, new)
        });
        if let Some(new) = new {
            let mut view = View::clone(&self.current());
            view.set(TypeUrl::Endpoint, Arc::clone(new));
            self.publish(view);
        }
    }

    fn current(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    pub(super) fn rotate_at(&self) -> Option<Timestamp> {
        self.identity.as_ref().map(|identity| identity.rotate_at)
    }

    pub(super) fn rotation_due(&self, now: Timestamp) -> bool {
        self.rotate_at().is_some_and(|due| due <= now)
    }
}
