//! The due index: what is to be sent, by endpoint and second, in parts that one worker has at a time.

use crate::{
    Messages,
    messages::keys,
    table::{
        attributes::{Item, Reader, instant, item, number, text},
        calls::Write,
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    MerchantId, Timestamp,
    webhook::{DUE_SHARDS, EndpointId, Message, fnv1a},
};
use std::time::Duration;
use tokio::time::Instant;

/// Messages of one due entry. Ten of some 400 bytes are four write units, 0.4 each.
pub const DUE_MESSAGES_MAX: usize = 10;

/// How long a worker has its part of the index to itself, unless it renews the lease.
const LEASE_SECONDS: i64 = 60;

/// Messages for one endpoint that are due at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The merchant whose endpoint it is.
    pub merchant: MerchantId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Which attempt it is, from 1.
    pub attempt: u8,
    /// Whether the schedule begins anew with it, because an operator wants it sent again.
    pub begins_anew: bool,
    /// The messages: at least one, at most ten when they are queued.
    pub messages: Vec<Message>,
}

/// The key of a due entry. It says the endpoint, the second, the attempt and the messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DueKey {
    pub(super) shard: u16,
    pub(super) sk: String,
}

/// A worker's right to a part of the due index.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The part.
    pub shard: u16,
    /// The worker's random name.
    holder: String,
    /// When the right ends, by the clock that every environment sees.
    until: Timestamp,
    /// The same by the clock that a freeze stops.
    until_instant: Instant,
}

/// Nobody has the part now. Or the worker has it, for no longer than it asks for now: an earlier request that
/// lands late shortens nothing.
const IS_FREE_OR_OURS: &str =
    "attribute_not_exists(pk) OR lease_until <= :now OR (holder = :holder AND lease_until <= :until)";

/// The part of the due index that an endpoint is in, by a hash of its id. One of four.
pub fn shard_of(endpoint: &EndpointId) -> u16 {
    u16::try_from(fnv1a(endpoint.as_str().bytes()) % u64::from(DUE_SHARDS)).unwrap_or(0)
}

impl Due {
    /// Another attempt at one message.
    pub fn again(merchant: MerchantId, endpoint: EndpointId, message: Message, attempt: u8) -> Self {
        Due { merchant, endpoint, attempt, begins_anew: false, messages: vec![message] }
    }

    /// What distinguishes it from other entries of its endpoint, second and attempt: its first message, and a hash (FNV-1a).
    /// The hash covers all its messages and `begins_anew`. `None` without a message.
    fn name(&self) -> Option<String> {
        let first = self.messages.first()?;
        let bytes = self.messages.iter().flat_map(|message| message.id.as_str().bytes());
        let hash = fnv1a(bytes.chain([u8::from(self.begins_anew)]));
        Some(format!("{}.{hash:016x}", first.id))
    }
}

impl Worker {
    /// Whether the right lasts for `seconds` more, by either clock.
    pub fn lasts(&self, now: Timestamp, seconds: u32) -> bool {
        now.plus_seconds(seconds.into()) < self.until
            && Instant::now() + Duration::from_secs(seconds.into()) < self.until_instant
    }
}

impl Messages {
    /// Puts messages for an endpoint into the index, due at `at`. Without a message it does nothing.
    ///
    /// Safe to repeat: the key holds all that the entry is about, so the same entry again is one entry.
    ///
    /// Cost: 1 PutItem, 1 W for each KB; one message 1 W.
    pub async fn put_due(&self, due: &Due, at: Timestamp) -> Result<(), StoreError> {
        let Some(name) = due.name() else { return Ok(()) };
        let messages = due.messages.iter().map(|message| {
            AttributeValue::M(item([
                ("id", Some(text(message.id.as_str()))),
                ("kind", Some(text(message.kind.as_str()))),
                ("body", Some(text(&message.body))),
            ]))
        });
        let attributes = item([
            ("merchant_id", Some(text(due.merchant.as_str()))),
            ("attempt", Some(number(due.attempt))),
            ("begins_anew", due.begins_anew.then_some(AttributeValue::Bool(true))),
            ("messages", Some(AttributeValue::L(messages.collect()))),
        ]);
        let key = keys::due(shard_of(&due.endpoint), &due.endpoint, at, due.attempt, &name);
        let call = self.table.put_item();
        // The same entry again writes the same: the key holds all that it is about.
        self.table.put(call.set_item(Some(key.with(attributes)))).await.map(drop)
    }

    /// Removes a due entry whose messages are all settled. Safe to repeat.
    ///
    /// Cost: 1 DeleteItem, 1 W for each KB of the entry.
    pub async fn remove_due(&self, key: &DueKey) -> Result<(), StoreError> {
        let call = self.table.delete_item();
        let key = Item::from([
            ("pk".to_owned(), text(keys::due_partition(key.shard))),
            ("sk".to_owned(), text(key.sk.as_str())),
        ]);
        self.table.delete(call.set_key(Some(key))).await
    }

    /// The first endpoint after `after` for which anything is queued, and when its first entry is
    /// due. Eventually consistent.
    ///
    /// Entries whose key names no endpoint are logged as errors and skipped. Cost: 1 Query, ½ R: it skips
    /// from endpoint to endpoint.
    pub async fn find_next_endpoint_queued(
        &self,
        shard: u16,
        after: Option<&EndpointId>,
    ) -> Result<Option<(EndpointId, Timestamp)>, StoreError> {
        // No name begins with a space.
        let mut from = after.map_or(" ".to_owned(), |after| keys::due_end_of(after.as_str()));
        loop {
            let call = self.due_query(shard, "pk = :pk AND sk > :from").limit(1);
            let page = self.table.query(call.expression_attribute_values(":from", text(from.as_str()))).await?;
            let Some(item) = page.items.first() else { return Ok(None) };
            let (name, at) = keys::read_due(Reader::new(item, "due entry").str("sk")?);
            match name.parse() {
                // An entry whose time is no time is read with what is due.
                Ok(endpoint) => return Ok(Some((endpoint, at.unwrap_or(Timestamp::MIN)))),
                Err(_) => tracing::error!(shard, "a due entry names no endpoint"),
            }
            from = keys::due_end_of(name);
        }
    }

    /// What is due for an endpoint by `now`, oldest first: at most `limit` entries. Eventually consistent.
    ///
    /// An entry that cannot be read comes as its key alone, and is logged as an error. It stays in the index, for a
    /// release that can read it.
    ///
    /// Cost: 1 Query, ½ R for each 4 KB.
    pub async fn list_due(
        &self,
        shard: u16,
        endpoint: &EndpointId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(DueKey, Option<Due>)>, StoreError> {
        let call = self.due_query(shard, "pk = :pk AND sk BETWEEN :from AND :until");
        let call = call
            .expression_attribute_values(":from", text(format!("{endpoint}#")))
            .expression_attribute_values(":until", text(keys::due_end(endpoint, now)))
            .limit(super::deliveries::bounded(limit));
        let page = self.table.query(call).await?;
        let entry = |item: &Item| {
            let sk = Reader::new(item, "due entry").str("sk")?.to_owned();
            let log = |error: &StoreError| tracing::error!(%endpoint, %error, "a due entry cannot be read");
            Ok((DueKey { shard, sk }, read_due(item).inspect_err(log).ok()))
        };
        page.items.iter().map(entry).collect()
    }

    /// A query of one part, eventually consistent. An entry that was put a moment ago may be missing: a later query
    /// sees it. An entry that was removed may be there: its messages are settled already.
    fn due_query(
        &self,
        shard: u16,
        condition: &str,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let call = self.table.query_items().key_condition_expression(condition);
        call.expression_attribute_values(":pk", text(keys::due_partition(shard)))
    }

    /// Leases a part of the index to a worker for 60 seconds, or renews its lease. `None` when another worker has it.
    ///
    /// One worker has a part at a time, as far as clocks agree. Two at once could send a message twice, but only one of
    /// them would write what became of it. A worker that lost its lease learns it here.
    ///
    /// Cost: 1 UpdateItem, 1 W, also when refused.
    pub async fn lease_due(&self, shard: u16, holder: &str) -> Result<Option<Worker>, StoreError> {
        let (now, began) = (self.table.clock().now(), Instant::now());
        let until = now.plus_seconds(LEASE_SECONDS);
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::due_worker(shard).attributes()))
            .condition_expression(IS_FREE_OR_OURS)
            .update_expression("SET holder = :holder, lease_until = :until")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":now", instant(now))
            .expression_attribute_values(":until", instant(until));
        let until_instant = began + Duration::from_secs(LEASE_SECONDS.unsigned_abs());
        Ok(match self.table.update(call).await? {
            Write::Done(_) => Some(Worker { shard, holder: holder.to_owned(), until, until_instant }),
            Write::Refused(_) => None,
        })
    }

    /// Gives a part of the index back, if it is still the worker's. Otherwise it changes nothing. Safe to repeat.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn return_due(&self, worker: &Worker) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::due_worker(worker.shard).attributes()))
            .condition_expression("holder = :holder")
            .update_expression("SET lease_until = :now REMOVE holder")
            .expression_attribute_values(":holder", text(worker.holder.as_str()))
            .expression_attribute_values(":now", instant(self.table.clock().now()));
        self.table.update(call).await.map(drop)
    }
}

/// The due entry of an item.
fn read_due(item: &Item) -> Result<Due, StoreError> {
    let read = Reader::new(item, "due entry");
    let (name, _) = keys::read_due(read.str("sk")?);
    let endpoint = name.parse().map_err(|_| read.corrupt("sk"))?;
    let message = |item: &Item| -> Result<Message, StoreError> {
        let read = Reader::new(item, "due message");
        Ok(Message { id: read.parsed("id")?, kind: read.parsed("kind")?, body: read.str("body")?.to_owned() })
    };
    Ok(Due {
        merchant: read.parsed("merchant_id")?,
        endpoint,
        attempt: read.number("attempt")?,
        begins_anew: read.has("begins_anew"),
        messages: read.maps("messages")?.into_iter().map(message).collect::<Result<_, _>>()?,
    })
}
