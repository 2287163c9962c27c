//! The network between the SDK and the tables, inside this process. It delays, loses and repeats calls as networks do.

use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig},
    error::ConnectorError,
};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, timeout::TimeoutConfig};
use dynoxide::Database;
use mealticket_local::engine::answer;
use mealticket_store::{Clock, TableNames};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::partitions::Partitions;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// The call is done and answered in time.
    Pass,
    /// The call is refused before it is done: a throttle.
    Throttle,
    /// The call is refused before it is done: another transaction holds the item.
    Conflict,
    /// The call is never sent: the connection is refused.
    RefuseConnection,
    /// The call is sent and never done, and no answer comes.
    TimeOutBefore,
    /// The call is done, and no answer comes.
    TimeOutAfter,
    /// No answer comes, and the call is done this many seconds later.
    LandLate(u16),
    /// The call is done, and answered with a 500.
    FailAfter,
    /// The call is not done, because the calling process ends here.
    KillBefore,
    /// The call is done, and the calling process has ended.
    KillAfter,
}

impl Fate {
    /// Every fate but the good one. Some late writes land before the client gives up, and some long after that.
    pub const FAULTS: [Fate; 11] = [
        Fate::Throttle,
        Fate::Conflict,
        Fate::RefuseConnection,
        Fate::TimeOutBefore,
        Fate::TimeOutAfter,
        Fate::LandLate(1),
        Fate::LandLate(7),
        Fate::LandLate(45),
        Fate::FailAfter,
        Fate::KillBefore,
        Fate::KillAfter,
    ];
}

/// A call that went through the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The operation, like `PutItem`.
    pub operation: String,
    /// The table's name, or `stream`.
    pub table: String,
    /// What happened to the call.
    pub fate: Fate,
}

/// The network, and the tables behind it.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    database: Database,
    tables: TableNames,
    state: Mutex<State>,
}

struct State {
    random: fastrand::Rng,
    plan: BTreeMap<usize, Fate>,
    passed: Vec<Passed>,
    partitions: Option<Partitions>,
    /// Receives the numbers of processes that a fate ends.
    reaper: Option<mpsc::UnboundedSender<usize>>,
    delay_max: Duration,
    /// No call is carried before this time: the network is cut, or what is behind it is frozen.
    cut_until: Option<Instant>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

/// The longest time that a call is under way when no fault meets it. It is enough to overtake any other call.
const DELAY_MAX: Duration = Duration::from_millis(30);

impl Network {
    /// A network before these tables. Its delays follow from `seed`, and its calls meet the fates of `plan`.
    pub fn new(database: Database, tables: TableNames, seed: u64, plan: BTreeMap<usize, Fate>) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let (partitions, reaper, cut_until) = (None, None, None);
        let state = State { random, plan, passed: Vec::new(), partitions, reaper, delay_max: DELAY_MAX, cut_until };
        Network(Arc::new(Shared { database, tables, state: Mutex::new(state) }))
    }

    /// The same network, before tables whose partitions have limits.
    #[must_use]
    pub fn with_partitions(self, partitions: Partitions) -> Self {
        self.state().partitions = Some(partitions);
        self
    }

    /// The same network with another latency.
    #[must_use]
    pub fn with_delay(self, delay_max: Duration) -> Self {
        self.state().delay_max = delay_max;
        self
    }

    /// Receives the numbers of the processes that a fate ends. Their clients were made with these numbers.
    pub fn killed(&self) -> mpsc::UnboundedReceiver<usize> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().reaper = Some(sender);
        receiver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tables' database.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The names of the tables.
    pub fn tables(&self) -> &TableNames {
        &self.0.tables
    }

    /// Every call since the last `begin`.
    pub fn passed(&self) -> Vec<Passed> {
        self.state().passed.clone()
    }

    /// What the partitions served, when they have limits.
    pub fn partitions(&self) -> Option<Partitions> {
        self.state().partitions.clone()
    }

    /// Counts calls from now on, and plans these fates for them.
    pub fn begin(&self, plan: BTreeMap<usize, Fate>) {
        let mut state = self.state();
        state.passed.clear();
        state.plan = plan;
    }

    /// Plans these fates for the calls from now on. The first of them is number 0.
    pub fn plan_next(&self, plan: &BTreeMap<usize, Fate>) {
        let mut state = self.state();
        let next = state.passed.len();
        state.plan = plan.iter().map(|(call, fate)| (next + call, *fate)).collect();
    }

    /// Ends all planned faults.
    pub fn calm(&self) {
        self.state().plan.clear();
    }

    /// Carries no call for a while.
    pub fn cut_for(&self, time: Duration) {
        self.state().cut_until = Some(Instant::now() + time);
    }

    /// An SDK client of process `number`. Its calls go through this network, and are signed by `clock`.
    pub fn client(&self, number: usize, clock: &Clock) -> Client {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("local"))
                .endpoint_url("http://tables.invalid")
                .credentials_provider(Credentials::new("local", "local", None, None, "local"))
                .http_client(SharedHttpClient::new(Wire { network: self.clone(), number }))
                .time_source(WallTime(clock.clone()))
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts)
                .build(),
        )
    }

    /// A client of the tables' streams for process `number`.
    pub fn streams(&self, number: usize, clock: &Clock) -> aws_sdk_dynamodbstreams::Client {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        aws_sdk_dynamodbstreams::Client::from_conf(
            aws_sdk_dynamodbstreams::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("local"))
                .endpoint_url("http://streams.invalid")
                .credentials_provider(Credentials::new("local", "local", None, None, "local"))
                .http_client(SharedHttpClient::new(Wire { network: self.clone(), number }))
                .time_source(WallTime(clock.clone()))
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts)
                .build(),
        )
    }

    async fn carry(self, number: usize, target: String, body: Vec<u8>) -> Result<HttpResponse, ConnectorError> {
        let (fate, before, after) = self.depart(&target, &body);
        let cut_until = self.state().cut_until;
        if let Some(until) = cut_until {
            tokio::time::sleep_until(until).await;
        }
        sleep(before).await;
        let reply = match fate {
            Fate::Pass => self.apply(&target, &body),
            Fate::Throttle => error_reply(400, "ThrottlingException"),
            Fate::Conflict => error_reply(400, "TransactionConflictException"),
            Fate::RefuseConnection => return Err(ConnectorError::io("connection refused".into()).never_connected()),
            Fate::TimeOutBefore => pending().await,
            Fate::TimeOutAfter => {
                self.apply(&target, &body);
                pending().await
            }
            Fate::LandLate(seconds) => {
                tokio::spawn(async move {
                    sleep(Duration::from_secs(seconds.into())).await;
                    self.apply(&target, &body);
                });
                pending().await
            }
            Fate::KillBefore => {
                self.kill(number);
                pending().await
            }
            Fate::KillAfter => {
                self.apply(&target, &body);
                self.kill(number);
                pending().await
            }
            Fate::FailAfter => {
                self.apply(&target, &body);
                error_reply(500, "InternalServerError")
            }
        };
        sleep(after).await;
        let status = StatusCode::try_from(reply.0).map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut response = HttpResponse::new(status, SdkBody::from(reply.1));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        Ok(response)
    }

    /// Numbers a call and draws what happens to it.
    fn depart(&self, target: &str, body: &[u8]) -> (Fate, Duration, Duration) {
        let table = serde_json::from_slice::<Value>(body).ok();
        // A call of the stream names its table once, when it begins.
        let table = table.as_ref().and_then(|body| body.get("TableName")).and_then(Value::as_str).unwrap_or("stream");
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut state = self.state();
        let fate = state.plan.get(&state.passed.len()).copied().unwrap_or(Fate::Pass);
        state.passed.push(Passed { operation, table: table.to_owned(), fate });
        let longest = state.delay_max;
        let (before, after) = (longest.mul_f64(state.random.f64()), longest.mul_f64(state.random.f64()));
        (fate, before, after)
    }

    fn kill(&self, number: usize) {
        if let Some(reaper) = &self.state().reaper {
            let _ = reaper.send(number);
        }
    }

    fn apply(&self, target: &str, body: &[u8]) -> (u16, String) {
        if let Some(partitions) = &mut self.state().partitions
            && !partitions.admit(target, body)
        {
            return error_reply(400, "ThrottlingException");
        }
        answer(&self.0.database, target, body)
    }
}

/// How long one attempt waits for its answer, as in production.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// One process's end of the network.
#[derive(Debug, Clone)]
struct Wire {
    network: Network,
    number: usize,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        // A call that was sent is under way, whatever becomes of its sender.
        let carried = tokio::spawn(self.network.clone().carry(self.number, target, body));
        HttpConnectorFuture::new(async move {
            carried.await.unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Requests are signed by the environment's own clock.
#[derive(Debug, Clone)]
struct WallTime(Clock);

impl TimeSource for WallTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.now().unix_seconds().unsigned_abs())
    }
}

fn error_reply(status: u16, kind: &str) -> (u16, String) {
    (status, format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"planned"}}"#))
}
