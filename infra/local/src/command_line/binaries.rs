//! Builds programs of the workspace with cargo, and finds their binaries.

use crate::{Result, StackError, template::Template, workspace};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Builds the template's functions. Returns the directory of their binaries.
pub fn build(release: bool) -> Result<PathBuf> {
    let functions = Template::read(&workspace::template())?.functions()?;
    build_programs(release, functions.iter().map(|function| function.name.as_str()))
}

/// Builds these programs. Returns the directory of their binaries.
///
/// The programs are chosen from the whole workspace. So cargo unites the features of their dependencies as it does for
/// the tests, and compiles nothing twice. Cargo prints its own progress on standard error.
pub fn build_programs<'a>(release: bool, programs: impl IntoIterator<Item = &'a str>) -> Result<PathBuf> {
    let mut command = Command::new(cargo());
    command
        .args(["build", "--locked", "--workspace"])
        .args(programs.into_iter().flat_map(|program| ["--bin", program]))
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

/// The directory of the release or debug binaries, in the target directory of this program.
pub fn directory(release: bool) -> Result<PathBuf> {
    let this = std::env::current_exe().map_err(|error| StackError::caused("this program's own path", error))?;
    let target = this.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release"));
    let target = target.and_then(Path::parent).ok_or_else(|| StackError("no target directory is found".to_owned()))?;
    Ok(target.join(if release { "release" } else { "debug" }))
}

/// The cargo that started this program, or the one on the path.
#[expect(clippy::disallowed_methods, reason = "cargo names itself to the programs it runs")]
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
