//! 通知发送: sends what is due to merchants' systems, until it arrives or is given up.
//!
//! A run has one part of the due index to itself and works it for most of a minute, many attempts at once. Each endpoint has a
//! bound of its own, which falls when it answers badly and grows when it answers well: one that hangs holds up nobody.
//! What became of an attempt is written before its due entry is taken out, so a run that is cut off leaves an attempt that
//! is made again, and never one that is forgotten.

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

/// What the function is given.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a run is asked to do.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Shift {
    /// Which part of the due index.
    pub shard: u16,
    /// For how long it stays when nothing is due; 0 ends it then.
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
    /// Due entries that could not be settled, and wait for the next run.
    pub left: u64,
    /// Whether another run has this part of the index.
    pub busy: bool,
}

/// How often the index is looked at while attempts are under way.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked at while nothing is due.
const IDLE: Duration = Duration::from_secs(1);
/// No run is longer than the function's 90 seconds let it be.
const SHIFT_SECONDS_MAX: u64 = 60;
/// How long a run that ends when nothing is due may begin attempts.
const ONCE: Duration = Duration::from_secs(50);
/// Seconds for which the part must still be ours when an attempt begins: the attempt, and the writes after it.
const ATTEMPT_SECONDS: u32 = ATTEMPT_TIMEOUT.as_secs() as u32 + 10;
/// Seconds of the lease below which it is asked for again: it has sixty.
const RENEW_BELOW_SECONDS: u32 = ATTEMPT_SECONDS + 15;

/// Works a part of the due index. A run that finds another at it waits for the part as long as it would have worked.
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
    // Attempts that are under way end within their timeout, and say what became of them.
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

fn unexpected(error: ApiError) -> StoreError {
    StoreError::Unexpected { source: error.code().as_str().into() }
}

/// The right to a part of the index, as the attempts under way see it.
#[derive(Clone)]
struct Right(Arc<Mutex<Option<Worker>>>);

impl Right {
    fn worker(&self) -> Option<Worker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lasts(&self, now: Timestamp, seconds: u32) -> bool {
        self.worker().is_some_and(|worker| worker.lasts(now, seconds))
    }

    fn becomes(&self, worker: Option<Worker>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = worker;
    }
}

struct Run<C> {
    attempts: Attempts<C>,
    tasks: JoinSet<(DueKey, Due, Result<Settled, StoreError>)>,
    hand: Hand,
    /// The endpoint after which the next look begins.
    begin_after: Option<EndpointId>,
    worked: Worked,
}

impl<C: Courier> Run<C> {
    async fn work(&mut self, tables: &Handles, shift: Shift, holder: &str, until: Instant) -> Result<(), StoreError> {
        loop {
            if !self.attempts.right.lasts(tables.messages.clock().now(), RENEW_BELOW_SECONDS) {
                let worker = tables.messages.lease_due(shift.shard, holder).await?;
                self.attempts.right.becomes(worker.clone());
                if worker.is_none() {
                    return Ok(());
                }
            }
            // From when it was looked: a look that took long is followed by the next at once, whoever hangs meanwhile.
            let look_again_at = Instant::now() + LOOK_EVERY;
            // What an endpoint has no room for is seen by the look after: nothing is due only when nothing was in hand.
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

    /// Takes what is due, endpoint by endpoint, as much as each has room for, all round from where the last look ended. Gives how many
    /// entries.
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

    fn ended(&mut self, ended: Result<(DueKey, Due, Result<Settled, StoreError>), tokio::task::JoinError>) {
        // A task that panicked is not known by its key: its entry stays in hand, and is the next run's.
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
