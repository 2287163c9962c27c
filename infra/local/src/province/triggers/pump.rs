//! Pumps a table's stream into a function as Lambda's event source mapping does.
//!
//! Batches of a shard come in order, one at a time. A tumbling window names the shard. When a batch fails, the pump
//! tries again from the first record that failed, or with halves of the batch.

use crate::{Result, StackError, template::MappingSpec};
use dynoxide::Database;
use mealticket_domain::Timestamp;
use mealticket_store::Clock;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, sleep};

/// How long records are gathered here, whatever the template says: on one machine nobody waits for a cheaper write.
const GATHER: Duration = Duration::from_millis(200);
/// How often an empty stream is read.
const POLL: Duration = Duration::from_millis(100);
/// The first pause after a failure. Each further pause is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Carries one shard's records to a function.
pub struct Pump<F> {
    database: Database,
    mapping: MappingSpec,
    clock: Clock,
    invoke: F,
    arn: String,
    shard: String,
    iterator: String,
    window: Option<Window>,
}

struct Window {
    start: Timestamp,
    end: Timestamp,
    state: Value,
}

impl<F: AsyncFn(&Value) -> Option<Value>> Pump<F> {
    /// A pump that begins with the oldest record. `invoke` returns the function's reply, or `None` when it failed.
    pub fn new(database: Database, mapping: MappingSpec, clock: Clock, invoke: F) -> Result<Self> {
        let list: Value = ask(json!({ "TableName": mapping.table }), |request| database.list_streams(request))?;
        let arn = text(&list, "/Streams/0/StreamArn")?;
        let described: Value = ask(json!({ "StreamArn": arn }), |request| database.describe_stream(request))?;
        // The engine gives each table one shard.
        let shard = text(&described, "/StreamDescription/Shards/0/ShardId")?;
        let request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let iterator = text(&ask(request, |request| database.get_shard_iterator(request))?, "/ShardIterator")?;
        Ok(Pump { database, mapping, clock, invoke, arn, shard, iterator, window: None })
    }

    /// Pumps until the runtime ends.
    pub async fn run(mut self) {
        loop {
            // The engine is in this process. A read that fails now may succeed next time.
            let pumped = self.pump().await.unwrap_or(0);
            if pumped == 0 {
                sleep(POLL).await;
            }
        }
    }

    /// Delivers what is there, one batch at most, and closes a window whose time is over. Returns how many records were
    /// delivered.
    pub async fn pump(&mut self) -> Result<usize> {
        let batch = self.gather().await?;
        let count = batch.len();
        self.turn_window().await;
        if !batch.is_empty() {
            self.deliver(batch).await;
        }
        Ok(count)
    }

    async fn gather(&mut self) -> Result<VecDeque<Value>> {
        let mut batch = VecDeque::new();
        let mut until = None;
        loop {
            let limit = self.mapping.batch_size - batch.len();
            let request = json!({ "ShardIterator": self.iterator, "Limit": limit });
            let read: Value = ask(request, |request| self.database.get_records(request))?;
            for record in read.get("Records").and_then(Value::as_array).into_iter().flatten() {
                let mut record = record.clone();
                if let Some(members) = record.as_object_mut() {
                    members.insert("eventSourceARN".to_owned(), json!(self.arn));
                }
                batch.push_back(record);
            }
            self.iterator = text(&read, "/NextShardIterator")?;
            let full = batch.len() >= self.mapping.batch_size;
            let now = Instant::now();
            if batch.is_empty() || full || now >= *until.get_or_insert(now + GATHER) {
                return Ok(batch);
            }
            sleep(POLL.min(GATHER)).await;
        }
    }

    /// Delivers a batch and never gives up. If the mapping bisects, a batch that makes the function fail is halved, so
    /// that in the end only a bad record's own half is held up.
    async fn deliver(&mut self, batch: VecDeque<Value>) {
        let mut waiting = VecDeque::from([batch]);
        let mut pause = PAUSE_FIRST;
        while let Some(mut batch) = waiting.pop_front() {
            let records: Vec<&Value> = batch.iter().collect();
            let reply = (self.invoke)(&self.event(&records, false)).await;
            let done = reply.as_ref().map(|reply| delivered(&records, reply));
            if let (Some(window), Some(state)) = (&mut self.window, reply.as_ref().and_then(|reply| reply.get("state")))
            {
                window.state = state.clone();
            }
            match done {
                Some(done) if done == batch.len() => {
                    pause = PAUSE_FIRST;
                    continue;
                }
                // A partial failure: the records before the first failure are done.
                Some(done) => {
                    batch.drain(..done);
                    waiting.push_front(batch);
                }
                None => {
                    if self.mapping.bisects && batch.len() > 1 {
                        waiting.push_front(batch.split_off(batch.len() / 2));
                    }
                    waiting.push_front(batch);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// When the window is over, notifies the function and begins another window.
    async fn turn_window(&mut self) {
        let Some(seconds) = self.mapping.window_seconds else { return };
        let now = self.clock.now();
        if self.window.as_ref().is_some_and(|window| now >= window.end) {
            let mut pause = PAUSE_FIRST;
            while (self.invoke)(&self.event(&[], true)).await.is_none() {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            self.window = None;
        }
        let end = now.plus_seconds(seconds);
        self.window.get_or_insert_with(|| Window { start: now, end, state: json!({}) });
    }

    fn event(&self, records: &[&Value], is_final: bool) -> Value {
        let Some(window) = &self.window else { return json!({ "Records": records }) };
        json!({
            "Records": records,
            "window": { "start": window.start.to_string(), "end": window.end.to_string() },
            "state": window.state,
            "shardId": self.shard,
            "eventSourceARN": self.arn,
            "isFinalInvokeForWindow": is_final,
            "isWindowTerminatedEarly": false,
        })
    }
}

/// How many records are done, by the function's reply: those before the first that failed. When a failure names no
/// record of the batch, the whole batch failed (Lambda developer guide, "Reporting batch item failures").
fn delivered(records: &[&Value], reply: &Value) -> usize {
    let failures = reply.get("batchItemFailures").and_then(Value::as_array);
    let position = |failure: &Value| {
        let failed = failure.get("itemIdentifier").filter(|id| id.is_string());
        records.iter().position(|record| record.pointer("/dynamodb/SequenceNumber") == failed).unwrap_or(0)
    };
    failures.into_iter().flatten().map(position).min().unwrap_or(records.len())
}

fn ask<Q: DeserializeOwned, A: serde::Serialize>(
    request: Value,
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> Result<Value> {
    let failed = |error: &dyn std::fmt::Display| StackError::caused("the stream", error);
    let request = serde_json::from_value(request).map_err(|error| failed(&error))?;
    let answer = operation(request).map_err(|error| failed(&error))?;
    serde_json::to_value(answer).map_err(|error| failed(&error))
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| StackError(format!("the stream: no {pointer}")))
}

#[cfg(test)]
mod tests;
