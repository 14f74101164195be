//! The mesh that is measured: services, their instances, and who talks to whom.

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use testkit::{MeshEnv, Options};

use crate::fleet::Destination;

/// Requests to the HTTP API at a time while the mesh is made.
const REQUESTS: usize = 8;

/// Services of a mesh and instances of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) services: usize,
    pub(crate) instances: usize,
}

impl Shape {
    /// Whether the proxy of that number is an instance of a service; the others are only clients.
    fn serves(self, index: usize) -> bool {
        index < self.services * self.instances
    }
}

/// A control plane with a mesh in it.
#[derive(Debug)]
pub(crate) struct Mesh {
    pub(crate) env: MeshEnv,
    pub(crate) destination: Destination,
    shape: Shape,
}

impl Mesh {
    /// Starts a control plane and creates a Dataplane for each of at least `proxies` proxies, each with
    /// an outbound to every service.
    pub(crate) async fn start(shape: Shape, proxies: usize, mtls: bool) -> Result<Self> {
        let env = MeshEnv::start(Options { store: "memory", ..Options::default() }).await?;
        if mtls {
            let backend = json!({ "name": "ca", "type": "builtin" });
            let mtls = json!({ "enabledBackend": "ca", "backends": [backend] });
            env.put("/meshes/default", &json!({ "type": "Mesh", "name": "default", "mtls": mtls })).await?;
        }
        let answer =
            env.client().post(env.url("/tokens/dataplane")).json(&json!({ "mesh": "default", "validFor": "24h" }));
        let token = answer.send().await?.error_for_status()?.text().await?;
        let secrets = ["identity_cert:secret:default", "mesh_ca:secret:default"];
        let secrets = if mtls { secrets.map(str::to_owned).to_vec() } else { Vec::new() };
        let destination = Destination { port: env.dp, token, secrets };
        let mesh = Self { env, destination, shape };
        let count = proxies.max(shape.services * shape.instances);
        stream::iter(0..count)
            .map(async |index| mesh.put(index, &format!("127.{}.{}.1", 1 + index / 250, index % 250)).await)
            .buffer_unordered(REQUESTS)
            .try_collect::<()>()
            .await?;
        Ok(mesh)
    }

    /// Moves an instance to another address.
    pub(crate) async fn put(&self, index: usize, address: &str) -> Result<()> {
        self.env.put(&format!("/meshes/default/dataplanes/dp-{index}"), &dataplane(self.shape, index, address)).await
    }
}

fn dataplane(shape: Shape, index: usize, address: &str) -> Value {
    let tags = json!({ "kuma.io/service": format!("svc-{}", index % shape.services), "kuma.io/protocol": "tcp" });
    let outbounds: Vec<Value> = (0..shape.services)
        .map(|service| json!({ "port": 20_000 + service, "tags": { "kuma.io/service": format!("svc-{service}") } }))
        .collect();
    let networking = if shape.serves(index) {
        json!({ "address": address, "inbound": [{ "port": 8080, "tags": tags }], "outbound": outbounds })
    } else {
        let gateway = json!({ "type": "DELEGATED", "tags": { "kuma.io/service": "clients" } });
        json!({ "address": address, "gateway": gateway, "outbound": outbounds })
    };
    json!({ "type": "Dataplane", "mesh": "default", "name": format!("dp-{index}"), "networking": networking })
}
