//! 记账: what happens to coupons, posted to the journal from the stream of `members`.
//!
//! The rule is [`mealticket_domain::journal`], and its one write [`mealticket_store::Ledger::post`]. Here a batch is
//! read and its outcome returned. A batch that is delivered again has no second effect, so the mapping may retry
//! without end, bisect and overlap.

#![warn(clippy::wildcard_enum_match_arm)]

use aws_lambda_events::{dynamodb::TimeWindowEventResponse, streams::DynamoDbBatchItemFailure};
use lambda_runtime::Error;
use mealticket_domain::journal::{SequenceNumber, StreamShard};
use serde::Deserialize;
use serde_json::Value;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, ledger: Ledger }
}

/// A batch of one shard's records. Each is read by itself: a record that makes no sense must not hold up the others.
#[derive(Debug, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records", default)]
    records: Vec<Value>,
    /// The shard. The event names it only when the mapping has a tumbling window.
    #[serde(rename = "shardId")]
    shard_id: Option<String>,
}

/// Posts a batch. It returns the first record that is not posted, if there is one, and the mapping begins there again.
///
/// When it returns no failure, every record of the batch is in the journal, once. A record that cannot be read is
/// logged as an error and set aside in its page; it holds up no other.
///
/// Errors, each for the whole batch, which comes again: the event names no shard, no record has a sequence number, or
/// the catalog does not answer.
pub async fn handle(tables: &Handles, batch: Batch) -> Result<TimeWindowEventResponse, Error> {
    let shard: Option<StreamShard> = batch.shard_id.and_then(|name| name.parse().ok());
    let shard = shard.ok_or("the event names no shard: the mapping needs a tumbling window")?;
    let records = tables.catalog.read_batch(&batch.records).await?;
    match tables.ledger.post(&shard, records).await {
        Ok(pages) => {
            // Logged once, by the call that posted the page: a record that is delivered again is in no new page.
            for (id, aside) in pages.iter().flat_map(|page| page.asides(&shard)) {
                tracing::error!(%shard, id, reason = aside.reason, "set aside");
            }
            let (records, pages) = (pages.iter().map(|page| page.records).sum::<u32>(), pages.len());
            tracing::info!(%shard, received = batch.records.len(), records, pages, "posted");
            Ok(response(None))
        }
        Err(error) => {
            tracing::error!(%shard, from = %error.from, cause = %error.source, "not posted to the end");
            Ok(response(Some(&error.from)))
        }
    }
}

/// The answer that the mapping expects: the first record that failed, or none.
fn response(failed: Option<&SequenceNumber>) -> TimeWindowEventResponse {
    let mut response = TimeWindowEventResponse::default();
    if let Some(failed) = failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(failed.as_str().to_owned());
        response.batch_item_failures.push(failure);
    }
    response
}
