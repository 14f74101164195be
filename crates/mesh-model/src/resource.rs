//! A stored resource: identity, the words it was written in, and its canonical form.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::kind::Kind;
use crate::policy::{
    CircuitBreaker, Connection, ExternalService, FaultInjection, HealthCheck, ProxyTemplate, RateLimit, Retry,
    Selected, Timeout, TrafficLog, TrafficPermission, TrafficRoute, TrafficTrace,
};
use crate::{Dataplane, Mesh};

/// Who a resource is.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its mesh; empty for kinds of global scope.
    pub mesh: Arc<str>,
    /// Its name, unique within kind and mesh.
    pub name: Arc<str>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it was first written.
    pub created: Timestamp,
    /// When it was last written.
    pub modified: Timestamp,
}

/// A resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Who it is.
    pub meta: Meta,
    /// Its fields as written, in the dialect they were written in, without
    /// `type`, `mesh`, `name`, `labels` and the times.
    pub body: Arc<Value>,
    /// What it means.
    pub spec: Spec,
}

/// Canonical form of a resource.
#[derive(Clone, Debug)]
pub enum Spec {
    /// `Mesh`
    Mesh(Arc<Mesh>),
    /// `Dataplane`
    Dataplane(Arc<Dataplane>),
    /// `ExternalService`
    ExternalService(Arc<ExternalService>),
    /// `TrafficPermission`
    TrafficPermission(Arc<Connection<TrafficPermission>>),
    /// `TrafficRoute`
    TrafficRoute(Arc<Connection<TrafficRoute>>),
    /// `TrafficLog`
    TrafficLog(Arc<Connection<TrafficLog>>),
    /// `HealthCheck`
    HealthCheck(Arc<Connection<HealthCheck>>),
    /// `CircuitBreaker`
    CircuitBreaker(Arc<Connection<CircuitBreaker>>),
    /// `Timeout`
    Timeout(Arc<Connection<Timeout>>),
    /// `Retry`
    Retry(Arc<Connection<Retry>>),
    /// `FaultInjection`
    FaultInjection(Arc<Connection<FaultInjection>>),
    /// `RateLimit`
    RateLimit(Arc<Connection<RateLimit>>),
    /// `TrafficTrace`
    TrafficTrace(Arc<Selected<TrafficTrace>>),
    /// `ProxyTemplate`
    ProxyTemplate(Arc<Selected<ProxyTemplate>>),
    /// Kinds that are stored and answered but configure no proxy by themselves.
    Other,
}
