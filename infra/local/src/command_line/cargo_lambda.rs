//! Finds cargo-lambda in one fixed version, and installs it when it is absent.

use crate::{Result, StackError, binaries::cargo, workspace};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The version that is known to work with the local stack (`docs/adr/0003-one-engine-for-local.md`).
pub const VERSION: &str = "1.9.2";

/// Finds the program in the right version: our private copy, or one on the path. Otherwise installs it. `say` prints a
/// line before a step that takes time.
pub fn ensure(say: &dyn Fn(&str)) -> Result<PathBuf> {
    let tools = workspace::private().join("tools");
    for candidate in [tools.join("venv/bin/cargo-lambda"), tools.join("bin/cargo-lambda"), "cargo-lambda".into()] {
        if is_right(&candidate) {
            return Ok(candidate);
        }
    }
    say(&format!("installing cargo-lambda {VERSION} from its wheel (seconds)"));
    if let Some(program) = from_wheel(&tools) {
        return Ok(program);
    }
    say(&format!("no wheel for this machine; compiling cargo-lambda {VERSION} instead (ten minutes or more)"));
    from_source(&tools)
}

fn is_right(program: &Path) -> bool {
    let output = Command::new(program).args(["lambda", "--version"]).stdin(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == VERSION))
}

/// Installs into a virtual environment of our own. The package's dependencies are left out: zig serves only
/// cross-compiling.
fn from_wheel(tools: &Path) -> Option<PathBuf> {
    let venv = tools.join("venv");
    let quiet = |command: &mut Command| {
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(())
    };
    quiet(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let wheel = format!("cargo-lambda=={VERSION}");
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
    quiet(Command::new(venv.join("bin/python3")).args(install).arg(wheel))?;
    let program = venv.join("bin/cargo-lambda");
    is_right(&program).then_some(program)
}

fn from_source(tools: &Path) -> Result<PathBuf> {
    let mut command = Command::new(cargo());
    command.args(["install", "--locked", "--version", VERSION, "--root"]).arg(tools).arg("cargo-lambda");
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    let program = tools.join("bin/cargo-lambda");
    if done && is_right(&program) {
        return Ok(program);
    }
    Err(StackError(format!(
        "cargo-lambda {VERSION} could not be installed; install it by hand (pip install cargo-lambda=={VERSION}) and try again"
    )))
}
