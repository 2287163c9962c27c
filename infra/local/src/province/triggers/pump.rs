//! Pumps a table's stream into a function as Lambda's mapping does: batches in order, one at a time for a shard; a tumbling
//! window, which names the shard; a batch that fails again and again, from the first record that failed, or in halves.

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
/// How often an empty stream is asked.
const POLL: Duration = Duration::from_millis(100);
/// First pause after a failure; doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// One shard's records on their way into a function.
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
    /// A pump that begins with the oldest record. `invoke` gives the function's reply, `None` when it failed.
    pub fn new(database: Database, mapping: MappingSpec, clock: Clock, invoke: F) -> Result<Self> {
        let list: Value = ask(json!({ "TableName": mapping.table }), |request| database.list_streams(request))?;
        let arn = text(&list, "/Streams/0/StreamArn")?;
        let described: Value = ask(json!({ "StreamArn": arn }), |request| database.describe_stream(request))?;
        // The engine has one shard a table.
        let shard = text(&described, "/StreamDescription/Shards/0/ShardId")?;
        let request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let iterator = text(&ask(request, |request| database.get_shard_iterator(request))?, "/ShardIterator")?;
        Ok(Pump { database, mapping, clock, invoke, arn, shard, iterator, window: None })
    }

    /// Pumps until the runtime ends.
    pub async fn run(mut self) {
        loop {
            // The engine is in this process: what it cannot answer now it may answer next time.
            let pumped = self.pump().await.unwrap_or(0);
            if pumped == 0 {
                sleep(POLL).await;
            }
        }
    }

    /// Delivers what is there, at most one batch, and closes a window whose time is over. Gives the records delivered.
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

    /// Delivers a batch and does not give up. Half of it fails alone if something in it makes the function fail.
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
                // A partial failure: what came before is done.
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

    /// Tells the function that its window is over, when it is, and begins another.
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

/// How many records a reply says are done: those before the first that failed. A failure that names no record of the batch
/// is the whole batch's (Lambda developer guide, "Reporting batch item failures").
fn delivered(records: &[&Value], reply: &Value) -> usize {
    let failures = reply.get("batchItemFailures").and_then(Value::as_array);
    let place = |failure: &Value| {
        let failed = failure.get("itemIdentifier").filter(|id| id.is_string());
        records.iter().position(|record| record.pointer("/dynamodb/SequenceNumber") == failed).unwrap_or(0)
    };
    failures.into_iter().flatten().map(place).min().unwrap_or(records.len())
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
