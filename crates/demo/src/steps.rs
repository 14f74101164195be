//! What is shown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use testkit::wait_for;

use crate::probe;
use crate::screen::Screen;
use crate::stage::{Stage, example, example_text};

/// How long a change may take to show on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// Requests of which the split is measured.
const REQUESTS: u32 = 200;

/// All steps, one after the other.
pub(crate) async fn all(stage: &mut Stage, screen: &Screen) -> Result<()> {
    without_mtls(stage, screen).await.context("step 1")?;
    without_permission(stage, screen).await.context("step 2")?;
    with_permission(stage, screen).await.context("step 3")?;
    split(stage, screen).await.context("step 4")?;
    killed_and_back(stage, screen).await.context("step 5")?;
    gateway(stage, screen).await.context("step 6")
}

async fn without_mtls(stage: &Stage, screen: &Screen) -> Result<()> {
    screen.title("1. Without mutual TLS every service reaches every other")?;
    backend_answers(stage, screen).await?;
    echo_answers(stage, screen).await
}

async fn without_permission(stage: &Stage, screen: &Screen) -> Result<()> {
    screen.title("2. Mutual TLS: every proxy has an identity, and nobody may do anything")?;
    apply(stage, screen, "mesh-mtls.yaml")?;
    backend_refuses(stage, screen).await?;
    echo_refuses(stage, screen).await
}

async fn with_permission(stage: &Stage, screen: &Screen) -> Result<()> {
    screen.title("3. A permission opens one way, and only that one")?;
    apply(stage, screen, "traffic-permission.yaml")?;
    backend_answers(stage, screen).await?;
    echo_refuses(stage, screen).await?;
    apply(stage, screen, "traffic-permission-echo.yaml")?;
    echo_answers(stage, screen).await
}

async fn split(stage: &Stage, screen: &Screen) -> Result<()> {
    screen.title("4. Nine of ten requests to version v1, one to v2")?;
    apply(stage, screen, "traffic-route-split.yaml")?;
    let begun = Instant::now();
    // A split that has not arrived yet answers evenly; a window of requests tells one from the other.
    let counts = wait_for("about one request of ten goes to v2", SOON, || async {
        let counts = count(stage).await.map_err(|error| format!("{error:#}"))?;
        let second = counts.get("v2").copied().unwrap_or(0);
        if (5..=45).contains(&second) { Ok(counts) } else { Err(format!("{second} of {REQUESTS} went to v2")) }
    })
    .await?;
    screen.say(&format!("  {REQUESTS} requests, {:.1} s:", begun.elapsed().as_secs_f64()))?;
    for (version, requests) in counts {
        let bar = "#".repeat(usize::try_from(requests / 4)?);
        screen.say(&format!(
            "    {version}  {requests:>4}  {:>4.1} %  {bar}",
            f64::from(requests) * 100.0 / f64::from(REQUESTS)
        ))?;
    }
    Ok(())
}

async fn count(stage: &Stage) -> Result<BTreeMap<String, u32>> {
    let mut counts = BTreeMap::new();
    for _ in 0..REQUESTS {
        *counts.entry(probe::http(&stage.client, stage.ports.to_backend).await?).or_insert(0) += 1;
    }
    Ok(counts)
}

async fn killed_and_back(stage: &mut Stage, screen: &Screen) -> Result<()> {
    screen.title("5. A proxy is killed, and comes back")?;
    screen.command(&format!("kill -9 {}  # kuma-dp of echo; its Envoy dies with it", stage.sidecar("echo").pid()))?;
    let mut begun = Instant::now();
    stage.sidecar("echo").kill()?;
    wait_for("the control plane sees it leave", SOON, || status_is(stage, "echo", false)).await?;
    screen.outcome("control plane", &format!("echo is offline, noticed after {}", since(begun)))?;
    echo_refuses(stage, screen).await?;
    begun = Instant::now();
    stage.sidecar("echo").start_again()?;
    screen.command(&stage.sidecar("echo").line.to_string())?;
    wait_for("the control plane sees it come", SOON, || status_is(stage, "echo", true)).await?;
    screen.outcome("control plane", &format!("echo is online after {}", since(begun)))?;
    echo_answers(stage, screen).await
}

async fn gateway(stage: &mut Stage, screen: &Screen) -> Result<()> {
    screen.title("6. A gateway before the mesh: callers need a key, and may call five times a minute")?;
    stage.start_gateway(screen).await?;
    let call = |key: Option<&'static str>| probe::gateway(&stage.client, stage.ports.gateway, key);
    show(screen, "no key", async { call(None).await.and_then(|answer| answer.expect(401)) }).await?;
    show(screen, "ann's key", async { call(Some("ann-key")).await.and_then(|answer| answer.expect(200)) }).await?;
    let limited = async {
        // A minute may begin in between, so that more than six are needed.
        for number in 2..=12 {
            let answer = call(Some("ann-key")).await?;
            if answer.status != 200 {
                return answer.expect(429).map(|text| format!("{text}, call {number}"));
            }
        }
        bail!("all calls were answered")
    };
    show(screen, "ann's key again", limited).await
}

/// Applies an example and shows it.
fn apply(stage: &Stage, screen: &Screen, name: &str) -> Result<()> {
    let line = stage.kumactl()?.arg("apply").arg("-f").arg(example(name));
    screen.command(&line.to_string())?;
    screen.file(&example_text(name)?)?;
    line.run().map(drop)
}

async fn backend_answers(stage: &Stage, screen: &Screen) -> Result<()> {
    let answers = || async {
        let instance = probe::http(&stage.client, stage.ports.to_backend).await?;
        anyhow::Ok(format!("200, answered by {instance}"))
    };
    show(screen, "web -> backend", wait_for("web reaches backend", SOON, answers)).await
}

async fn echo_answers(stage: &Stage, screen: &Screen) -> Result<()> {
    let answers = || async {
        probe::tcp(stage.ports.to_echo).await?;
        anyhow::Ok("what was sent came back")
    };
    show(screen, "web -> echo", wait_for("web reaches echo", SOON, answers)).await
}

async fn backend_refuses(stage: &Stage, screen: &Screen) -> Result<()> {
    let refusal = || async {
        match probe::http(&stage.client, stage.ports.to_backend).await {
            Ok(instance) => Err(format!("{instance} answered")),
            Err(error) => Ok(format!("refused ({})", first_words(&format!("{error:#}")))),
        }
    };
    show(screen, "web -> backend", wait_for("web is refused by backend", SOON, refusal)).await
}

async fn echo_refuses(stage: &Stage, screen: &Screen) -> Result<()> {
    let refusal = || async {
        match probe::tcp(stage.ports.to_echo).await {
            Ok(()) => Err("it answered"),
            Err(error) => Ok(format!("refused ({error})")),
        }
    };
    show(screen, "web -> echo", wait_for("web is refused by echo", SOON, refusal)).await
}

/// Shows an outcome and how long it took to come.
async fn show<T: Display>(screen: &Screen, what: &str, outcome: impl Future<Output = Result<T>>) -> Result<()> {
    let begun = Instant::now();
    let outcome = outcome.await?;
    screen.outcome(what, &format!("{outcome:<60} {}", since(begun)))
}

async fn status_is(stage: &Stage, name: &str, online: bool) -> Result<()> {
    let url = format!("http://127.0.0.1:{}/meshes/default/dataplanes+insights/{name}", stage.ports.api);
    let overview: Value = stage.client.get(url).send().await?.error_for_status()?.json().await?;
    let subscriptions = overview["dataplaneInsight"]["subscriptions"].as_array().map_or(&[][..], Vec::as_slice);
    let connected = subscriptions.iter().any(|one| one["disconnectTime"].is_null());
    ensure!(connected == online, "{overview}");
    Ok(())
}

fn since(begun: Instant) -> String {
    format!("{} ms", begun.elapsed().as_millis())
}

fn first_words(text: &str) -> &str {
    const LENGTH: usize = 50;
    let line = text.lines().next().unwrap_or_default();
    line.get(..LENGTH).unwrap_or(line)
}
