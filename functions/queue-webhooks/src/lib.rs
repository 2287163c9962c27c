//! 通知排队: what happens to coupons, queued for the merchants' systems that subscribe to it, from the stream of `members`.
//!
//! A batch that is delivered again is queued again, under the same names, and `deliver-webhooks` sends each message
//! once. So nothing is remembered here, and the mapping may retry without end, bisect and overlap.

#![warn(clippy::wildcard_enum_match_arm)]

mod waiting;

use lambda_runtime::Error;
use mealticket_domain::{MerchantId, webhook::Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// A batch of one shard's records. Each is read by itself: a record that makes no sense must not hold up the others.
#[derive(Debug, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records", default)]
    records: Vec<Value>,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Messages that were queued, counted once for each endpoint.
    pub messages: usize,
}

/// Queues the messages that a batch gives rise to, and undoes the redemptions whose reversals were reported too early.
///
/// When it returns, all of it is durable. A record that cannot be read gives no message: it is
/// set aside in the journal.
///
/// Errors: a `StoreError` is the whole batch's, which then comes again. That has no second effect.
pub async fn handle(deps: &Deps, batch: Batch) -> Result<Queued, Error> {
    let mut by_merchant: BTreeMap<MerchantId, Vec<Message>> = BTreeMap::new();
    for record in &batch.records {
        if let Some((merchant, messages)) = deps.catalog.read_messages(record, &deps.stack.ids).await? {
            by_merchant.entry(merchant).or_default().extend(messages);
        }
    }
    let mut queued = Queued { messages: 0 };
    for (merchant, messages) in by_merchant {
        queued.messages += deps.messages.queue_messages(&deps.catalog, &merchant, &messages).await?;
    }
    waiting::undo(deps, &batch.records).await?;
    tracing::info!(received = batch.records.len(), messages = queued.messages, "queued");
    Ok(queued)
}
