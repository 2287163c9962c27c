//! A running province: it starts the processes, waits until they answer, and ends them.

use crate::{
    Result, StackError, binaries, cargo_lambda,
    engine::Engine,
    environment::{Environment, Local, local_config},
    gateway::Gateway,
    guard,
    issuer::Issuer,
    key_file::{Employee, KeyFile},
    ready::{Ready, ready, session_script},
    receiver::Receiver,
    runtime::{Runtime, http_probe},
    seed::Seed,
    state::{Running, StateDir},
    template::{FunctionSpec, Template},
    tick::{Ticked, tick},
    triggers::{pump::Pump, schedule},
    workspace,
};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use mealticket_api::{auth::operator::Role, config::OperatorIssuer};
use mealticket_domain::Timestamp;
use mealticket_store::{Clock, Tables};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

/// How a stack is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port of the API; 0 takes any free port.
    pub port: u16,
    /// The port of the tables; 0 takes any free port.
    pub dynamodb_port: u16,
    /// The directory that keeps the tables. They are kept in memory when it is absent.
    pub data: Option<PathBuf>,
    /// Nobody else needs to find this stack. It has keys and a clock of its own, and they are removed with it.
    pub temporary: bool,
    /// Use release binaries instead of debug binaries.
    pub release: bool,
    /// Apply the limits on one-time codes.
    pub strict: bool,
    /// Do not build the binaries: they are there already.
    pub no_build: bool,
    /// Web origins whose pages may call the API.
    pub app_origins: Vec<String>,
}

/// How many processes each function has. There are two, so that a thing which works only inside one process fails here.
const INSTANCES: usize = 2;
/// How long all functions together may take until they answer.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long a function may take to return what it holds. Lambda gives 500 ms; a loaded laptop may need more.
const GRACE: Duration = Duration::from_secs(1);

/// A running province. Its processes end when this value is dropped, and when this process ends, however it ends.
pub struct Stack {
    /// What clients need to know, such as the address of the API.
    pub ready: Ready,
    /// The keys of the stack and of the seed's merchants.
    pub keys: KeyFile,
    /// One-time codes, in the order in which they are sent.
    pub messages: mpsc::UnboundedReceiver<Message>,
    /// The merchants' own server, which receives our messages.
    pub receiver: Receiver,
    /// The operator's identity provider, as the functions are configured to trust it.
    operators: OperatorIssuer,
    province: String,
    children: Vec<Child>,
    triggers: Vec<JoinHandle<()>>,
    state: StateDir,
    data: Option<PathBuf>,
    _engine: Engine,
}

/// A one-time code on its way to a phone. In production the SMS gateway sends it.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct Message {
    /// The phone to which the code is sent.
    pub phone: String,
    /// The one-time code.
    pub otp: String,
}

impl Stack {
    /// Builds the binaries, starts every process, and waits until every function answers. `say` prints a line before a
    /// step that takes time.
    ///
    /// Call it on the main thread: child processes are tied to the life of the thread that starts them.
    pub async fn start(options: &Options, say: &dyn Fn(&str)) -> Result<Self> {
        let mut template = Template::read(&workspace::template())?;
        if !options.app_origins.is_empty() {
            template.set("AppOrigins", options.app_origins.join(","));
        }
        let functions = template.functions()?;
        let seed = Seed::read(&workspace::seed())?;
        let front = listen(options.port, "--port").await?;
        let state = state(options, say)?;
        let keys = state.keys(&seed)?;

        let program = cargo_lambda::ensure(say)?;
        let binaries = if options.no_build {
            binaries::directory(options.release)?
        } else {
            say("building the functions (minutes the first time, seconds after)");
            binaries::build(options.release)?
        };

        let tables_file = options.data.as_ref().map(|_| state.tables_file());
        let engine = Engine::start(options.dynamodb_port, tables_file.as_deref(), &template.tables()?).await?;
        let issuer = Issuer::start(&keys).await?;
        let environment = Environment {
            state: &state,
            tables_url: engine.url(),
            strict: options.strict,
            operators: issuer.url(),
            clock_file: state.clock_file(),
        };
        let secrets = state.secrets_file();
        let local =
            Local { secrets: &secrets, strict: options.strict, operators: &issuer.url(), tables: &engine.url() };
        let config = local_config(&functions, &local)?;
        say("loading the seed province");
        let receiver = Receiver::start().await?;
        let tables = Tables::new(client(&engine.url()), config.tables.clone(), Clock::system());
        seed.load(&tables, &keys).await?;
        seed.load_endpoints(&tables, &keys, &receiver).await?;

        let runtime_port = free_port().await?;
        let mut children = vec![start_cargo_lambda(&program, runtime_port, &state)?];
        wait_until_listening(runtime_port).await?;
        let (sender, messages) = mpsc::unbounded_channel();
        for function in &functions {
            for _ in 0..INSTANCES {
                let variables = environment.variables(function, runtime_port);
                children.push(start_function(&binaries, function, &variables, &state, &sender)?);
            }
        }
        let address = front.local_addr().map_err(|error| StackError::caused("the gateway", error))?;
        let runtime = Runtime::new(format!("http://127.0.0.1:{runtime_port}"))?;
        wait_until_ready(&template, &runtime, &mut children, &state).await?;
        let running =
            Running { functions: runtime.url().to_owned(), clock_file: state.clock_file(), operators: issuer.url() };
        let clock = Clock::shifted_by(running.clock_file.clone());
        state.note_running(&running)?;
        let triggers = start_triggers(&template, &engine, &runtime, &clock)?;
        let gateway = Arc::new(Gateway::new((template.routes()?, template.cors()), &functions, runtime, clock));
        tokio::spawn(gateway.serve(front));
        let ready = ready(&seed, &config, format!("http://{address}"), engine.url())?;
        let (operators, province) = (config.operators.clone(), config.province.code().to_owned());
        let data = options.data.as_ref().map(|_| state.path().to_path_buf());
        Ok(Stack {
            ready,
            keys,
            messages,
            receiver,
            operators,
            province,
            children,
            triggers,
            state,
            data,
            _engine: engine,
        })
    }

    /// The time by the stack's clock.
    pub fn now(&self) -> Timestamp {
        self.state.clock().now()
    }

    /// Writes the script that a person can run against this stack. Returns its path.
    pub fn session_file(&self) -> Result<PathBuf> {
        self.state.write_session(&session_script(&self.ready, self.data.as_deref()))
    }

    /// A bearer token of an employee of the operator with these roles, for the whole province.
    pub fn operator_token(&self, name: &str, roles: &[Role]) -> Result<String> {
        let employee = Employee { name, roles, province: &self.province, cities: &[] };
        self.keys.operators()?.token(&self.operators, &employee, self.now())
    }

    /// Moves the stack's clock, if `at` is given, and runs every schedule once.
    pub async fn tick(&self, at: Option<Timestamp>) -> Result<Vec<Ticked>> {
        tick(&self.state, at).await
    }

    /// Ends every process and waits for it. The functions get a signal first, as from Lambda, so that they return
    /// leased stock.
    pub async fn stop(mut self) {
        self.triggers.iter().for_each(JoinHandle::abort);
        self.state.forget_running();
        // The first process is the runtime's API. The others need it until they have ended.
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

/// Opens the directory of a stack that starts.
fn state(options: &Options, say: &dyn Fn(&str)) -> Result<StateDir> {
    if options.temporary {
        return StateDir::temporary();
    }
    let state = StateDir::hold(options.data.as_deref())?;
    if state.is_temporary() {
        say("another stack runs here: `tick`, `token` and the like speak to that one; give this one --data");
    }
    Ok(state)
}

/// A client of an engine on this machine, for seeding and for tests. It uses no proxy, whatever the environment names.
pub fn client(url: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

async fn listen(port: u16, option: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        StackError(format!("port {port} on 127.0.0.1 is not free ({error}); choose another with {option}"))
    })
}

async fn free_port() -> Result<u16> {
    let address = listen(0, "--port").await?.local_addr();
    address.map(|address| address.port()).map_err(|error| StackError::caused("a free port", error))
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

fn start_function(
    binaries: &Path,
    function: &FunctionSpec,
    variables: &BTreeMap<String, String>,
    state: &StateDir,
    messages: &mpsc::UnboundedSender<Message>,
) -> Result<Child> {
    let binary = binaries.join(&function.name);
    if !binary.exists() {
        return Err(StackError(format!("{} is not built; leave --no-build out", binary.display())));
    }
    let mut command = guard::guarded(&binary)?;
    command.env_clear().envs(variables).stdout(Stdio::piped()).stderr(log(state, &function.name)?);
    let mut child = spawn(command, &function.name)?;
    if let Some(output) = child.stdout.take() {
        tokio::spawn(relay(output, messages.clone()));
    }
    Ok(child)
}

/// Reads the one-time codes that a function prints, and passes them on.
async fn relay(output: tokio::process::ChildStdout, messages: mpsc::UnboundedSender<Message>) {
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
async fn wait_until_listening(port: u16) -> Result<()> {
    let give_up_at = Instant::now() + READY_WITHIN;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if Instant::now() >= give_up_at {
            return Err(StackError("cargo-lambda does not listen; see cargo-lambda.log".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Starts the pumps of the streams and the schedules.
fn start_triggers(
    template: &Template,
    engine: &Engine,
    runtime: &Runtime,
    clock: &Clock,
) -> Result<Vec<JoinHandle<()>>> {
    let mut triggers = Vec::new();
    for mapping in template.mappings()? {
        let (runtime, function) = (runtime.clone(), mapping.function.clone());
        let invoke = async move |event: &Value| runtime.succeed(&function, event).await;
        let pump = Pump::new(engine.database().clone(), mapping, clock.clone(), invoke)?;
        triggers.push(tokio::spawn(pump.run()));
    }
    for schedule in template.schedules()? {
        triggers.push(tokio::spawn(schedule::run(schedule, runtime.clone(), clock.clone())));
    }
    Ok(triggers)
}

/// Asks every function until it answers. A child process that has ended never will: then the error names its log.
async fn wait_until_ready(
    template: &Template,
    runtime: &Runtime,
    children: &mut [Child],
    state: &StateDir,
) -> Result<()> {
    let give_up_at = Instant::now() + READY_WITHIN;
    for function in template.functions()? {
        loop {
            if is_up(template, runtime, &function.name).await? {
                break;
            }
            let ended = children.iter_mut().any(|child| child.try_wait().is_ok_and(|status| status.is_some()));
            if ended || Instant::now() >= give_up_at {
                let log = state.log_file(&function.name);
                return Err(StackError(format!("{} does not answer; see {}", function.name, log.display())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
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
    let asked = tokio::time::timeout(Duration::from_secs(5), runtime.succeed(function, &probe)).await;
    let Ok(Some(reply)) = asked else { return Ok(false) };
    let status = reply.get("statusCode").and_then(Value::as_u64);
    Ok(status.is_none_or(|status| status == 404))
}
