//! Execution environments: processes with memory and a clock of their own, which can end at any moment.

use super::{Province, province};
use crate::wire::Network;
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use deliver_webhooks::Shift;
use fold_books::Worked;
use mealticket_api::{Deps, auth::member::MemberPrincipal, run};
use mealticket_domain::{MemberAttributes, MemberNo, Timestamp};
use mealticket_store::{Clock, Tables};
use mealticket_support::{ScriptedCourier, stream};
use serde_json::{Value, json};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};
use sweep_stock::{SweepError, Swept};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};

/// A request to a handler.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) who: Who,
    pub(crate) key: String,
    pub(crate) body: Value,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    /// A member's app.
    Member(MemberNo),
    /// A till of the campaign's merchant.
    Merchant,
    /// The merchant's own system, which signs its reports. The call's key is the report's id.
    System,
}

impl Who {
    /// The headers that prove who asks. They are fresh by the clock that will judge them: tokens and signatures are not
    /// what is tested here.
    fn headers(self, province: &Province, deps: &Deps<Tables>, call: &Call) -> Value {
        let merchant = province.keys.merchant(MERCHANT).unwrap();
        let token = match self {
            Who::Member(member) => {
                let principal = MemberPrincipal { member, family_id: [9; 16], attributes: MemberAttributes::default() };
                let stack = &deps.stack;
                stack.member_tokens.issue(&principal, &stack.ids, &stack.vault, deps.now()).unwrap()
            }
            Who::Merchant => merchant.token(MERCHANT, &deps.stack.config.issuer, deps.now()).unwrap(),
            Who::System => {
                let signed = merchant.sign(&call.key, deps.now(), call.body.to_string().as_bytes()).unwrap();
                return signed.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
            }
        };
        json!({ "authorization": format!("Bearer {token}"), "idempotency-key": call.key })
    }
}

/// The merchant that redeems the campaign's coupons.
pub(crate) const MERCHANT: &str = "mch_luckytea";

/// A handler's response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) replayed: bool,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The code of a refusal; empty for a success.
    pub(crate) fn refusal(&self) -> String {
        let code = self.json()["code"].as_str().unwrap_or_default().to_owned();
        if self.status < 400 { String::new() } else { code }
    }
}

/// One process.
pub(crate) struct Environment {
    pub(crate) deps: Deps<Tables>,
    streams: aws_sdk_dynamodbstreams::Client,
}

impl Environment {
    pub(crate) fn new(province: &Province, network: &Network, number: usize, clock: Clock) -> Self {
        let streams = network.streams(number, &clock);
        let tables = Tables::new(network.client(number, &clock), network.tables().clone(), clock);
        Environment { deps: Deps { tables, stack: Arc::clone(&province.stack) }, streams }
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.deps.tables
    }

    pub(crate) async fn send(&self, call: &Call) -> Reply {
        answer(self.deps.clone(), call.clone()).await
    }

    pub(crate) async fn sweep(&self) -> Result<Swept, SweepError> {
        let tables = self.tables();
        sweep_stock::sweep(&tables.narrowed(), &tables.members.stream(self.streams.clone())).await
    }
}

async fn answer(deps: Deps<Tables>, call: Call) -> Reply {
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": call.path, "rawQueryString": "",
        "headers": call.who.headers(province(), &deps, &call),
        "requestContext": { "http": { "method": call.method, "path": call.path }, "requestId": "sim", "timeEpoch": 0 },
        "body": call.body.to_string(), "isBase64Encoded": false,
    });
    let event: ApiGatewayV2httpRequest = serde_json::from_value(event).unwrap();
    let response = match call.who {
        Who::Member(_) => run::answer(&deps.narrowed(), event, issue_coupon::handle).await,
        Who::Merchant => run::answer(&deps.narrowed(), event, redeem_code::handle).await,
        Who::System => run::answer(&deps.narrowed(), event, accept_merchant_callback::handle).await,
    };
    let event = serde_json::to_value(response.into_event()).unwrap();
    Reply {
        status: u16::try_from(event["statusCode"].as_u64().unwrap()).unwrap(),
        text: event["body"].as_str().unwrap_or_default().to_owned(),
        replayed: event["headers"]["idempotent-replayed"] == "true",
    }
}

/// All processes of the functions.
#[derive(Clone)]
pub(crate) struct Environments(Arc<Mutex<Vec<Running>>>, Arc<Parts>);

struct Parts {
    province: &'static Province,
    network: Network,
}

/// Processes that nobody asks over HTTP. They work on the stream, the stock, the books and the messages.
const BACKSTAGE: usize = 2;

struct Running {
    environment: Environment,
    frozen_until: Arc<Mutex<Instant>>,
    clock: Clock,
    skew: i64,
    requests: Vec<AbortHandle>,
}

impl Environments {
    pub(crate) fn start(province: &'static Province, network: &Network, now: &Clock, count: usize) -> Self {
        let parts = Parts { province, network: network.clone() };
        let mut killed = network.killed();
        let running = (0..count + BACKSTAGE)
            .map(|number| Running::start(&parts, number, Clock::standing_at(now.now()), 0))
            .collect();
        let all = Environments(Arc::new(Mutex::new(running)), Arc::new(parts));
        let mortal = all.clone();
        tokio::spawn(async move {
            while let Some(number) = killed.recv().await {
                mortal.kill(number);
            }
        });
        all
    }

    /// Sends a call to one of the processes. Returns `None` when the process ended meanwhile: the connection broke.
    pub(crate) async fn send(&self, which: usize, call: &Call) -> Option<Reply> {
        let (which, call) = (which % (self.0.lock().unwrap().len() - BACKSTAGE), call.clone());
        self.within(which, |environment| answer(environment.deps.clone(), call)).await
    }

    /// Hands a batch of the stream to one of the processes backstage. Returns how many of its records are done, or
    /// `None` when no reply came back.
    pub(crate) async fn post(&self, which: usize, shard: &str, records: &[Value]) -> Option<usize> {
        let places: Vec<Value> = records.iter().map(|record| record["dynamodb"]["SequenceNumber"].clone()).collect();
        let batch = serde_json::from_value(stream::batch(shard, records)).unwrap();
        let posting = self.within(self.backstage(which), |environment| {
            let tables = environment.tables().clone();
            async move { post_ledger::handle(&tables.narrowed(), batch).await.ok() }
        });
        let reply = serde_json::to_value(posting.await??).unwrap();
        let failed = reply["batchItemFailures"].as_array().unwrap().first();
        Some(failed.map_or(places.len(), |failed| {
            places.iter().position(|place| *place == failed["itemIdentifier"]).unwrap_or(0)
        }))
    }

    /// Sweeps in one of the processes backstage.
    pub(crate) async fn sweep(&self, which: usize) -> Option<Swept> {
        let sweeping = self.within(self.backstage(which), |environment| {
            let (tables, streams) = (environment.tables().clone(), environment.streams.clone());
            async move {
                let stream = tables.members.stream(streams);
                sweep_stock::sweep(&tables.narrowed(), &stream).await.ok()
            }
        });
        sweeping.await?
    }

    /// Folds the books in one of the processes backstage.
    pub(crate) async fn fold(&self, which: usize) -> Option<Worked> {
        let folding = self.within(self.backstage(which), |environment| {
            let tables = environment.tables().clone();
            async move { fold_books::work(&tables.narrowed()).await.ok() }
        });
        folding.await?
    }

    /// Hands a batch of the stream to its second reader. Returns how many messages were queued, or `None` when no reply
    /// came back.
    pub(crate) async fn queue(&self, which: usize, records: &[Value]) -> Option<usize> {
        let records = records.to_vec();
        let queueing = self.within(self.backstage(which), |environment| {
            let deps = environment.deps.clone();
            async move {
                let batch = serde_json::from_value(json!({ "Records": records })).unwrap();
                queue_webhooks::handle(&deps.narrowed(), batch).await.ok().map(|queued| queued.messages)
            }
        });
        queueing.await?
    }

    /// Delivers the due messages of one part of the index, in one of the processes backstage.
    pub(crate) async fn deliver(
        &self,
        which: usize,
        courier: &Arc<ScriptedCourier>,
        shift: Shift,
    ) -> Option<deliver_webhooks::Worked> {
        let courier = Arc::clone(courier);
        let working = self.within(self.backstage(which), |environment| {
            let deps = environment.deps.clone();
            async move { deliver_webhooks::work(&deps.narrowed(), &courier, shift).await.ok() }
        });
        working.await?
    }

    /// Sets every clock right.
    pub(crate) fn set_clocks(&self, now: Timestamp) {
        self.0.lock().unwrap().iter().for_each(|running| running.clock.set(now));
    }

    fn backstage(&self, which: usize) -> usize {
        self.0.lock().unwrap().len() - BACKSTAGE + which % BACKSTAGE
    }

    /// Runs work in a process. Returns `None` when the process ended meanwhile.
    async fn within<T, F>(&self, which: usize, work: impl FnOnce(&Environment) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let working = {
            let mut all = self.0.lock().unwrap();
            let running = &mut all[which];
            let working = tokio::spawn(unless_frozen(Arc::clone(&running.frozen_until), work(&running.environment)));
            running.requests.retain(|request| !request.is_finished());
            running.requests.push(working.abort_handle());
            working
        };
        working.await.ok()
    }

    /// Ends a process without a word, and starts another in its place.
    pub(crate) fn kill(&self, which: usize) {
        let mut all = self.0.lock().unwrap();
        let old = &mut all[which];
        for request in old.requests.drain(..) {
            request.abort();
        }
        *old = Running::start(&self.1, which, old.clock.clone(), old.skew);
    }

    /// Ends a process as the platform does: the process may return what it has not spent.
    pub(crate) async fn shut_down(&self, which: usize) {
        let tables = {
            let all = self.0.lock().unwrap();
            all[which].environment.tables().clone()
        };
        tables.stock.return_unspent().await;
        self.kill(which);
    }

    /// Sets a process's clock wrong by some seconds.
    pub(crate) fn jump(&self, which: usize, seconds: i64) {
        self.0.lock().unwrap()[which].skew += seconds;
    }

    /// Stops a process in the middle of everything. What it has sent arrives all the same.
    pub(crate) fn freeze(&self, which: usize, time: Duration) {
        *self.0.lock().unwrap()[which].frozen_until.lock().unwrap() = Instant::now() + time;
    }

    /// Cuts the network: nothing reaches the tables for a while.
    pub(crate) fn cut(&self, time: Duration) {
        self.1.network.cut_for(time);
    }

    /// Lets the clocks run, second by second.
    pub(crate) async fn tick(self, true_time: Clock) {
        loop {
            sleep(Duration::from_secs(1)).await;
            true_time.set(true_time.now().plus_seconds(1));
            for running in self.0.lock().unwrap().iter() {
                running.clock.set(true_time.now().plus_seconds(running.skew));
            }
        }
    }
}

impl Running {
    fn start(parts: &Parts, number: usize, clock: Clock, skew: i64) -> Self {
        let environment = Environment::new(parts.province, &parts.network, number, clock.clone());
        let frozen_until = Arc::new(Mutex::new(Instant::now()));
        Running { environment, frozen_until, clock, skew, requests: Vec::new() }
    }
}

/// Work that stands still while its process is frozen.
async fn unless_frozen<F: Future>(frozen_until: Arc<Mutex<Instant>>, work: F) -> F::Output {
    let (mut work, mut thaw) = (pin!(work), pin!(sleep(Duration::ZERO)));
    poll_fn(|context| {
        let until = *frozen_until.lock().unwrap();
        if Instant::now() < until {
            thaw.as_mut().reset(until);
            let _ = thaw.as_mut().poll(context);
            return Poll::Pending;
        }
        work.as_mut().poll(context)
    })
    .await
}
