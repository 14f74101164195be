//! kuma-dp: how it starts, and with what words it does not.

use std::process::Command;

use anyhow::{Result, ensure};
use testkit::{MeshEnv, Options, Process, Sidecar, bin, envoy_binary, free_port, wait_for};

use crate::mesh::{Demo, SOON, client, place};

async fn fails_with(command: Command, words: &[&str]) -> Result<()> {
    let mut process = Process::spawn("kuma-dp", command)?;
    let status = process.wait(SOON).await?;
    let output = process.output();
    ensure!(!status.success(), "it ends well:\n{output}");
    ensure!(words.iter().all(|word| output.contains(word)), "{words:?} are not all in:\n{output}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said() -> Result<()> {
    let _place = place().await?;
    let env = MeshEnv::start(Options { store: "memory", ..Options::default() }).await?;
    let dataplane = client("web", free_port()?)?;

    let mut wrong_token = env.launcher("default", "web", &dataplane, free_port()?).await?;
    let other = env.dir().join("other-token");
    std::fs::write(&other, env.token("default", "somebody-else").await?)?;
    wrong_token.arg(format!("--dataplane-token-file={}", other.display()));
    fails_with(wrong_token, &["token"]).await?;

    let mut unknown_mesh = env.launcher("default", "web", &dataplane, free_port()?).await?;
    unknown_mesh.arg("--mesh=nowhere");
    fails_with(unknown_mesh, &["nowhere"]).await?;

    let mut no_binary = env.launcher("default", "web", &dataplane, free_port()?).await?;
    no_binary.arg("--binary-path=/nonexistent/envoy");
    fails_with(no_binary, &["/nonexistent/envoy"]).await?;

    let taken = free_port()?;
    let _listener = std::net::TcpListener::bind(("127.0.0.1", taken))?;
    let port_in_use = env.launcher("default", "web", &dataplane, taken).await?;
    fails_with(port_in_use, &[&taken.to_string()]).await
}

/// `http://host:5681`: the address of the API, as releases before 1.0 wanted it, and a Dataplane made beforehand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_way_to_start_a_proxy_works() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    let (outbound, inbound, admin) = (free_port()?, free_port()?, free_port()?);
    let dataplane = format!(
        "type: Dataplane
mesh: default
name: old-1
networking:
  inbound:
  - interface: 127.0.0.1:{inbound}:80
    tags:
      service: old
  outbound:
  - interface: :{outbound}
    service: backend
"
    );
    demo.env.apply(&dataplane)?;
    let token = demo.env.dir().join("old-token");
    std::fs::write(&token, demo.env.token("default", "old-1").await?)?;
    let mut command = Command::new(bin("kuma-dp")?);
    command
        .args(["run", "--name=old-1", "--mesh=default"])
        .arg(format!("--cp-address={}", demo.env.url("")))
        .arg(format!("--dataplane-token-file={}", token.display()))
        .arg(format!("--admin-port={admin}"))
        .arg(format!("--config-dir={}", demo.env.dir().join("old").display()))
        .arg(format!("--binary-path={}", envoy_binary()?.display()))
        .env("KUMA_READINESS_PORT", free_port()?.to_string());
    let process = Process::spawn("kuma-dp old-1", command)?;
    let sidecar = Sidecar { name: "old-1".to_owned(), admin, process };
    demo.env.wait_ready(&sidecar).await?;
    wait_for("it reaches backend", SOON, || async {
        reqwest::get(format!("http://127.0.0.1:{outbound}/")).await.and_then(reqwest::Response::error_for_status)
    })
    .await?;
    // Made by hand, it stays when the proxy goes.
    drop(sidecar);
    wait_for("the proxy is offline", SOON, || async {
        match demo.is_online("old-1").await {
            Ok(false) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    demo.env.get("/meshes/default/dataplanes/old-1").await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_has_outbounds_only() -> Result<()> {
    let demo = Demo::start(Options::default(), "http", &["v1"]).await?;
    demo.permit("kong-to-backend", "kong").await?;
    demo.mtls("24h").await?;
    let outbound = free_port()?;
    let gateway = format!(
        "type: Dataplane
mesh: default
name: kong-01
networking:
  address: 127.0.0.1
  gateway:
    tags:
      kuma.io/service: kong
  outbound:
  - port: {outbound}
    tags:
      kuma.io/service: backend
"
    );
    let sidecar = demo.env.sidecar("default", "kong-01", &gateway).await?;
    wait_for("the gateway reaches backend", SOON, || async {
        reqwest::get(format!("http://127.0.0.1:{outbound}/")).await.and_then(reqwest::Response::error_for_status)
    })
    .await?;
    let listeners = demo.env.envoy(&sidecar, "/listeners").await?;
    ensure!(!listeners.contains("inbound:"), "{listeners}");
    Ok(())
}
