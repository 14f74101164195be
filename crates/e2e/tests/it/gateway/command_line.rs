//! `kong` as scripts use it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{GatewayEnv, wait_for};

use super::{call, publish, upstream, wait_status};

/// A node in the background, which ends with the value.
struct Daemon {
    env: GatewayEnv,
}

impl Daemon {
    fn new() -> Result<Self> {
        let mut env = GatewayEnv::new(&[])?;
        env.set("nginx_daemon", "on");
        Ok(Self { env })
    }

    fn pid(&self) -> Result<Pid> {
        let text = std::fs::read_to_string(self.env.prefix().join("pids/nginx.pid"))?;
        Pid::from_raw(text.trim().parse()?).context("a process id is positive")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = self.pid() {
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_started_stopped_and_looked_after() -> Result<()> {
    let echo = upstream("v1").await?;
    let daemon = Daemon::new()?;
    let env = &daemon.env;
    for command in ["stop", "quit", "reload", "health"] {
        ensure!(env.run(&[command]).is_err(), "{command} without a node");
    }
    env.run(&["start"])?;
    // It serves once the command is back.
    ensure!(env.client().get(format!("http://127.0.0.1:{}/status/ready", env.status)).send().await?.status() == 200);
    publish(env, "api", &format!("http://{}", echo.address())).await?;
    ensure!(call(env.client(), &env.url("/api"), None).await?.0 == 200);
    ensure!(env.run(&["health"])?.contains("healthy"));
    let again = env.run(&["start"]).unwrap_err().to_string();
    ensure!(again.contains("already"), "{again}");

    let pid = daemon.pid()?;
    env.run(&["reload"])?;
    ensure!(daemon.pid()? == pid, "a reload is not a restart");
    wait_status(env, "/api", None, 200).await?;
    env.run(&["restart"])?;
    ensure!(daemon.pid()? != pid, "a restart is a new process");
    ensure!(call(env.client(), &env.url("/api"), None).await?.0 == 200);
    env.run(&["stop"])?;
    ensure!(env.run(&["health"]).is_err());
    env.run(&["start"])?;
    env.run(&["quit"])?;
    ensure!(env.run(&["health"]).is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_is_started_again() -> Result<()> {
    let daemon = Daemon::new()?;
    daemon.env.run(&["start"])?;
    let pid = daemon.pid()?;
    kill_process(pid, Signal::KILL)?;
    wait_for("it is gone", Duration::from_secs(10), || async {
        match daemon.env.run(&["health"]) {
            Ok(said) => Err(said),
            Err(_) => Ok(()),
        }
    })
    .await?;
    // Its id may be somebody else's by now.
    std::fs::write(daemon.env.prefix().join("pids/nginx.pid"), std::process::id().to_string())?;
    daemon.env.run(&["start"])?;
    ensure!(daemon.pid()? != pid);
    daemon.env.run(&["stop"]).map(drop)
}

#[test]
fn everything_wrong_with_the_settings_is_said_at_once() -> Result<()> {
    let env = GatewayEnv::new(&[])?;
    let file = env.dir().join("bad.conf");
    std::fs::write(
        &file,
        "database = postgre\nproxy_listen = 127.0.0.1:1 sll\nlog_level = loud\nno equals sign\nadmin_lisen = x\n",
    )?;
    let path = file.display().to_string();
    // Without the variables, which would win.
    let mut command = env.kong(&["check", &path])?;
    let output = command.env_remove("KONG_PROXY_LISTEN").output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it was taken");
    for words in ["line 1: database", "sll", "line 3: log_level", "line 4"] {
        ensure!(complaint.contains(words), "{words:?} is not in\n{complaint}");
    }
    std::fs::write(&file, "admin_lisen = x\n")?;
    let output = env.kong(&["check", &path])?.output()?;
    let warning = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && warning.contains("did you mean admin_listen"), "{warning}");
    Ok(())
}

#[test]
fn a_file_is_checked_with_everything_that_is_wrong() -> Result<()> {
    let env = GatewayEnv::new(&[])?;
    let file = env.dir().join("bad.yml");
    std::fs::write(
        &file,
        "_format_version: '3.0'
services:
- name: one
  url: http://127.0.0.1:1
  colour: red
- name: two
  port: 70000
  host: a
plugins:
- name: no-such
",
    )?;
    let complaint = env.run(&["config", "parse", "bad.yml"]).unwrap_err().to_string();
    for words in ["bad.yml", "colour", "port", "no-such"] {
        ensure!(complaint.contains(words), "{words:?} is not in\n{complaint}");
    }
    env.run(&["config", "init", "good.yml"])?;
    ensure!(env.run(&["config", "parse", "good.yml"])?.contains("parse successful"));
    ensure!(env.run(&["config", "init", "good.yml"]).is_err(), "it is not overwritten");
    Ok(())
}

/// Nobody but this machine may tell a node what to do unless somebody says so.
#[test]
fn the_admin_and_status_apis_are_on_loopback_unless_set() -> Result<()> {
    let env = GatewayEnv::new(&[])?;
    let mut command = env.kong(&["prepare"])?;
    let output = command.env_remove("KONG_ADMIN_LISTEN").env_remove("KONG_STATUS_LISTEN").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let settings = std::fs::read_to_string(env.prefix().join(".kong_env"))?;
    for name in ["admin_listen", "status_listen"] {
        let line = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        let addresses: Vec<_> = line.context("it is not there")?.split(',').map(str::trim).collect();
        ensure!(addresses.iter().all(|address| address.starts_with("127.0.0.1:")), "{name}: {addresses:?}");
    }
    Ok(())
}
