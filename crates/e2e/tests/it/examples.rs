//! Every file of the mesh in `examples/` is taken by a control plane, from the command line that its users have.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::{MeshEnv, Options, paths};

/// Values of the examples' variables.
const VARIABLES: [&str; 6] =
    ["name=example", "port=7201", "servicePort=7101", "version=v1", "backendPort=10001", "echoPort=10002"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_taken() -> Result<()> {
    let env = MeshEnv::start(Options { store: "memory", ..Options::default() }).await?;
    let examples = examples()?;
    ensure!(examples.len() >= 10, "{examples:?}");
    for example in &examples {
        let mut command = env.kumactl()?;
        command.args(["apply", "-f"]).arg(example);
        if std::fs::read_to_string(example)?.contains("{{") {
            command.args(VARIABLES.iter().flat_map(|variable| ["-v", variable]));
        }
        let output = command.output()?;
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && complaints.is_empty(), "{}: {complaints}", example.display());
    }
    // All of them together are a mesh that can be read back.
    let dataplanes = env.get("/meshes/default/dataplanes").await?;
    ensure!(dataplanes["total"] == 2, "{dataplanes}");
    let split = env.get("/meshes/default/traffic-routes/backend-split").await?;
    ensure!(split["conf"]["split"][0]["weight"] == json!(90), "{split}");
    Ok(())
}

fn examples() -> Result<Vec<PathBuf>> {
    let directory = paths::root().join("examples");
    let entries = std::fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}
