//! `cargo stack`: a province on one machine.

#[path = "command_line/arguments.rs"]
mod arguments;

use arguments::{Cli, Demo, MerchantChoice, Speaker, Task, Up};
use clap::Parser;
use mealticket_domain::Timestamp;
use mealticket_local::{
    Result, StackError, binaries, cargo_lambda,
    credentials::{self, Credentials},
    demo, generated, guard, measure,
    ready::session,
    runtime::Runtime,
    stack::{Options, Stack},
    state::StateDir,
    tables,
    template::Template,
    tick, workspace,
};
use serde_json::json;
use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Guard { parent, program, arguments } => Err(guard::become_program(parent, &program, &arguments)),
        Task::Up(up) => in_runtime(up_until_signal(up)),
        Task::Demo(options) => in_runtime(tell_demo(options)),
        Task::Test { arguments } => test(&arguments),
        Task::Prove { arguments } => prove(&arguments),
        Task::Measure { members, release } => in_runtime(measure_stack(members, release)),
        Task::Tables { port } => in_runtime(tables_until_signal(port)),
        Task::Generate => generate(),
        Task::Watch { arguments } => watch(&arguments),
        Task::Invoke { function, sample, arguments } => invoke(&function, &sample, &arguments),
        Task::Tick { at, data } => in_runtime(tick_schedules(at, data)),
        Task::RebuildLedger { data } => in_runtime(rebuild_ledger(data)),
        Task::Token(speaker) => token(&speaker),
        Task::ShareCode { partner, data } => share_code(&partner, data.as_deref()),
        Task::Sign { merchant, file, id } => sign(&merchant, &file, id.as_deref()),
        Task::Secret(merchant) => secret(&merchant),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a task on the main thread. Child processes are tied to the thread that starts them.
fn in_runtime(task: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| StackError::caused("the runtime", error))?.block_on(task)
}

/// Prints a line of progress on standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints results on standard output. A closed pipe is not a failure.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

async fn up_until_signal(up: Up) -> Result<()> {
    let caught = |kind| signal(kind).map_err(|error| StackError::caused("signals", error));
    let (mut interrupt, mut terminate) = (caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?);
    let options = Options {
        port: up.port,
        dynamodb_port: up.dynamodb_port,
        data: up.data,
        temporary: false,
        release: up.release,
        strict: up.strict,
        no_build: up.no_build,
        app_origins: up.app_origins,
    };
    let started = tokio::select! {
        started = Stack::start(&options, &say) => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let mut stack = started;
    let script = stack.session_file()?;
    if up.json {
        print(&format!("{}\n", json!({ "ready": stack.ready })));
    } else {
        print(&session(&stack.ready, &script));
    }
    loop {
        tokio::select! {
            message = stack.messages.recv() => match message {
                Some(message) if up.json => print(&format!("{}\n", json!({ "message": message }))),
                Some(message) => print(&format!("one-time code for {}: {}\n", message.phone, message.otp)),
                None => return Err(StackError("the functions have ended; see the logs in .stack".to_owned())),
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    stack.stop().await;
    Ok(())
}

/// Serves the tables and fills the samples, for functions that plain cargo-lambda runs.
async fn tables_until_signal(port: u16) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| StackError::caused("signals", error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| StackError::caused("signals", error))?;
    let tables = tables::serve(port).await?;
    print(&format!(
        "Tables are at {}; {} says so to plain cargo lambda. In another terminal:\n\n  cargo stack watch\n\n\
         The samples, with their placeholders filled, are in {}; their tokens are good for four minutes.\nCtrl-C ends it.\n",
        tables.url,
        tables.env_file.display(),
        tables.folder.display(),
    ));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Writes the parts of files that are generated from the template.
fn generate() -> Result<()> {
    let template = Template::read(&workspace::template())?;
    for part in generated::parts(&template)? {
        let outcome = if part.write()? { "written" } else { "is as the template says" };
        print(&format!("{} {outcome}\n", part.file));
    }
    Ok(())
}

/// Replaces this process with cargo-lambda, which serves the functions.
fn watch(arguments: &[OsString]) -> Result<()> {
    let mut command = Command::new(cargo_lambda::ensure(&say)?);
    command.args(["lambda", "watch", "--invoke-address", "127.0.0.1"]).args(arguments).current_dir(workspace::root());
    Err(StackError::caused("cargo-lambda does not start", command.exec()))
}

/// Replaces this process with cargo-lambda, which sends one sample as `tables` has filled it.
fn invoke(function: &str, sample: &str, arguments: &[OsString]) -> Result<()> {
    let name = sample.strip_suffix(".json").unwrap_or(sample);
    let file = workspace::private().join("events").join(function).join(format!("{name}.json"));
    if !file.is_file() {
        return Err(StackError(format!(
            "there is no {}; `cargo stack tables` fills the samples of events/{function}/",
            file.display()
        )));
    }
    let mut command = Command::new(cargo_lambda::ensure(&say)?);
    command.args(["lambda", "invoke", "--invoke-address", "127.0.0.1", function, "--data-file"]).arg(file);
    command.args(arguments).current_dir(workspace::root());
    Err(StackError::caused("cargo-lambda does not start", command.exec()))
}

async fn tick_schedules(at: Option<Timestamp>, data: Option<PathBuf>) -> Result<()> {
    for ticked in tick::tick(&StateDir::existing(data.as_deref())?, at).await? {
        print(&format!("{} {}\n", ticked.schedule.function, ticked.reply));
    }
    Ok(())
}

async fn rebuild_ledger(data: Option<PathBuf>) -> Result<()> {
    let running = StateDir::existing(data.as_deref())?.running();
    let running = running.ok_or_else(|| StackError("no stack runs here; start one with `up`".to_owned()))?;
    let report = Runtime::new(running.functions)?.invoke("rebuild-ledger", &json!({})).await;
    let report = report.ok_or_else(|| StackError("rebuild-ledger does not answer; is the stack up?".to_owned()))?;
    let text = serde_json::to_string_pretty(&report).map_err(|error| StackError(error.to_string()))?;
    print(&format!("{text}\n"));
    let nothing = |name: &str| report.get(name).is_some_and(|n| n == 0);
    let counts = nothing("counts_that_differ") || report.get("is_quiet").is_some_and(|quiet| quiet == false);
    if nothing("differences_in_all") && nothing("unreadable_in_all") && counts {
        print("The journal and the coupons agree.\n");
        return Ok(());
    }
    Err(StackError("the journal and the coupons differ; see above".to_owned()))
}

async fn tell_demo(demo: Demo) -> Result<()> {
    let options = Options { release: demo.release, no_build: demo.no_build, temporary: true, ..Options::default() };
    until_interrupted(async {
        let mut stack = Stack::start(&options, &say).await?;
        let ran = demo::run_story(&mut stack, demo.story).await;
        stack.stop().await;
        ran
    })
    .await?;
    print("Every step was as it should be.\n");
    Ok(())
}

async fn measure_stack(members: u32, release: bool) -> Result<()> {
    let options = Options { release, temporary: true, ..Options::default() };
    until_interrupted(async {
        let mut stack = Stack::start(&options, &say).await?;
        let measured = measure::measure(&mut stack, members).await;
        stack.stop().await;
        measured
    })
    .await
}

/// Runs the task until it ends or a signal interrupts it. Either way what the task holds is dropped, so it leaves
/// nothing behind.
async fn until_interrupted(task: impl Future<Output = Result<()>>) -> Result<()> {
    let caught = |kind| signal(kind).map_err(|error| StackError::caused("signals", error));
    let (mut interrupt, mut terminate) = (caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?);
    tokio::select! {
        done = task => done,
        _ = interrupt.recv() => Err(StackError("interrupted".to_owned())),
        _ = terminate.recv() => Err(StackError("ended by a signal".to_owned())),
    }
}

/// Builds the functions, then runs every test. The ignored tests run too: they need the functions' binaries.
fn test(arguments: &[String]) -> Result<()> {
    cargo_lambda::ensure(&say)?;
    say("building the functions (minutes the first time, seconds after)");
    binaries::build(false)?;
    let mut command = Command::new(binaries::cargo());
    command.args(["test", "--workspace", "--locked", "--", "--include-ignored"]).args(arguments);
    command.current_dir(workspace::root()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| StackError::caused("cargo does not start", error))?;
    let mut passed = 0;
    for line in BufReader::new(child.stdout.take().ok_or_else(|| StackError("no output".to_owned()))?).lines() {
        let line = line.map_err(|error| StackError::caused("the tests' output", error))?;
        passed += passed_in(&line);
        print(&format!("{line}\n"));
    }
    let status = child.wait().map_err(|error| StackError::caused("cargo test", error))?;
    if !status.success() {
        return Err(StackError("some tests fail; they are named above".to_owned()));
    }
    print(&format!("\n{passed} passed, 0 failed\n"));
    Ok(())
}

fn prove(arguments: &[String]) -> Result<()> {
    say("building (minutes the first time, seconds after)");
    let program = binaries::build_programs(false, ["prove"])?.join("prove");
    let status = Command::new(program).args(arguments).current_dir(workspace::root()).status();
    match status.map_err(|error| StackError::caused("prove", error))? {
        status if status.success() => Ok(()),
        _ => Err(StackError("a promise is broken; what was found is printed above".to_owned())),
    }
}

/// Reads 46 from `test result: ok. 46 passed; …`. Any other line gives zero.
fn passed_in(line: &str) -> usize {
    let counted = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "));
    counted.and_then(|(_, rest)| rest.split_once(" passed")).and_then(|(n, _)| n.parse().ok()).unwrap_or(0)
}

fn token(speaker: &Speaker) -> Result<()> {
    let credentials = Credentials::of(speaker.data.as_deref())?;
    let token = match (&speaker.merchant, &speaker.operator) {
        (Some(merchant), _) => credentials.merchant_token(merchant)?,
        (None, Some(name)) => credentials.operator_token(&credentials::Speaker {
            name,
            roles: &speaker.roles,
            province: speaker.province.as_deref(),
            cities: &speaker.cities,
        })?,
        (None, None) => {
            return Err(StackError(
                "whose token? `--merchant mch_luckytea`, or `--operator li.na --role finance`".to_owned(),
            ));
        }
    };
    print(&format!("{token}\n"));
    Ok(())
}

fn share_code(partner: &str, data: Option<&Path>) -> Result<()> {
    print(&format!("{}\n", Credentials::of(data)?.share_code(partner)?));
    Ok(())
}

fn sign(choice: &MerchantChoice, file: &PathBuf, id: Option<&str>) -> Result<()> {
    print(&Credentials::of(choice.data.as_deref())?.sign(&choice.merchant, file, id)?);
    Ok(())
}

fn secret(choice: &MerchantChoice) -> Result<()> {
    let credentials = Credentials::of(choice.data.as_deref())?;
    let (reports, messages) = credentials.secrets(&choice.merchant)?;
    print(&format!("reports  {reports}\nmessages {messages}\n"));
    Ok(())
}
