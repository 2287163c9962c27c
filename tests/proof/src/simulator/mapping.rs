//! The mapping between the members' stream and `post-ledger`, behaving as badly as its contract allows: batches of any size,
//! halves of them, what was delivered before again and beside what is new, and late.

use super::environment::Environments;
use crate::wire::Network;
use mealticket_support::stream;
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;

/// How often one fault can make a batch or a sweep begin again, and more.
pub(crate) const ATTEMPTS: usize = 6;

/// One shard on its way into the function.
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

    /// Delivers what comes until there is an end to it.
    pub(crate) async fn run(&mut self) {
        loop {
            sleep(Duration::from_millis(self.random.u64(300..3_000))).await;
            self.deliver().await;
            // The schedule comes round, too; whatever stops it, the next one goes on.
            if self.random.u8(..4) == 0 {
                let _ = self.environments.fold(self.random.usize(..2)).await;
            }
        }
    }

    /// Hands what comes to the stream's second reader, in order, until there is an end to it.
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

    /// What was not delivered yet.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        self.read.extend(self.reader.read());
        self.read[self.done..].to_vec()
    }

    /// Delivers all that is there, and does not give up.
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

    /// Delivers all that is there as one batch, as often as it takes. Gives what is wrong when it takes too often.
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

    /// Everything comes once more.
    pub(crate) async fn deliver_all_again(&mut self) {
        let _ = self.environments.post(1, &self.shard, &self.read).await;
    }

    /// Some of what was delivered comes once more, now or up to half a minute later. Nobody waits for it.
    fn deliver_again(&mut self) {
        // Its end may be new: two deliveries at once. Its beginning never is: nothing is left out.
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
