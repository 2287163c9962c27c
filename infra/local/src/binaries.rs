//! The functions' binaries, built by cargo.

use crate::{Result, StackError, workspace};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Builds the functions and says where the binaries are. Cargo's own progress goes to standard error. The whole workspace is
/// named, so that its crates are compiled once, with one set of features, for the stack and for the functions.
pub fn build(release: bool) -> Result<PathBuf> {
    let mut command = Command::new(cargo());
    command
        .args(["build", "--locked", "--workspace", "--bins"])
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if release {
        command.arg("--release");
    }
    let status = command.status().map_err(|error| StackError::caused("cargo does not start", error))?;
    if !status.success() {
        return Err(StackError("the functions do not build; cargo says why above".to_owned()));
    }
    directory(release)
}

/// The directory of binaries beside this program's own.
pub fn directory(release: bool) -> Result<PathBuf> {
    let this = std::env::current_exe().map_err(|error| StackError::caused("this program's own path", error))?;
    let target = this.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release"));
    let target = target.and_then(Path::parent).ok_or_else(|| StackError("no target directory is found".to_owned()))?;
    Ok(target.join(if release { "release" } else { "debug" }))
}

/// The cargo that runs us, or the one on the path.
#[expect(clippy::disallowed_methods, reason = "cargo names itself to the programs it runs")]
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
