//! The mapping between the stream of members and `post-ledger`. It behaves as badly as its contract allows: batches of
//! any size, halves of batches, records that were delivered before, alone or beside new ones, and late batches.

use super::environment::Environments;
use crate::wire::Network;
use mealticket_support::stream;
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;

/// More often than one fault can make a batch or a sweep begin again.
pub(crate) const ATTEMPTS: usize = 6;

/// One shard that is being delivered to the function.
pub(crate) struct Mapping {
    environments: Environments,
    random: fastrand::Rng,
    reader: stream::Reader,
    shard: String,
    read: Vec<Value>,
    done: usize,
}

impl Mapping {
    pub(crate) fn new(network: &Network, environments: &Environments, seed: u64) -> Self {
        let (database, table) = (network.database(), &network.tables().members);
        Mapping {
            environments: environments.clone(),
            random: fastrand::Rng::with_seed(seed ^ 0x5EED),
            reader: stream::Reader::new(database, table),
            shard: stream::shard(database, table),
            read: Vec::new(),
            done: 0,
        }
    }

    pub(crate) fn shard(&self) -> &str {
        &self.shard
    }

    /// Every record so far.
    pub(crate) fn all(&mut self) -> Vec<Value> {
        self.read.extend(self.reader.read());
        self.read.clone()
    }

    /// Delivers the records that come, for as long as it is polled.
    pub(crate) async fn run(&mut self) {
        loop {
            sleep(Duration::from_millis(self.random.u64(300..3_000))).await;
            self.deliver().await;
            // The schedule runs too. When something stops a run, the next run goes on.
            if self.random.u8(..4) == 0 {
                let _ = self.environments.fold(self.random.usize(..2)).await;
            }
        }
    }

    /// Hands the records that come to the stream's second reader, in order, for as long as it is polled.
    pub(crate) async fn queue(&mut self) {
        loop {
            sleep(Duration::from_millis(self.random.u64(300..3_000))).await;
            let records = self.rest();
            let batch = &records[..self.random.usize(..=records.len())];
            if self.environments.queue(self.random.usize(..2), batch).await.is_some() {
                self.done += batch.len();
            }
        }
    }

    /// The records that were not delivered yet.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        self.read.extend(self.reader.read());
        self.read[self.done..].to_vec()
    }

    /// Delivers every record that is there, and does not give up.
    pub(crate) async fn deliver(&mut self) {
        self.read.extend(self.reader.read());
        while self.done < self.read.len() {
            if self.random.u8(..3) == 0 {
                self.deliver_again();
            }
            let end = (self.done + self.random.usize(1..=6)).min(self.read.len());
            let posting = self.environments.post(self.random.usize(..2), &self.shard, &self.read[self.done..end]);
            match posting.await {
                Some(done) if done == end - self.done => self.done = end,
                Some(done) => self.done += done,
                None => sleep(Duration::from_millis(self.random.u64(100..2_000))).await,
            }
        }
    }

    /// Delivers every record that is there as one batch, as often as it takes. Returns what is wrong when it takes too
    /// many tries.
    pub(crate) async fn deliver_at_once(&mut self) -> Option<String> {
        self.read.extend(self.reader.read());
        for _ in 0..ATTEMPTS {
            let posting = self.environments.post(0, &self.shard, &self.read[self.done..]).await;
            self.done += posting.unwrap_or(0);
            if self.done == self.read.len() {
                return None;
            }
            sleep(Duration::from_secs(1)).await;
        }
        Some("the batch was not posted".to_owned())
    }

    /// Delivers every record once more.
    pub(crate) async fn deliver_all_again(&mut self) {
        let _ = self.environments.post(1, &self.shard, &self.read).await;
    }

    /// Delivers some of the records once more, now or up to half a minute later. Nobody waits for it.
    fn deliver_again(&mut self) {
        // The end of the batch may be new, as when two deliveries come at once. Its beginning never is: no record is
        // left out.
        let end = self.random.usize(..=self.read.len().min(self.done + 3));
        let batch = self.read[self.random.usize(..=end.min(self.done))..end].to_vec();
        let after = Duration::from_millis(self.random.u64(..30_000) * self.random.u64(..2));
        let (environments, which, shard) = (self.environments.clone(), self.random.usize(..2), self.shard.clone());
        tokio::spawn(async move {
            sleep(after).await;
            let _ = environments.post(which, &shard, &batch).await;
        });
    }
}
