//! Documents and examples of the gateway: their commands are run, their files are served.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testkit::echo::HttpEcho;
use testkit::postgres::{self, Server};
use testkit::{GatewayEnv, bin, free_port, paths, wait_for};

use super::{SOON, upstream};

/// Where the services of documents and examples are.
const SERVICES: [u16; 2] = [9000, 9001];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_checked_and_served() -> Result<()> {
    let examples = files(&paths::root().join("examples/gateway"), "yml")?;
    ensure!(examples.len() >= 5, "{examples:?}");
    let services = [upstream("9000").await?, upstream("9001").await?];
    let env = GatewayEnv::declarative("_format_version: '3.0'\n", &[]).await?;
    for example in examples {
        let name = example.display().to_string();
        ensure!(env.run(&["config", "parse", &name])?.contains("parse successful"), "{name}");
        let (status, body) = env.post_config(&on_these(&std::fs::read_to_string(&example)?, &services)).await?;
        ensure!(status == 201, "{name}: {status} {body}");
        ensure!(env.get("/services").await?["data"].as_array().is_some_and(|services| !services.is_empty()), "{name}");
    }
    Ok(())
}

/// The examples do what their comments say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_do_what_they_say() -> Result<()> {
    let services = [upstream("9000").await?, upstream("9001").await?];
    let env = GatewayEnv::declarative("_format_version: '3.0'\n", &[]).await?;
    let routing: &[Call<'_>] = &[
        ("GET /shop/x", &[], "200 9000 /shop/x"),
        ("GET /shop/x", &[("x-canary", "yes")], "200 9001 /x"),
        ("GET /orders/12", &[], "200 9000 /shop/orders/12"),
        ("POST /orders/12", &[], "404"),
        ("GET /orders/twelve", &[], "404"),
        ("GET /", &[("host", "eu.shop.example.com")], "200 9000 /shop"),
        ("GET /", &[], "404"),
    ];
    let protect: &[Call<'_>] = &[
        ("GET /public", &[("origin", "https://example.com")], "200 9000 /"),
        ("GET /staff", &[], "401"),
        ("GET /staff", &[("authorization", "Basic YW5uOmFubi1wYXNzd29yZA==")], "200 9000 /"),
        ("GET /closed", &[], "503"),
    ];
    let key: &[Call<'_>] = &[("GET /api", &[], "401"), ("GET /api", &[("apikey", "ann-key")], "200 9000 /")];
    for (name, calls) in [("routing.yml", routing), ("protect.yml", protect), ("key-auth.yml", key)] {
        let text = std::fs::read_to_string(paths::root().join("examples/gateway").join(name))?;
        let (status, body) = env.post_config(&on_these(&text, &services)).await?;
        ensure!(status == 201, "{name}: {status} {body}");
        for (line, headers, expected) in calls {
            let answer = answer(&env, line, headers).await?;
            ensure!(answer == *expected, "{name}: {line} {headers:?} is answered {answer}, not {expected}");
        }
    }
    Ok(())
}

/// A request's line, its headers, and the status, instance and path of the answer.
type Call<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

async fn answer(env: &GatewayEnv, line: &str, headers: &[(&str, &str)]) -> Result<String> {
    let (method, path) = line.split_once(' ').context("a method and a path")?;
    let request = env.client().request(method.parse()?, env.url(path));
    let answer = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(match (body["instance"].as_str(), body["path"].as_str()) {
        (Some(instance), Some(path)) => format!("{status} {instance} {path}"),
        _ => status.to_string(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_can_be_followed() -> Result<()> {
    let directory = paths::root().join("docs/gateway");
    let pages = files(&directory, "md")?.into_iter().chain(files(&directory.join("plugins"), "md")?);
    let (mut commands, mut failures) = (0, Vec::new());
    for page in pages {
        match follow(&page).await.with_context(|| page.display().to_string()) {
            Ok(number) => commands += number,
            Err(failure) => failures.push(format!("{failure:#}")),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    ensure!(commands > 100, "only {commands} commands were found");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plugin_has_a_page() -> Result<()> {
    let env = GatewayEnv::declarative("_format_version: '3.0'\n", &[]).await?;
    let available = env.get("/").await?["plugins"]["available_on_server"].clone();
    let available = available.as_object().context("no plugins are listed")?;
    ensure!(available.len() > 20, "{available:?}");
    let pages = paths::root().join("docs/gateway/plugins");
    for name in available.keys() {
        let fields = env.get(&format!("/schemas/plugins/{name}")).await?;
        ensure!(fields["fields"].is_array(), "{name}: {fields}");
        let page = std::fs::read_to_string(pages.join(format!("{name}.md"))).with_context(|| name.clone())?;
        ensure!(page.starts_with(&format!("# {name}\n")), "{name}");
    }
    Ok(())
}

/// Runs the commands of a page one after the other, as a reader would; how many there were.
async fn follow(page: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(page)?;
    if !text.contains("curl ") {
        return Ok(0);
    }
    let mut reader = Reader::new().await?;
    if text.contains("KONG_PG_HOST") {
        reader.install_database().await?;
    }
    for (language, block) in blocks(&text) {
        match language {
            "yaml" => std::fs::write(reader.env.dir().join("kong.yml"), reader.local(block))?,
            "sh" => {
                for line in block.replace("\\\n", " ").lines() {
                    reader.line(line).await?;
                }
            }
            _ => {}
        }
    }
    Ok(reader.commands)
}

/// Fenced blocks with their languages.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

/// Somebody with a terminal, two services and, once it is needed, a node in the background.
struct Reader {
    env: GatewayEnv,
    services: [HttpEcho; 2],
    variables: BTreeMap<String, String>,
    /// Variables and functions of the shell, for all commands after them.
    definitions: String,
    runs: bool,
    /// Ports of one more node, that of the page and the one to use, and whether it was started.
    others: [(u16, u16); 3],
    runs_two: bool,
    database: Option<Server>,
    commands: usize,
}

impl Reader {
    async fn new() -> Result<Self> {
        let mut env = GatewayEnv::new(&[])?;
        env.set("nginx_daemon", "on");
        let services = [upstream("9000").await?, upstream("9001").await?];
        Ok(Self {
            env,
            services,
            variables: BTreeMap::new(),
            definitions: String::new(),
            runs: false,
            others: [(8100, free_port()?), (8101, free_port()?), (8107, free_port()?)],
            runs_two: false,
            database: None,
            commands: 0,
        })
    }

    /// A PostgreSQL server, with nothing in it.
    async fn install_database(&mut self) -> Result<()> {
        let server = Server::start(postgres::Options::default()).await?;
        self.variables.insert("KONG_PG_PORT".to_owned(), server.port().to_string());
        self.variables.extend(server.superuser().map(|(name, value)| (name.to_owned(), value)));
        self.database = Some(server);
        Ok(())
    }

    /// The prefix of one more node.
    fn second_prefix(&self) -> PathBuf {
        self.env.dir().join("second")
    }

    /// With the ports of this node and these services.
    fn local(&self, text: &str) -> String {
        let ports =
            [(8000, self.env.proxy), (8001, self.env.admin), (8007, self.env.status), (8443, self.env.proxy_tls)];
        let text = on_these(text, &self.services).replace("/tmp/kong-2", &self.second_prefix().display().to_string());
        ports.iter().chain(&self.others).fold(text, |text, (documented, port)| {
            let own = format!("127.0.0.1:{port}");
            text.replace(&format!("localhost:{documented}"), &own).replace(&format!("127.0.0.1:{documented}"), &own)
        })
    }

    async fn line(&mut self, line: &str) -> Result<()> {
        let (command, comment) = line.split_once("  #").unwrap_or((line, ""));
        let command = command.trim();
        if let Some(variables) = command.strip_prefix("export ") {
            let pairs = variables.split(' ').filter_map(|pair| pair.split_once('='));
            // The prefix is this test's own, and the programs are in its path already.
            let own = pairs.filter(|(name, _)| !matches!(*name, "PATH" | "KONG_PREFIX"));
            self.variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
            return Ok(());
        }
        if command.starts_with("KONG_PREFIX=") && command.ends_with(" kong start") {
            (self.commands, self.runs_two) = (self.commands + 1, true);
            return self.shell(command);
        }
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if command.split_once("=").or_else(|| command.split_once("()")).is_some_and(|(name, _)| is_name(name)) {
            self.definitions += &format!("{command}\n");
            return Ok(());
        }
        self.commands += 1;
        let words: Vec<_> = command.split_whitespace().collect();
        match words[..] {
            // What is built already, and what waits in another terminal.
            [] | ["make" | "nc", ..] => {
                self.commands -= 1;
                Ok(())
            }
            // A file of settings is the reader's, and a node that waits for requests takes its time.
            ["kong", "check", ..] => self.shell("touch kong.conf && kong check kong.conf"),
            ["kong", verb, ..] => {
                // The embedded database is one process's at a time.
                let needs_stopped =
                    matches!(verb, "start" | "config") || (verb == "migrations" && self.database.is_none());
                let needs_running = matches!(verb, "reload" | "stop" | "quit" | "health" | "restart");
                if needs_stopped && self.runs {
                    self.run("kong stop")?;
                }
                if needs_running && !self.runs {
                    self.run("kong start")?;
                }
                if command.contains("config db_import kong.yml") {
                    std::fs::write(self.env.dir().join("kong.yml"), "_format_version: '3.0'\n")?;
                }
                if command.contains("db_export") {
                    std::fs::remove_file(self.env.dir().join("backup.yml")).ok();
                }
                if command.contains("db_") {
                    self.variables.retain(|name, value| name != "KONG_DATABASE" || value != "off");
                }
                self.run(command)
            }
            _ => {
                if !self.runs && command.contains("curl") {
                    self.run("kong start")?;
                }
                if let Some(command) = command.strip_prefix("sudo -u postgres ") {
                    return self.shell(command);
                }
                if !command.contains("; ") && (!self.runs_two || command.contains("-X")) {
                    return self.call(command, comment.trim());
                }
                // What a request leaves behind may come after its answer, and what one node is told to others.
                let call = || std::future::ready(self.call(command, comment.trim()));
                wait_for("the command does what the page says", SOON, call).await
            }
        }
    }

    /// A `kong` command.
    fn run(&mut self, command: &str) -> Result<()> {
        self.shell(command)?;
        match command.split_whitespace().nth(1) {
            Some("start" | "restart") => self.runs = true,
            Some("stop" | "quit") => self.runs = false,
            _ => {}
        }
        Ok(())
    }

    /// A command with `curl`, whose status is what the page says, or a good one.
    fn call(&self, command: &str, comment: &str) -> Result<()> {
        let output = self.output(&command.replace("curl ", "curl -sS -w '\\n%{http_code}\\n' "))?;
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{command}\n{said}{complaint}");
        let status = said.lines().rev().find_map(|line| line.trim().parse::<u16>().ok());
        let Some(status) = status else {
            // What it pipes into has had its last word.
            return if command.contains("curl ") && !command.contains(['|', ';']) {
                bail!("{command}\n{said}")
            } else {
                Ok(())
            };
        };
        let expected = comment.split(|c: char| !c.is_ascii_digit()).find_map(|word| word.parse::<u16>().ok());
        let is_admin = self.local(command).contains(&format!(":{}", self.env.admin));
        match expected.filter(|status| (100..600).contains(status)) {
            Some(expected) => ensure!(status == expected, "{command}\n{said}"),
            None if is_admin => ensure!((200..300).contains(&status), "{command}\n{said}"),
            None => ensure!(!said.contains("no Route matched") && status != 502 && status != 500, "{command}\n{said}"),
        }
        Ok(())
    }

    fn shell(&self, command: &str) -> Result<()> {
        let output = self.output(command)?;
        ensure!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// What a command, with the ports of this node, says.
    fn output(&self, command: &str) -> Result<std::process::Output> {
        let programs = bin("kong")?.parent().context("a program is in a directory")?.to_owned();
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&system)))?;
        // The variables of this node are those of any command of it.
        let own = self.env.kong(&[])?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &self.local(&format!("{}{command}", self.definitions))])
            .current_dir(self.env.dir())
            .env("PATH", path);
        shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?)))).envs(&self.variables);
        Ok(shell.output()?)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for prefix in [self.env.prefix(), self.second_prefix()] {
            let pid = std::fs::read_to_string(prefix.join("pids/nginx.pid")).ok();
            if let Some(pid) = pid.and_then(|text| Pid::from_raw(text.trim().parse().ok()?)) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

/// The text with these services where it has its own.
fn on_these(text: &str, services: &[HttpEcho; 2]) -> String {
    SERVICES.iter().zip(services).fold(text.to_owned(), |text, (documented, service)| {
        let address = service.address().to_string();
        text.replace(&format!("localhost:{documented}"), &address).replace(&format!("127.0.0.1:{documented}"), &address)
    })
}

/// The files of a directory with this ending, in order.
fn files(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == ending));
    files.sort();
    Ok(files)
}
