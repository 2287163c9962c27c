//! A running province: it starts the processes, waits until they answer, and ends them.

use crate::{
    Result, StackError,
    engine::Engine,
    environment::{Local, local_config},
    gateway::Gateway,
    issuer::Issuer,
    key_file::{Employee, KeyFile},
    processes::{Processes, Programs},
    ready::{Ready, ready, session_script},
    receiver::Receiver,
    runtime::Runtime,
    seed::Seed,
    state::{Running, StateDir},
    template::Template,
    tick::{Ticked, tick},
    triggers::{pump::Pump, schedule},
    workspace,
};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use mealticket_api::{auth::operator::Role, config::OperatorIssuer};
use mealticket_domain::Timestamp;
use mealticket_store::{Clock, Tables};
use serde::Serialize;
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

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

/// A one-time code on its way to a phone. In production the SMS gateway sends it.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct Message {
    /// The phone to which the code is sent.
    pub phone: String,
    /// The one-time code.
    pub otp: String,
}

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
    processes: Processes,
    triggers: Vec<JoinHandle<()>>,
    state: StateDir,
    data: Option<PathBuf>,
    _engine: Engine,
}

impl Stack {
    /// Builds the binaries, starts every process, and waits until every function answers. `say` prints a line before a
    /// step that takes time.
    ///
    /// Call it on the main thread: child processes are tied to the life of the thread that starts them.
    pub async fn start(options: &Options, say: &dyn Fn(&str)) -> Result<Self> {
        let template = template(options)?;
        let functions = template.functions()?;
        let seed = Seed::read(&workspace::seed())?;
        let front = listen(options.port, "--port").await?;
        let state = state(options, say)?;
        let keys = state.keys(&seed)?;
        let programs = Programs::ensure(options, say)?;

        let tables_file = options.data.as_ref().map(|_| state.tables_file());
        let engine = Engine::start(options.dynamodb_port, tables_file.as_deref(), &template.tables()?).await?;
        let issuer = Issuer::start(&keys).await?;
        let (secrets, tables, operators) = (state.secrets_file(), engine.url(), issuer.url());
        let local = Local { secrets: &secrets, strict: options.strict, operators: &operators, tables: &tables };
        let config = local_config(&functions, &local)?;

        say("loading the seed province");
        let receiver = Receiver::start().await?;
        let handles = Tables::new(client(&tables), config.tables.clone(), Clock::system());
        seed.load(&handles, &keys).await?;
        seed.load_endpoints(&handles, &keys, &receiver).await?;

        let mut processes = Processes::start(&programs, &state).await?;
        let (sender, messages) = mpsc::unbounded_channel();
        processes.start_functions((&programs, &functions), &local, &state, &sender)?;
        processes.wait_until_ready(&template, &state).await?;
        let runtime = processes.runtime().clone();
        let running =
            Running { functions: runtime.url().to_owned(), clock_file: state.clock_file(), operators: issuer.url() };
        let clock = Clock::shifted_by(running.clock_file.clone());
        state.note_running(&running)?;
        let triggers = start_triggers(&template, &engine, &runtime, &clock)?;
        let address = front.local_addr().map_err(|error| StackError::caused("the gateway", error))?;
        let gateway = Arc::new(Gateway::new((template.routes()?, template.cors()), &functions, runtime, clock));
        tokio::spawn(gateway.serve(front));
        Ok(Stack {
            ready: ready(&seed, &config, format!("http://{address}"), tables)?,
            keys,
            messages,
            receiver,
            operators: config.operators.clone(),
            province: config.province.code().to_owned(),
            processes,
            triggers,
            data: options.data.as_ref().map(|_| state.path().to_path_buf()),
            state,
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
    pub async fn stop(self) {
        self.triggers.iter().for_each(JoinHandle::abort);
        self.state.forget_running();
        self.processes.stop().await;
    }
}

/// The template, with the options' values for its parameters.
fn template(options: &Options) -> Result<Template> {
    let mut template = Template::read(&workspace::template())?;
    if !options.app_origins.is_empty() {
        template.set("AppOrigins", options.app_origins.join(","));
    }
    Ok(template)
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

/// Listens on a port of this machine; 0 takes any free one. The refusal names `option`.
pub(crate) async fn listen(port: u16, option: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        StackError(format!("port {port} on 127.0.0.1 is not free ({error}); choose another with {option}"))
    })
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
