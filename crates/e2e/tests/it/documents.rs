//! Every command that a document shows is one that its program understands.

mod several;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use testkit::{bin, paths};

const PROGRAMS: [&str; 5] = ["kuma-cp", "kuma-dp", "kumactl", "kuma-tcp-echo", "kong"];

#[test]
fn every_command_in_the_documents_is_understood() -> Result<()> {
    let programs = bin("kumactl")?;
    let programs = programs.parent().context("a program is in a directory")?;
    let system = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs.to_owned()).chain(std::env::split_paths(&system)))?;
    let mut commands = 0;
    for document in documents()? {
        for command in commands_in(&std::fs::read_to_string(&document)?) {
            // Help is answered after the words before it were understood, and does nothing else.
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{command} --help")]).env("PATH", &path);
            let output = shell.output()?;
            let complaint = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{}: {command}\n{complaint}", document.display());
            commands += 1;
        }
    }
    ensure!(commands > 30, "only {commands} commands were found");
    Ok(())
}

fn documents() -> Result<Vec<PathBuf>> {
    let mut pages = vec![paths::root().join("README.md")];
    let mut directories = vec![paths::root().join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() { directories.push(path) } else { pages.push(path) }
        }
    }
    Ok(pages)
}

/// Our own programs' commands in blocks of `sh`, without comments, pipes and redirections.
fn commands_in(document: &str) -> Vec<String> {
    let blocks = document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter_map(|line| own_command(&line)).collect()
}

fn own_command(line: &str) -> Option<String> {
    let line = line.split("  #").next()?.split(" # ").next()?.split(" > ").next()?;
    let command = line.split(" | ").find(|part| {
        let mut words =
            part.split_whitespace().skip_while(|word| word.starts_with("KUMA_") || word.starts_with("KONG_"));
        words.next().is_some_and(|program| PROGRAMS.contains(&program))
    })?;
    Some(command.trim().to_owned())
}
