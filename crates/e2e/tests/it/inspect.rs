//! What a proxy's Envoy says of itself, asked of any control plane, and of nobody else.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::certificates::Authority;
use testkit::{MeshEnv, Options, Sidecar, free_port, wait_for};

use crate::databases::{self, run};
use crate::mesh::{SOON, place};

/// An address of this machine that is not the one Envoy's admin interface is on.
const ADDRESS: &str = "127.0.0.2";

/// A proxy at [`ADDRESS`].
async fn proxy(env: &MeshEnv) -> Result<Sidecar> {
    let inbound = json!([{ "port": free_port()?, "servicePort": free_port()?, "tags": { "kuma.io/service": "web" } }]);
    let networking = json!({ "address": ADDRESS, "inbound": inbound });
    let dataplane = json!({ "type": "Dataplane", "mesh": "default", "name": "web", "networking": networking });
    env.sidecar("default", "web", &dataplane.to_string()).await
}

const XDS: &str = "/meshes/default/dataplanes/web/xds";

fn path(view: &str) -> String {
    format!("/meshes/default/dataplanes/web/{view}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxys_own_view_is_shown_by_any_control_plane() -> Result<()> {
    let _place = place().await?;
    let database = databases::of_mesh().await?;
    let first = MeshEnv::start(Options::on(database.address())).await?;
    let second = MeshEnv::start(Options::on(database.address())).await?;
    let proxy = proxy(&first).await?;
    let token = std::fs::read_to_string(first.dir().join("web/token"))?;
    for env in [&first, &second] {
        let dump = wait_for("the configuration is shown", SOON, || env.get(XDS)).await?;
        ensure!(dump["configs"][0]["bootstrap"]["node"]["id"] == "default.web", "{dump}");
        ensure!(!dump.to_string().contains(token.trim()), "the proxy's token is shown");
        let with_endpoints = env.get_text(&path("xds?include_eds=true")).await?;
        ensure!(with_endpoints.contains("EndpointsConfigDump") && !dump.to_string().contains("EndpointsConfigDump"));
        ensure!(env.get_text(&path("stats")).await?.contains("server.live: 1"));
        ensure!(env.get(&path("stats?format=json")).await?["stats"].is_array());
        ensure!(env.get_text(&path("clusters")).await?.contains("ads_cluster::"));
        // The same with kumactl.
        for (what, expected) in
            [("config-dump", "default.web"), ("stats", "server.live: 1"), ("clusters", "ads_cluster::")]
        {
            let mut command: Command = env.kumactl()?;
            command.args(["inspect", "dataplane", "web", &format!("--type={what}")]);
            let shown = run(command)?;
            ensure!(shown.contains(expected), "{what}: {shown}");
        }
    }
    // The proxy's own control plane is not needed for it.
    let mut first = first;
    first.control_plane().kill()?;
    ensure!(second.get_text(&path("clusters")).await?.contains("ads_cluster::"));
    drop(proxy);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_a_control_plane_gets_a_proxys_own_view() -> Result<()> {
    let _place = place().await?;
    let env = MeshEnv::start(Options::default()).await?;
    let proxy = proxy(&env).await?;
    wait_for("the configuration is shown", SOON, || env.get(XDS)).await?;
    let client =
        || reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).timeout(Duration::from_secs(5));
    let at = |scheme: &str, path: &str| format!("{scheme}://{ADDRESS}:{}{path}", proxy.admin);
    let stranger = Authority::new("stranger")?.client("control-plane")?;
    let stranger = reqwest::Identity::from_pem(format!("{}{}", stranger.certificate, stranger.key).as_bytes())?;
    for path in ["/config_dump", "/stats", "/clusters", "/quitquitquit", "/"] {
        ensure!(client().build()?.get(at("http", path)).send().await.is_err(), "{path} in plain HTTP");
        ensure!(client().build()?.get(at("https", path)).send().await.is_err(), "{path} without a certificate");
        let with_other = client().identity(stranger.clone()).build()?;
        ensure!(with_other.get(at("https", path)).send().await.is_err(), "{path} with a stranger's certificate");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_a_proxys_view_or_asks_for_none_is_told_so() -> Result<()> {
    let _place = place().await?;
    let mut options = Options { store: "memory", ..Options::default() };
    for list in ["GROUPS", "USERS"] {
        options.env.insert(format!("KUMA_ACCESS_STATIC_VIEW_STATS_{list}"), "nobody".to_owned());
    }
    let env = MeshEnv::start(options).await?;
    let inbound = json!([{ "port": 1, "tags": { "kuma.io/service": "web" } }]);
    let body = json!({ "type": "Dataplane", "mesh": "default", "name": "web", "networking": { "address": ADDRESS, "inbound": inbound } });
    env.put("/meshes/default/dataplanes/web", &body).await?;
    for (view, status, words) in [
        ("/meshes/default/dataplanes/web/xds", 503, "not connected"),
        ("/meshes/default/dataplanes/web/stats", 403, "Access Denied"),
        ("/meshes/default/dataplanes/other/xds", 404, "Not found"),
        ("/meshes/other/dataplanes/web/xds", 404, "Mesh"),
        ("/meshes/default/dataplanes/web/xds?include_eds=perhaps", 400, "include_eds"),
    ] {
        let answer = env.client().get(env.url(view)).send().await?;
        let (found, text) = (answer.status().as_u16(), answer.text().await?);
        ensure!(found == status && text.contains(words), "{view}: {found} {text}");
    }
    Ok(())
}
