//! The page on several control planes is followed, command by command.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use testkit::mesh::START;
use testkit::postgres::{self, Server};
use testkit::{MeshEnv, Options, Process, bin, free_port, paths, wait_for};

use crate::mesh::{SOON, place};

/// Ports of the page, and the variables that name them.
const PORTS: [(&str, u16); 6] = [
    ("KUMA_API_SERVER_HTTP_PORT", 5681),
    ("KUMA_API_SERVER_HTTPS_PORT", 5682),
    ("KUMA_BOOTSTRAP_SERVER_PORT", 5682),
    ("KUMA_DP_SERVER_PORT", 5678),
    ("KUMA_ADMIN_SERVER_LOCAL_PORT", 5679),
    ("KUMA_DIAGNOSTICS_SERVER_PORT", 5680),
];

/// How far the ports of the second control plane are from those of the first.
const SECOND: u16 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_on_several_control_planes_can_be_followed() -> Result<()> {
    let _place = place().await?;
    let text = std::fs::read_to_string(paths::root().join("docs/several-control-planes.md"))?;
    let mut reader = Reader::new().await?;
    for block in text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for line in block.replace("\\\n", " ").lines() {
            reader.line(line).await.with_context(|| line.to_owned())?;
        }
    }
    ensure!(reader.control_planes.len() == 2, "{} control planes", reader.control_planes.len());
    let schema = std::fs::read_to_string(reader.directory.dir().join("schema.sql"))?.to_lowercase();
    ensure!(schema.contains("create table"), "{schema}");
    Ok(())
}

/// Somebody with a terminal and a PostgreSQL server.
struct Reader {
    control_planes: Vec<Process>,
    _server: Server,
    /// For its directory alone.
    directory: MeshEnv,
    variables: BTreeMap<String, String>,
    /// From the page's to those of this test.
    ports: BTreeMap<u16, u16>,
}

impl Reader {
    async fn new() -> Result<Self> {
        let server = Server::start(postgres::Options::default()).await?;
        let directory = MeshEnv::new(Options::default())?;
        symlink(paths::root().join("examples"), directory.dir().join("examples"))?;
        let mut ports = BTreeMap::from([(5432, server.port())]);
        for (_, port) in PORTS {
            ports.insert(port, free_port()?);
            ports.insert(port + SECOND, free_port()?);
        }
        let programs = bin("kuma-cp")?.parent().context("a program is in a directory")?.to_owned();
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&system)))?;
        let home = directory.dir().display().to_string();
        let own = [
            ("PATH", path.into_string().ok().context("a path that is text")?),
            ("HOME", home.clone()),
            ("KUMA_GENERAL_WORK_DIR", format!("{home}/first")),
        ];
        let own = own.into_iter().chain(PORTS.map(|(name, port)| (name, ports[&port].to_string())));
        let own = own.chain(server.superuser()).map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { control_planes: Vec::new(), _server: server, directory, variables: own, ports })
    }

    async fn line(&mut self, line: &str) -> Result<()> {
        let command = line.split_once("  #").unwrap_or((line, "")).0.trim();
        if let Some(variables) = command.strip_prefix("export ") {
            for (name, value) in variables.split(' ').filter_map(|pair| pair.split_once('=')) {
                self.variables.insert(name.to_owned(), self.local(value));
            }
            return Ok(());
        }
        match command {
            "" => Ok(()),
            "kuma-cp run" => self.run().await,
            // What another control plane was told comes a moment later.
            _ if command.starts_with("kumactl get") => {
                let answer = wait_for("it is there", SOON, || {
                    std::future::ready(self.shell(command).and_then(|answer| {
                        ensure!(answer.contains("ca-1"), "{answer}");
                        Ok(())
                    }))
                });
                answer.await
            }
            _ => self.shell(command.trim_start_matches("sudo -u postgres ")).map(drop),
        }
    }

    /// A control plane in the background.
    async fn run(&mut self) -> Result<()> {
        let mut command = Command::new(bin("kuma-cp")?);
        command.arg("run").envs(&self.variables);
        let process = Process::spawn("kuma-cp", command)?;
        let url = format!("http://127.0.0.1:{}/ready", self.variables["KUMA_DIAGNOSTICS_SERVER_PORT"]);
        wait_for("the control plane is ready", START, || async {
            let answer = reqwest::get(&url).await.map_err(|error| format!("{error}\n{}", process.output()))?;
            answer.error_for_status().map_err(|error| error.to_string())
        })
        .await?;
        self.control_planes.push(process);
        if self.control_planes.len() == 1 {
            // Who calls the first one by its usual port needs no such words.
            self.shell("kumactl config control-planes add --name=first --address=http://localhost:5681")?;
        }
        Ok(())
    }

    /// What a command says.
    fn shell(&mut self, command: &str) -> Result<String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.local(command)]).current_dir(self.directory.dir()).envs(&self.variables);
        crate::databases::run(shell)
    }

    /// With the ports and directories of this test.
    fn local(&self, text: &str) -> String {
        let text = text.replace("/tmp/kuma-2", &self.directory.dir().join("second").display().to_string());
        let mut local = String::new();
        for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let number = part.trim_end_matches(|c: char| !c.is_ascii_digit());
            match number.parse().ok().and_then(|port: u16| self.ports.get(&port)) {
                Some(port) => local += &format!("{port}{}", &part[number.len()..]),
                None => local += part,
            }
        }
        local
    }
}
