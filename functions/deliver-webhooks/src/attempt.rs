//! One due entry: the run attempts each of its messages once, and writes down what became of it.

use crate::{
    ATTEMPT_SECONDS, Deps, Right,
    courier::{Courier, SignedHeaders},
    health,
};
use mealticket_api::{
    vault::Sealed,
    webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookSecret},
};
use mealticket_domain::{
    MerchantId, Timestamp,
    webhook::{Answer, Endpoint, EndpointId, EndpointUrl, Failure, Message, Verdict, next_attempt_at},
};
use mealticket_store::{
    AttributePath, StoreError,
    messages::{Attempt, Delivery, Due, DueKey, Letter, Outcome},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// What a due entry came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settled {
    /// Messages that arrived.
    pub(crate) delivered: u64,
    /// Attempts that are followed by another.
    pub(crate) failed: u64,
    /// Messages that were given up.
    pub(crate) dead: u64,
    /// Whether the endpoint should be asked less.
    pub(crate) slow_down: bool,
    /// Whether every message is settled, and the entry removed.
    pub(crate) is_whole: bool,
}

/// Makes attempts in the name of one run.
pub(crate) struct Attempts<C> {
    deps: Deps,
    courier: Arc<C>,
    pub(crate) right: Right,
    /// After this no attempt begins: the run is over, and what is under way must be written down.
    begin_until: Instant,
    sending: Arc<Sending>,
    /// Endpoints as they were read a few seconds ago.
    known: Arc<Mutex<Known>>,
}

/// Endpoints, and until when they count; `None` for one that is not there.
type Known = HashMap<EndpointId, (Instant, Option<Endpoint>)>;

/// Messages that are being sent, each by one task of the run.
#[derive(Default)]
struct Sending {
    messages: Mutex<HashSet<Letter>>,
    freed: Notify,
}

/// A message is being sent by this task and no other of the run. It is free again when this value is dropped.
struct InFlight {
    sending: Arc<Sending>,
    this: Letter,
}

impl InFlight {
    /// Waits until no other task of the run sends this message.
    async fn alone(sending: &Arc<Sending>, this: Letter) -> Self {
        loop {
            // Taken before the check: a message that is freed from then on wakes this task.
            let freed = sending.freed.notified();
            if sending.messages.lock().unwrap_or_else(PoisonError::into_inner).insert(this.clone()) {
                return InFlight { sending: Arc::clone(sending), this };
            }
            freed.await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.sending.messages.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.this);
        self.sending.freed.notify_waiters();
    }
}

/// How long a run remembers an endpoint. An operator's change takes effect within this time.
const KNOWN_FOR: Duration = Duration::from_secs(5);

impl<C> Clone for Attempts<C> {
    fn clone(&self) -> Self {
        Attempts {
            deps: self.deps.clone(),
            courier: Arc::clone(&self.courier),
            right: self.right.clone(),
            begin_until: self.begin_until,
            sending: Arc::clone(&self.sending),
            known: Arc::clone(&self.known),
        }
    }
}

impl<C: Courier> Attempts<C> {
    /// Attempts in the name of one run, none after `begin_until`.
    pub(crate) fn new(deps: Deps, courier: Arc<C>, right: Right, begin_until: Instant) -> Self {
        Attempts { deps, courier, right, begin_until, sending: Arc::default(), known: Arc::default() }
    }

    /// Attempts each message of an entry that was not attempted yet, one after the other, and removes the entry.
    ///
    /// An endpoint that is overloaded gets one message of the entry. The rest of the entry waits for the next run. An
    /// error leaves the entry in the index; a later run finds in the deliveries what is settled.
    pub(crate) async fn settle(&self, key: &DueKey, due: &Due) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        for message in &due.messages {
            if settled.slow_down || !self.settle_one(due, message, &mut settled).await? {
                return Ok(settled);
            }
        }
        self.deps.messages.remove_due(key).await?;
        settled.is_whole = true;
        Ok(settled)
    }

    /// Whether an attempt may begin. It must end, and be written down, while the part of the index is
    /// ours and the run goes on.
    fn may_begin(&self) -> bool {
        Instant::now() < self.begin_until && self.right.lasts(self.deps.now(), ATTEMPT_SECONDS)
    }

    /// Settles one message. False when there was no time for its attempt.
    ///
    /// When a message is queued twice, one task at a time works on it. The other then finds that the attempt was made.
    async fn settle_one(&self, due: &Due, message: &Message, settled: &mut Settled) -> Result<bool, StoreError> {
        let _in_flight = InFlight::alone(&self.sending, (due.endpoint.clone(), message.id.clone())).await;
        let known = self.deps.messages.read_delivery(&due.endpoint, &message.id).await?;
        let made = known.as_ref().map_or(0, Delivery::made);
        let is_over = known.as_ref().is_some_and(|known| known.outcome != Outcome::Pending);
        // Attempted already. Or the entry was written for an attempt whose own entry is still there.
        if (is_over && !due.begins_anew) || made + 1 != due.attempt {
            // The run that made the attempt may have been cut off before it removed the dead letter.
            if let Some(known) = known.filter(|known| known.outcome != Outcome::Dead) {
                self.revived(due, &known, self.deps.now()).await?;
            }
            return Ok(true);
        }
        let mut delivery = known.unwrap_or_else(|| first(due, message));
        if due.begins_anew {
            (delivery.outcome, delivery.given_up, delivery.schedule_from) = (Outcome::Pending, None, made);
        }
        let endpoint = self.endpoint(&due.merchant, &due.endpoint).await?;
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.off.is_none()) else {
            delivery.given_up = Some("endpoint_off".to_owned());
            self.give_up(delivery, settled).await?;
            return Ok(true);
        };
        if !self.may_begin() {
            return Ok(false);
        }
        let attempt = self.attempt(&delivery.merchant, &endpoint, &delivery.message).await;
        let verdict = attempt.answer.verdict();
        delivery.attempts.push(attempt);
        self.write_down(due, delivery, verdict, settled).await?;
        match health::note(&self.deps, &due.merchant, &endpoint, verdict).await {
            // The endpoint is read anew when it is next needed.
            Ok(true) => drop(self.known().remove(&endpoint.id)),
            Ok(false) => {}
            Err(error) => tracing::error!(endpoint = %endpoint.id, %error, "how an endpoint fares is not noted"),
        }
        Ok(true)
    }

    /// Writes down what became of an attempt. What comes next is written before what was, so a crash
    /// leaves an entry too many.
    async fn write_down(
        &self,
        due: &Due,
        mut delivery: Delivery,
        verdict: Verdict,
        settled: &mut Settled,
    ) -> Result<(), StoreError> {
        let (tables, now) = (&self.deps.tables, self.deps.now());
        let next_at = match verdict {
            Verdict::Delivered => {
                (delivery.outcome, delivery.next_at) = (Outcome::Delivered, None);
                tables.messages.settle_delivery(&delivery, now).await?;
                settled.delivered += 1;
                return self.revived(due, &delivery, now).await;
            }
            Verdict::Gone => None,
            Verdict::Again { slow_down, after } => {
                settled.slow_down |= slow_down;
                let made = delivery.made().saturating_sub(delivery.schedule_from);
                next_attempt_at(made, now, after, delivery.message.id.chance(due.attempt))
            }
        };
        let Some(next_at) = next_at else { return self.give_up(delivery, settled).await };
        let message = delivery.message.clone();
        let again = Due::again(due.merchant.clone(), due.endpoint.clone(), message, due.attempt.saturating_add(1));
        tables.messages.put_due(&again, next_at).await?;
        delivery.next_at = Some(next_at);
        tables.messages.settle_delivery(&delivery, now).await?;
        settled.failed += 1;
        self.revived(due, &delivery, now).await
    }

    /// A delivery that is sent again is no dead letter any more.
    async fn revived(&self, due: &Due, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        if due.begins_anew { self.deps.messages.remove_dead_letter(delivery, now).await } else { Ok(()) }
    }

    /// Gives a delivery up: first the dead letter, then the delivery. It is logged as a warning.
    async fn give_up(&self, mut delivery: Delivery, settled: &mut Settled) -> Result<(), StoreError> {
        let now = self.deps.now();
        (delivery.outcome, delivery.next_at) = (Outcome::Dead, None);
        self.deps.messages.put_dead_letter(&delivery, now).await?;
        self.deps.messages.settle_delivery(&delivery, now).await?;
        let (endpoint, id) = (&delivery.endpoint, &delivery.message.id);
        tracing::warn!(merchant = %delivery.merchant, %endpoint, %id, attempts = delivery.made(), "dead letter");
        settled.dead += 1;
        Ok(())
    }

    /// One attempt, with its duration. Every failure is an answer.
    async fn attempt(&self, merchant: &MerchantId, endpoint: &Endpoint, message: &Message) -> Attempt {
        let (at, began) = (self.deps.now(), Instant::now());
        let answer = match self.headers(merchant, endpoint, message, at) {
            Ok((url, headers)) => self.courier.post(&url, headers, &message.body).await,
            Err(failure) => Answer::Failed(failure),
        };
        let duration_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        Attempt { at, answer, duration_ms }
    }

    /// The address, checked anew, and the headers of a message: one signature for each secret that signs now.
    ///
    /// A message that no secret can sign is not sent, and an error is logged.
    fn headers(
        &self,
        merchant: &MerchantId,
        endpoint: &Endpoint,
        message: &Message,
        now: Timestamp,
    ) -> Result<(EndpointUrl, SignedHeaders), Failure> {
        let network = self.deps.stack.config.endpoint_network;
        let url = EndpointUrl::read(&endpoint.url, network).map_err(|_| Failure::AddressRefused)?;
        let path = AttributePath::endpoint_secret(merchant, &endpoint.id);
        let sign = |sealed: &[u8]| {
            let plain = self.deps.stack.vault.open(Sealed::EndpointSecret, &path, sealed)?;
            let secret = WebhookSecret::read(&String::from_utf8(plain).ok()?).ok()?;
            Some(secret.sign(message.id.as_str(), now.unix_seconds(), message.body.as_bytes()))
        };
        let signatures: Vec<String> = endpoint.signing(now).filter_map(|secret| sign(&secret.sealed)).collect();
        if signatures.is_empty() {
            tracing::error!(endpoint = %endpoint.id, "no secret of an endpoint opens");
            return Err(Failure::Unsigned);
        }
        Ok((
            url,
            [
                (ID_HEADER, message.id.to_string()),
                (TIMESTAMP_HEADER, now.unix_seconds().to_string()),
                (SIGNATURE_HEADER, signatures.join(" ")),
            ],
        ))
    }

    /// An endpoint, at most a few seconds old.
    async fn endpoint(&self, merchant: &MerchantId, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        if let Some((until, endpoint)) = self.known().get(id)
            && Instant::now() < *until
        {
            return Ok(endpoint.clone());
        }
        let endpoint = self.deps.catalog.read_endpoint(merchant, id).await?;
        self.remember(id, endpoint.clone());
        Ok(endpoint)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, id: &EndpointId, endpoint: Option<Endpoint>) {
        self.known().insert(id.clone(), (Instant::now() + KNOWN_FOR, endpoint));
    }
}

/// The delivery of a message that nobody has attempted.
fn first(due: &Due, message: &Message) -> Delivery {
    Delivery {
        merchant: due.merchant.clone(),
        endpoint: due.endpoint.clone(),
        message: message.clone(),
        outcome: Outcome::Pending,
        given_up: None,
        attempts: Vec::new(),
        schedule_from: 0,
        next_at: None,
        revision: 0,
    }
}
