//! Child processes end with their parent, also when the parent is killed.
//!
//! A child is started through this program: `stack guard PARENT PROGRAM ARGS…`. It asks the kernel for a signal at its
//! parent's death, and then becomes the program. No process watches another, so no watcher can be left over.

use crate::{Result, StackError};
use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

/// A command whose process ends when this process does.
pub fn guarded(program: &std::path::Path) -> Result<Command> {
    let mut command = Command::new(this_program()?);
    command.arg("guard").arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

/// This program's path. It stays right when a build replaces the file while the program runs.
fn this_program() -> Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map_err(|error| StackError::caused("this program's own path", error))
}

/// Becomes `program`, tied to the life of `parent`. Returns only when that fails.
pub fn become_program(parent: u32, program: &OsString, arguments: &[OsString]) -> StackError {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        return StackError::caused("the kernel gives no signal at a parent's death", error);
    }
    // The parent may have died before we asked the kernel.
    let still = rustix::process::getppid().is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if !still {
        return StackError("the stack ended before its child began".to_owned());
    }
    StackError::caused(program.to_string_lossy(), Command::new(program).args(arguments).exec())
}
