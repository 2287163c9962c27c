//! Messages to merchants' systems. They are queued and delivered under faults, by two at once, again and late, to an
//! endpoint that fails as it likes. No message is lost, none is made up, and a message that arrives twice is the same.

use super::{
    Run,
    mapping::{ATTEMPTS, Mapping},
};
use deliver_webhooks::{Shift, Worked};
use mealticket_domain::webhook::{ATTEMPTS_MAX, Answer, EndpointId, Failure};
use mealticket_store::messages::{Attempt, Delivery, DeliveryFilter, Outcome, shard_of};
use mealticket_support::{ScriptedCourier, courier::Posted};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;

/// The endpoint of the campaign's merchant.
const ENDPOINT: &str = "end_luckytea1";
/// How long a worker that ended without a word keeps its part of the index: a minute, and a second more.
const LEASE_SECONDS: i64 = 61;

fn endpoint() -> EndpointId {
    ENDPOINT.parse().unwrap()
}

/// An endpoint that answers each message badly so many times before it accepts it. Some messages it never accepts.
pub(crate) struct Receiver {
    pub(crate) courier: Arc<ScriptedCourier>,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl Receiver {
    /// An endpoint whose behaviour follows from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let taken = Arc::<Mutex<BTreeSet<String>>>::default();
        let (seen, asked) = (Arc::clone(&taken), Mutex::<BTreeMap<String, u32>>::default());
        let courier = ScriptedCourier::new(move |posted: &Posted| {
            let hash =
                posted.id.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            let mut asked = asked.lock().unwrap();
            let times = asked.entry(posted.id.clone()).or_default();
            *times += 1;
            match hash % 5 {
                0 => Answer::Status { status: 500, retry_after: None },
                1 if *times < 3 => Answer::Failed(Failure::TimedOut),
                2 if *times < 2 => Answer::Status { status: 503, retry_after: Some(7) },
                _ => {
                    seen.lock().unwrap().insert(posted.id.clone());
                    Answer::Status { status: 200, retry_after: None }
                }
            }
        });
        Receiver { courier: Arc::new(courier), taken }
    }

    /// An endpoint that accepts everything.
    pub(crate) fn kind() -> Self {
        Receiver { courier: Arc::new(ScriptedCourier::answering(200)), taken: Arc::default() }
    }

    /// An endpoint that is gone: it answers 410.
    pub(crate) fn gone() -> Self {
        Receiver { courier: Arc::new(ScriptedCourier::answering(410)), taken: Arc::default() }
    }
}

impl Run {
    /// Queues the stream as often as it takes. Returns what is wrong when it takes too many tries.
    pub(crate) async fn queue_until_done(&self, records: &[Value]) -> Option<String> {
        for _ in 0..ATTEMPTS {
            if self.environments.queue(0, records).await.is_some() {
                return None;
            }
            sleep(Duration::from_secs(1)).await;
        }
        Some("the batch was not queued".to_owned())
    }

    /// Works the endpoint's part of the due index, as a schedule does, until nothing in it is due.
    pub(crate) async fn deliver_until_done(&self, receiver: &Receiver) -> Option<String> {
        for _ in 0..ATTEMPTS {
            if self.deliver(0, receiver).await.is_some_and(|worked| !worked.busy && worked.left == 0) {
                return None;
            }
            self.pass_seconds(LEASE_SECONDS);
            sleep(Duration::from_secs(1)).await;
        }
        Some("what was due was not worked to its end".to_owned())
    }

    async fn deliver(&self, which: usize, receiver: &Receiver) -> Option<Worked> {
        let shift = Shift { shard: shard_of(&endpoint()), for_seconds: 0 };
        self.environments.deliver(which, &receiver.courier, shift).await
    }

    fn pass_seconds(&self, seconds: i64) {
        self.set_clocks(self.observer.tables().members.clock().now().plus_seconds(seconds));
    }

    /// Queues the stream under faults and more than once. Two workers deliver it at once under faults. Returns every
    /// promise that is broken.
    pub(crate) async fn tell(&self, mapping: &mut Mapping) -> Vec<String> {
        let receiver = Receiver::new(self.scenario.seed);
        let records = mapping.all();
        self.network.plan_next(&self.scenario.fold_plan);
        let half = records.len() / 2;
        let first = self.environments.queue(0, &records[..half]);
        tokio::join!(first, self.environments.queue(1, &records));
        self.calm().await;
        let mut broken: Vec<String> = self.queue_until_done(&records).await.into_iter().collect();
        for _ in 0..2 {
            self.network.plan_next(&self.scenario.fold_plan);
            tokio::join!(self.deliver(0, &receiver), self.deliver(1, &receiver));
            self.calm().await;
            self.pass_seconds(LEASE_SECONDS);
        }
        broken.extend(self.see_it_through(&records, &receiver).await);
        broken.extend(self.send_again().await);
        broken
    }

    /// Sends again what was given up. Each message is asked for twice, under faults, by two at once, and the endpoint
    /// accepts everything.
    async fn send_again(&self) -> Vec<String> {
        let (tables, receiver) = (self.observer.tables(), Receiver::kind());
        self.pass_seconds(1);
        for delivery in self.deliveries().await.iter().filter(|delivery| delivery.outcome == Outcome::Dead) {
            for _ in 0..2 {
                tables.messages.replay(delivery, tables.members.clock().now()).await.unwrap();
            }
        }
        self.network.plan_next(&self.scenario.fold_plan);
        tokio::join!(self.deliver(0, &receiver), self.deliver(1, &receiver));
        self.calm().await;
        self.pass_seconds(LEASE_SECONDS);
        let mut broken: Vec<String> = self.deliver_until_done(&receiver).await.into_iter().collect();
        let undelivered = self.deliveries().await.into_iter().filter(|one| one.outcome != Outcome::Delivered);
        broken.extend(undelivered.map(|delivery| format!("sent again, and {delivery:?}")));
        let letters = tables.messages.list_dead_letters(Some(&endpoint()), None, 1_000).await.unwrap().0;
        if !letters.is_empty() {
            broken.push(format!("{letters:?} are listed, and were sent again"));
        }
        broken
    }

    /// Lets the three days pass, and examines what became of every message that follows from these records.
    pub(crate) async fn see_it_through(&self, records: &[Value], receiver: &Receiver) -> Vec<String> {
        let tables = self.observer.tables();
        let mut broken = Vec::new();
        // Each round is one attempt of every waiting message. An attempt may have to be repeated.
        for _ in 0..3 * usize::from(ATTEMPTS_MAX) {
            broken.extend(self.deliver_until_done(receiver).await);
            let waiting = self.deliveries().await.into_iter().filter_map(|delivery| delivery.next_at).max();
            let Some(next_at) = waiting else { break };
            self.set_clocks(next_at.max(tables.members.clock().now().plus_seconds(1)));
        }
        let deliveries: BTreeMap<String, Delivery> =
            self.deliveries().await.into_iter().map(|delivery| (delivery.message.id.to_string(), delivery)).collect();
        let letters = tables.messages.list_dead_letters(Some(&endpoint()), None, 1_000).await.unwrap().0;
        let letters: BTreeSet<String> = letters.into_iter().map(|(_, message)| message.to_string()).collect();
        let mut expected = BTreeSet::new();
        for record in records {
            let found = tables.catalog.read_messages(record, &self.observer.deps.stack.ids).await.unwrap();
            for message in found.into_iter().flat_map(|(_, messages)| messages) {
                expected.insert(message.id.to_string());
                broken.extend(self.fate_of(&message.body, deliveries.get(message.id.as_str()), &letters, receiver));
            }
        }
        for posted in receiver.courier.posted() {
            let delivery = deliveries.get(&posted.id);
            if !expected.contains(&posted.id) || delivery.is_none_or(|delivery| delivery.message.body != posted.body) {
                broken.push(format!("the endpoint got {posted:?}"));
            }
        }
        broken
    }

    /// What is wrong with the outcome of a message.
    fn fate_of(
        &self,
        body: &str,
        delivery: Option<&Delivery>,
        letters: &BTreeSet<String>,
        receiver: &Receiver,
    ) -> Option<String> {
        let Some(delivery) = delivery else { return Some(format!("nobody got {body}")) };
        let id = delivery.message.id.as_str();
        let is_taken = receiver.taken.lock().unwrap().contains(id);
        let is_right = match delivery.outcome {
            Outcome::Delivered => is_taken,
            Outcome::Dead => letters.contains(id) && (delivery.made() == ATTEMPTS_MAX || was_off(delivery)),
            Outcome::Pending => false,
        };
        let tried = receiver.courier.posted().iter().filter(|posted| posted.id == id).count();
        (!is_right || delivery.message.body != body || tried < delivery.attempts.len())
            .then(|| format!("{tried} attempts, taken: {is_taken}, and {delivery:?}"))
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        self.observer
            .tables()
            .messages
            .list_deliveries(&endpoint(), &DeliveryFilter::default(), None, 1_000)
            .await
            .unwrap()
            .0
    }
}

/// Whether the message was given up because the endpoint wants no more messages.
fn was_off(delivery: &Delivery) -> bool {
    let gone = |attempt: &Attempt| matches!(attempt.answer, Answer::Status { status: 410, .. });
    delivery.given_up.is_some() || delivery.attempts.last().is_some_and(gone)
}
