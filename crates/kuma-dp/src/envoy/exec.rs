//! The first moments of the Envoy process: our own program in a hidden mode that asks the kernel to end it
//! together with its parent, and then becomes Envoy. So nothing that happens to `kuma-dp`, not even SIGKILL,
//! leaves an Envoy behind that nobody looks after.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// First argument of the hidden mode; followed by the parent's process id, the program, and its arguments.
pub(crate) const ARGUMENT: &str = "exec-envoy";

/// Becomes the program. Returns only when that fails, with the reason.
pub(crate) fn exec(mut args: impl Iterator<Item = OsString>) -> String {
    let parent = args.next().and_then(|id| id.to_str()?.parse::<i32>().ok());
    let Some(program) = args.next() else {
        return format!("{ARGUMENT} is for internal use");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("cannot bind the life of Envoy to the launcher's: {error}");
    }
    // The parent may have ended before the kernel was asked to watch it.
    if getppid().map(|id| id.as_raw_nonzero().get()) != parent {
        return "the launcher has ended".to_owned();
    }
    let error = Command::new(&program).args(args).exec();
    format!("cannot run {}: {error}", program.display())
}
