//! `cargo stack`. The launcher compiles the local stack and the functions, shows progress, and then becomes the stack.
//!
//! It always builds one set of programs, chosen from the whole workspace. So cargo unites the features of their
//! dependencies as it does for the tests, and compiles nothing twice (`tests/journeys/Cargo.toml`).

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, IsTerminal, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

/// Crates between two lines of progress, where cargo draws no progress bar. The first build compiles some 330 crates.
const CRATES_PER_LINE: u32 = 25;

fn main() -> ExitCode {
    match launch() {
        Ok(never) => match never {},
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Builds everything and becomes the stack. Returns only when something fails.
fn launch() -> Result<std::convert::Infallible, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    build(&root)?;
    let own = env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let stack = own.with_file_name("stack");
    let error = Command::new(&stack).args(env::args_os().skip(1)).exec();
    Err(format!("{} does not start: {error}", stack.display()))
}

/// Builds the stack and every function. On a terminal, cargo draws its own progress bar.
fn build(root: &Path) -> Result<(), String> {
    let mut command = Command::new(cargo());
    command.args(["build", "--locked", "--workspace", "--bin", "stack"]).current_dir(root).stdin(Stdio::null());
    for function in functions(&root.join("functions"))? {
        command.arg("--bin").arg(function);
    }
    let is_terminal = io::stderr().is_terminal();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(if is_terminal { Stdio::inherit() } else { Stdio::piped() })
        .spawn()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if let Some(output) = child.stderr.take() {
        relay(BufReader::new(output));
    }
    let status = child.wait().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the stack does not compile; cargo says why above".to_owned()) }
}

/// Prints cargo's output. Of cargo's progress it prints one line for every [`CRATES_PER_LINE`] crates.
fn relay(output: impl BufRead) {
    let began = Instant::now();
    let mut compiled = 0u32;
    for line in output.lines().map_while(Result::ok) {
        let word = line.split_whitespace().next().unwrap_or_default();
        match word {
            "Compiling" => {
                if compiled == 0 {
                    say("compiling the stack and the functions (minutes the first time, seconds after)");
                }
                compiled += 1;
                if compiled.is_multiple_of(CRATES_PER_LINE) {
                    say(&format!("compiling: {compiled} crates begun, {} s", began.elapsed().as_secs()));
                }
            }
            "Finished" | "Downloading" | "Downloaded" | "Locking" | "Blocking" => {}
            _ => say(&line),
        }
    }
}

/// The names of the functions. Every folder with a `Cargo.toml` is a function.
fn functions(folder: &Path) -> Result<Vec<OsString>, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names)
}

/// Prints a line of progress on standard error. A closed standard error is not a failure.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The cargo that started this program, or the one on the path.
#[expect(clippy::disallowed_methods, reason = "cargo names itself to the programs it runs")]
fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
