//! What to do with mesh and gateway once they are up. Every line that starts with `$` works as it stands.

use anyhow::Result;

use crate::screen::Screen;
use crate::stage::{Stage, example};

pub(crate) fn print(stage: &Stage, screen: &Screen) -> Result<()> {
    let (ports, kumactl) = (&stage.ports, stage.kumactl()?);
    let lines = [
        (
            "a request of web to backend, through both proxies",
            format!("curl -s http://localhost:{}/", ports.to_backend),
        ),
        (
            "the same through the gateway, as bob, who has a key and five calls a minute",
            format!("curl -s http://localhost:{}/backend -H 'apikey: bob-key'", ports.gateway),
        ),
        ("what the gateway was told", format!("curl -s http://localhost:{}/plugins", ports.gateway_admin)),
        ("the proxies: connected, versions, certificates", format!("{kumactl} inspect dataplanes")),
        ("the policies", format!("{kumactl} get traffic-permissions")),
        ("the same over HTTP", format!("curl -s http://localhost:{}/meshes/default/traffic-permissions", ports.api)),
        (
            "take the permission away, and the request above is refused",
            format!("{kumactl} delete traffic-permission web-to-backend"),
        ),
        ("give it back", format!("{kumactl} apply -f {}", example("traffic-permission.yaml"))),
        ("undo the split: both versions get the same share", format!("{kumactl} delete traffic-route backend-split")),
        ("what web's Envoy knows of the others", format!("curl -s http://localhost:{}/clusters", ports.web.admin)),
        ("the mesh as one file", format!("{kumactl} export")),
    ];
    screen.title("Everything stays up. What to try next, in another terminal:")?;
    for (what, line) in lines {
        screen.say(&format!("  # {what}"))?;
        screen.command(&line)?;
    }
    screen.title("Ctrl-C stops everything.")
}
