use std::time::Duration;

use anyhow::ensure;
use tempfile::TempDir;

use super::*;
use crate::Process;

#[test]
fn the_process_ends_and_its_directory_goes() -> Result<()> {
    let dir = TempDir::new()?.keep();
    std::fs::write(dir.join("file"), "")?;
    let mut guard = Guard::new(&dir, "TERM")?;
    let sleep = || {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::spawn("sleep", command)
    };
    let (mut first, mut second) = (sleep()?, sleep()?);
    guard.watch(Some(first.pid()))?;
    guard.watch(Some(second.pid()))?;
    ensure!(first.is_running() && second.is_running() && dir.exists());
    drop(guard);
    ensure!(second.ended(Duration::from_secs(10)));
    ensure!(first.is_running(), "it is not watched any more");
    ensure!(!dir.exists());
    Ok(())
}
