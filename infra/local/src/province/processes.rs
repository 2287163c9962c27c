//! The processes of a province: cargo-lambda's emulator, and the functions that it invokes.

use crate::{
    Result, StackError, binaries, cargo_lambda,
    environment::{Local, function_variables},
    guard,
    runtime::{Runtime, http_probe},
    stack::{Message, Options, listen},
    state::StateDir,
    template::{FunctionSpec, Template},
    triggers::schedule,
    workspace,
};
use mealticket_store::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    sync::mpsc::UnboundedSender,
    time::Instant,
};

/// How many processes each function has. There are two, so that a thing which works only inside one process fails here.
const INSTANCES: usize = 2;

/// How long all functions together may take until they answer. On two idle cores it is two seconds; the rest is for a
/// machine with other work. Nobody waits for a process that has ended.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// How long one function may take to answer one probe.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// How long a function may take to return what it holds. Lambda gives 500 ms; a loaded laptop may need more.
const GRACE: Duration = Duration::from_secs(1);

/// Where the programs of a stack are.
pub(crate) struct Programs {
    cargo_lambda: PathBuf,
    functions: PathBuf,
}

impl Programs {
    /// Installs cargo-lambda if it is missing, and builds the functions unless the options forbid it.
    pub(crate) fn ensure(options: &Options, say: &dyn Fn(&str)) -> Result<Self> {
        let cargo_lambda = cargo_lambda::ensure(say)?;
        if options.no_build {
            return Ok(Programs { cargo_lambda, functions: binaries::directory(options.release)? });
        }
        say("building the functions (minutes the first time, seconds after)");
        Ok(Programs { cargo_lambda, functions: binaries::build(options.release)? })
    }
}

/// The running processes of one stack. They end when this value is dropped, and when this process ends, however it ends.
pub(crate) struct Processes {
    /// The emulator is the first. The others need it until they have ended.
    children: Vec<Child>,
    runtime: Runtime,
}

impl Processes {
    /// Starts the emulator, and waits until it listens. A function that registers for its own shutdown calls it once,
    /// before anything else.
    pub(crate) async fn start(programs: &Programs, state: &StateDir) -> Result<Self> {
        let port = listen(0, "--port").await?.local_addr();
        let port = port.map_err(|error| StackError::caused("a free port", error))?.port();
        let mut emulator = start_cargo_lambda(&programs.cargo_lambda, port, state)?;
        wait_until_listening(port, &mut emulator).await?;
        let children = vec![emulator];
        Ok(Processes { children, runtime: Runtime::new(format!("http://127.0.0.1:{port}"))? })
    }

    /// Invokes the functions.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Starts two processes of each function. `messages` gets the one-time codes that they print.
    pub(crate) fn start_functions(
        &mut self,
        (programs, functions): (&Programs, &[FunctionSpec]),
        local: &Local<'_>,
        state: &StateDir,
        messages: &UnboundedSender<Message>,
    ) -> Result<()> {
        for function in functions {
            let binary = programs.functions.join(&function.name);
            if !binary.exists() {
                return Err(StackError(format!("{} is not built; leave --no-build out", binary.display())));
            }
            let variables = function_variables(function, local, (self.runtime.url(), &state.clock_file()));
            for _ in 0..INSTANCES {
                let mut command = guard::guarded(&binary)?;
                command.env_clear().envs(&variables).stdout(Stdio::piped()).stderr(log(state, &function.name)?);
                let mut child = spawn(command, &function.name)?;
                if let Some(output) = child.stdout.take() {
                    tokio::spawn(relay(output, messages.clone()));
                }
                self.children.push(child);
            }
        }
        Ok(())
    }

    /// Asks every function until it answers. A process that has ended never will: then the error names its log.
    pub(crate) async fn wait_until_ready(&mut self, template: &Template, state: &StateDir) -> Result<()> {
        let give_up_at = Instant::now() + READY_WITHIN;
        for function in template.functions()? {
            while !is_up(template, &self.runtime, &function.name).await? {
                let ended = self.children.iter_mut().any(|child| child.try_wait().is_ok_and(|status| status.is_some()));
                if ended || Instant::now() >= give_up_at {
                    let log = state.log_file(&function.name);
                    return Err(StackError(format!("{} does not answer; see {}", function.name, log.display())));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Ends every process and waits for it. The functions get a signal first, as from Lambda, so that they return
    /// leased stock.
    pub(crate) async fn stop(mut self) {
        let ending = self.children.iter_mut().skip(1).map(|child| {
            if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
                // A process that has ended already is fine.
                let _ = kill_process(pid, Signal::TERM);
            }
            tokio::time::timeout(GRACE, child.wait())
        });
        for ended in ending.collect::<Vec<_>>() {
            let _ = ended.await;
        }
        for child in &mut self.children {
            // A process that has ended already is fine.
            let _ = child.kill().await;
        }
    }
}

fn start_cargo_lambda(program: &Path, port: u16, state: &StateDir) -> Result<Child> {
    let mut command = guard::guarded(program)?;
    command
        .args(["lambda", "watch", "--only-lambda-apis", "--concurrency", "1", "--ignore-changes"])
        .args(["-A", "127.0.0.1", "-P", &port.to_string(), "--disable-cors"])
        // The manifest names another file, for plain `cargo lambda watch`. This emulator starts no function, so it gets
        // an empty one.
        .arg("--env-file")
        .arg(state.empty_file()?)
        .current_dir(workspace::root())
        .stdout(log(state, "cargo-lambda")?)
        .stderr(log(state, "cargo-lambda")?);
    spawn(command, "cargo-lambda")
}

/// Reads the one-time codes that a function prints, and passes them on.
async fn relay(output: ChildStdout, messages: UnboundedSender<Message>) {
    #[derive(serde::Deserialize)]
    struct Line {
        message: Message,
    }
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(Line { message }) = serde_json::from_str(&line)
            && messages.send(message).is_err()
        {
            return;
        }
    }
}

fn log(state: &StateDir, process: &str) -> Result<File> {
    let path = state.log_file(process);
    let opened = File::options().create(true).append(true).open(&path);
    opened.map_err(|error| StackError::caused(path.display(), error))
}

fn spawn(command: std::process::Command, name: &str) -> Result<Child> {
    let mut command = Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(|error| StackError::caused(format!("{name} does not start"), error))
}

/// Waits until the runtime's API listens. A function that registers for its own shutdown calls it once, before anything
/// else.
async fn wait_until_listening(port: u16, emulator: &mut Child) -> Result<()> {
    let give_up_at = Instant::now() + READY_WITHIN;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        let ended = emulator.try_wait().is_ok_and(|status| status.is_some());
        if ended || Instant::now() >= give_up_at {
            return Err(StackError("cargo-lambda does not listen; see cargo-lambda.log".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Sends a function an event that changes nothing: a route that nobody has, an empty batch, or its schedule.
async fn is_up(template: &Template, runtime: &Runtime, function: &str) -> Result<bool> {
    let scheduled = template.schedules()?.into_iter().find(|schedule| schedule.function == function);
    let probe = match &scheduled {
        Some(scheduled) => schedule::event_once(scheduled, Clock::system().now()),
        None if template.mappings()?.iter().any(|mapping| mapping.function == function) => {
            json!({ "Records": [], "shardId": "probe" })
        }
        None => http_probe(),
    };
    let asked = tokio::time::timeout(PROBE_WITHIN, runtime.succeed(function, &probe)).await;
    let Ok(Some(reply)) = asked else { return Ok(false) };
    let status = reply.get("statusCode").and_then(Value::as_u64);
    Ok(status.is_none_or(|status| status == 404))
}
