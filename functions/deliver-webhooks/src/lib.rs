//! 通知发送: sends what is due to merchants' systems, until it arrives or is given up.
//!
//! A run has one part of the due index to itself and works it for most of a minute, many attempts at once. Each
//! endpoint has a bound of its own. The bound falls when the endpoint answers badly and grows when it answers well, so
//! an endpoint that hangs holds up no other.
//!
//! The run writes what became of an attempt before it removes the due entry. If it is cut off, the attempt may be made
//! again, but is never forgotten.

#![warn(clippy::wildcard_enum_match_arm)]

mod attempt;
pub mod courier;
mod hand;
mod health;

use attempt::{Attempts, Settled};
use courier::{ATTEMPT_TIMEOUT, Courier};
use hand::Hand;
use mealticket_api::{ApiError, random};
use mealticket_domain::{Timestamp, webhook::EndpointId};
use mealticket_store::{
    StoreError,
    messages::{Due, DueKey, Worker},
};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a run is asked to do. The schedule sends one for each part of the index, every minute.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Shift {
    /// The part of the due index, from 0.
    pub shard: u16,
    /// How many seconds it works, at most 60, also when nothing is due. With 0 it ends as soon as nothing is due.
    pub for_seconds: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// Messages that arrived.
    pub delivered: u64,
    /// Attempts that failed and are followed by another.
    pub failed: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Due entries that could not be settled. They stay in the index for the next run.
    pub left: u64,
    /// Whether another run has this part of the index; then this run did nothing.
    pub busy: bool,
}

/// How often the run reads the index while attempts are under way.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it reads the index while nothing is due.
const IDLE: Duration = Duration::from_secs(1);
/// No run is longer than this, whatever it is asked: the function has 90 seconds.
const SHIFT_SECONDS_MAX: u64 = 60;
/// How long a run that ends when nothing is due may begin attempts.
const ONCE: Duration = Duration::from_secs(50);
/// Seconds for which the part must still be ours when an attempt begins: the attempt, and the writes after it.
const ATTEMPT_SECONDS: u32 = ATTEMPT_TIMEOUT.as_secs() as u32 + 10;
/// The run renews its lease, which has sixty seconds, when fewer than these are left.
const RENEW_BELOW_SECONDS: u32 = ATTEMPT_SECONDS + 15;

/// Works a part of the due index. A run that finds another at it waits for the part as long as it would have worked.
///
/// A message is sent again until it arrives or is given up, and each attempt is counted once. Before the run returns,
/// every attempt that began has ended and is written down, as far as the tables answer. Then it gives the part back.
///
/// Errors: `StoreError` when the tables do not answer, or the operating system gives no random name. What was not
/// settled stays in the index, and the next run finds it.
pub async fn work<C: Courier>(deps: &Deps, courier: &Arc<C>, shift: Shift) -> Result<Worked, StoreError> {
    let until = Instant::now() + Duration::from_secs(shift.for_seconds.min(SHIFT_SECONDS_MAX));
    let holder = random::name().map_err(unexpected)?;
    let worker = loop {
        match deps.messages.lease_due(shift.shard, &holder).await? {
            Some(worker) => break worker,
            None if Instant::now() >= until => return Ok(Worked { busy: true, ..Worked::default() }),
            None => tokio::time::sleep(IDLE).await,
        }
    };
    let right = Right(Arc::new(Mutex::new(Some(worker))));
    let begin_until = if shift.for_seconds == 0 { Instant::now() + ONCE } else { until };
    let mut run = Run {
        attempts: Attempts::new(deps.clone(), Arc::clone(courier), right.clone(), begin_until),
        tasks: JoinSet::new(),
        hand: Hand::default(),
        begin_after: None,
        worked: Worked::default(),
    };
    let outcome = run.work(&deps.tables, shift, &holder, until).await;
    // Attempts that are under way end within their timeout, and write down what became of them.
    while let Some(ended) = run.tasks.join_next().await {
        run.ended(ended);
    }
    if let Some(worker) = right.worker() {
        deps.messages.return_due(&worker).await?;
    }
    let Worked { delivered, failed, dead, left, .. } = run.worked;
    tracing::info!(shard = shift.shard, delivered, failed, dead, left, "delivered");
    outcome.map(|()| run.worked)
}

/// The refusal of the random source, as an error of this function.
fn unexpected(error: ApiError) -> StoreError {
    StoreError::Unexpected { source: error.code().as_str().into() }
}

/// The right to a part of the index, as the attempts under way see it. `None` inside once another run has the part.
#[derive(Clone)]
struct Right(Arc<Mutex<Option<Worker>>>);

impl Right {
    /// The lease, if the run has one.
    fn worker(&self) -> Option<Worker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the run has the part for `seconds` more.
    fn lasts(&self, now: Timestamp, seconds: u32) -> bool {
        self.worker().is_some_and(|worker| worker.lasts(now, seconds))
    }

    /// The lease was renewed, or lost.
    fn becomes(&self, worker: Option<Worker>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = worker;
    }
}

/// One run, with what it has in hand.
struct Run<C> {
    attempts: Attempts<C>,
    tasks: JoinSet<(DueKey, Due, Result<Settled, StoreError>)>,
    hand: Hand,
    /// The endpoint after which the next pass begins.
    begin_after: Option<EndpointId>,
    worked: Worked,
}

impl<C: Courier> Run<C> {
    /// Takes and settles what is due, pass after pass, until the time is over or the part is another run's.
    async fn work(&mut self, tables: &Handles, shift: Shift, holder: &str, until: Instant) -> Result<(), StoreError> {
        loop {
            if !self.attempts.right.lasts(tables.messages.clock().now(), RENEW_BELOW_SECONDS) {
                let worker = tables.messages.lease_due(shift.shard, holder).await?;
                self.attempts.right.becomes(worker.clone());
                if worker.is_none() {
                    return Ok(());
                }
            }
            // From when the pass began: a pass that took long is followed by the next at once,
            // whichever endpoint hangs.
            let look_again_at = Instant::now() + LOOK_EVERY;
            // The next pass sees what an endpoint had no room for. So nothing is due only when nothing was in hand.
            let was_idle = self.tasks.is_empty();
            let is_idle = self.take(tables, shift.shard).await? == 0 && was_idle;
            while let Ok(Some(ended)) = tokio::time::timeout_at(look_again_at, self.tasks.join_next()).await {
                self.ended(ended);
            }
            let is_over = Instant::now() >= until;
            // What is due when the time is over is for the next run.
            if is_over && (is_idle || shift.for_seconds > 0) {
                return Ok(());
            }
            if is_idle {
                tokio::time::sleep_until(until.min(Instant::now() + IDLE)).await;
            }
        }
    }

    /// Takes what is due, endpoint by endpoint, as much as each has room for. It goes all round, from where the last
    /// pass ended. It returns how many entries it took.
    async fn take(&mut self, tables: &Handles, shard: u16) -> Result<usize, StoreError> {
        let begin = self.begin_after.take();
        let mut after = begin.clone();
        let (mut taken, mut has_turned) = (0, begin.is_none());
        while !self.hand.is_full() {
            let Some((endpoint, first_at)) = tables.messages.find_next_endpoint_queued(shard, after.as_ref()).await?
            else {
                if has_turned {
                    return Ok(taken);
                }
                (after, has_turned) = (None, true);
                continue;
            };
            if has_turned && begin.as_ref().is_some_and(|begin| endpoint > *begin) {
                return Ok(taken);
            }
            if first_at <= tables.messages.clock().now() {
                taken += self.take_of(tables, shard, &endpoint).await?;
            }
            after = Some(endpoint);
        }
        self.begin_after = after;
        Ok(taken)
    }

    /// Takes what is due for one endpoint, as much as there is room for, and begins the attempts.
    async fn take_of(&mut self, tables: &Handles, shard: u16, endpoint: &EndpointId) -> Result<usize, StoreError> {
        let room = self.hand.room(endpoint);
        if room == 0 {
            return Ok(0);
        }
        let mut taken = 0;
        let limit = self.hand.known(endpoint) + room;
        for (key, due) in tables.messages.list_due(shard, endpoint, tables.messages.clock().now(), limit).await? {
            if self.hand.room(endpoint) > 0 && self.hand.take(&key, endpoint) {
                taken += 1;
                let Some(due) = due else {
                    self.worked.left += 1;
                    self.hand.set_aside(endpoint);
                    continue;
                };
                let attempts = self.attempts.clone();
                self.tasks.spawn(async move {
                    let settled = attempts.settle(&key, &due).await;
                    (key, due, settled)
                });
            }
        }
        Ok(taken)
    }

    /// Counts what an entry came to.
    fn ended(&mut self, ended: Result<(DueKey, Due, Result<Settled, StoreError>), tokio::task::JoinError>) {
        // A task that panicked left no key. Its entry stays in hand, and is the next run's.
        let Ok((key, due, settled)) = ended else {
            self.worked.left += 1;
            return;
        };
        match settled {
            Ok(settled) => {
                self.worked.delivered += settled.delivered;
                self.worked.failed += settled.failed;
                self.worked.dead += settled.dead;
                self.worked.left += u64::from(!settled.is_whole);
                self.hand.ended(&key, &due.endpoint, &settled);
            }
            Err(error) => {
                tracing::error!(endpoint = %due.endpoint, %error, "not settled");
                self.worked.left += 1;
                self.hand.set_aside(&due.endpoint);
            }
        }
    }
}
