//! Proof of how many units of a lease are coupons.

use aws_sdk_dynamodbstreams::{
    Client,
    error::SdkError,
    types::{AttributeValue, OperationType, Record, ShardIteratorType},
};
use mealticket_domain::{
    CampaignNo, LeaseId, Timestamp,
    journal::{Content, SequenceNumber, StreamShard, Tally},
};
use mealticket_store::{Store, StoreError, ledger::Journal, stream};
use std::{collections::HashMap, error::Error};

/// Reads without a record after which an open shard is read to its tip. DynamoDB may answer with nothing although there is
/// more ("it might take multiple calls", API reference, `GetRecords`), and it does not say how far the tip is. What we look
/// for was written at least a quarter of an hour ago.
const EMPTY_READS: usize = 8;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The journal did not answer.
    #[error("the journal")]
    Journal(#[from] StoreError),
    /// The stream did not answer, or no longer has what is not in the journal.
    #[error("the stream")]
    Stream(#[source] Box<dyn Error + Send + Sync>),
    /// A record that could not be read may be a claim.
    #[error("shard {0} has records that were put aside")]
    SetAside(StreamShard),
    /// A name of DynamoDB's that is not as documented.
    #[error("the stream's names are not as documented")]
    Names,
}

/// The claims since some time, complete.
pub(crate) struct Proof(Tally);

impl Proof {
    /// Counts every claim written at `since` or later: from the journal up to each shard's mark, from the stream after it.
    pub(crate) async fn since(store: &Store, streams: &Client, since: Timestamp) -> Result<Self, NoProof> {
        let mut tally = Tally::default();
        for (arn, shard) in shards(streams, store.stream_table()).await? {
            // The mark belongs to these pages: one of a later question would hide what was posted in between.
            let Journal { mark, pages } = store.tallies(&shard, since).await?;
            for (id, _) in pages.iter().flat_map(|page| page.asides(&shard)).filter(|(_, aside)| aside.may_be_a_claim())
            {
                match store.posted_aside(&id).await? {
                    Some(page) => tally.add(&page.tally),
                    None => return Err(NoProof::SetAside(shard.clone())),
                }
            }
            pages.iter().for_each(|page| tally.add(&page.tally));
            tail(streams, &arn, &shard, mark.as_ref().map(|mark| &mark.to), &mut tally).await?;
        }
        Ok(Proof(tally))
    }

    pub(crate) fn claims_of(&self, campaign: CampaignNo, lease: LeaseId) -> u64 {
        self.0.claims_of(campaign, lease)
    }
}

/// Every shard of every stream that the table has, or had within a day.
async fn shards(streams: &Client, table: &str) -> Result<Vec<(String, StreamShard)>, NoProof> {
    let mut shards = Vec::new();
    let mut after = None;
    loop {
        let list = streams.list_streams().table_name(table).set_exclusive_start_stream_arn(after).send();
        let list = list.await.map_err(failed)?;
        for stream in list.streams() {
            let arn = stream.stream_arn().ok_or(NoProof::Names)?;
            shards_of(streams, arn, &mut shards).await?;
        }
        after = list.last_evaluated_stream_arn;
        if after.is_none() {
            return Ok(shards);
        }
    }
}

async fn shards_of(streams: &Client, arn: &str, shards: &mut Vec<(String, StreamShard)>) -> Result<(), NoProof> {
    let mut after = None;
    loop {
        let description = streams.describe_stream().stream_arn(arn).set_exclusive_start_shard_id(after).send();
        let description = description.await.map_err(failed)?.stream_description.ok_or(NoProof::Names)?;
        for shard in description.shards() {
            let name = shard.shard_id().and_then(|name| name.parse().ok()).ok_or(NoProof::Names)?;
            shards.push((arn.to_owned(), name));
        }
        after = description.last_evaluated_shard_id;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Counts what comes after the mark.
async fn tail(
    streams: &Client,
    arn: &str,
    shard: &StreamShard,
    mark: Option<&SequenceNumber>,
    tally: &mut Tally,
) -> Result<(), NoProof> {
    let from = streams.get_shard_iterator().stream_arn(arn).shard_id(shard.as_str());
    let from = match mark {
        Some(mark) => from.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(mark.as_str()),
        None => from.shard_iterator_type(ShardIteratorType::TrimHorizon),
    };
    let mut next = match from.send().await {
        Ok(found) => found.shard_iterator,
        // What is at the mark has left the stream, a day after it was written. The claims that are looked for are younger, so
        // they are all still there.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_trimmed_data_access_exception()) => {
            let oldest = streams.get_shard_iterator().stream_arn(arn).shard_id(shard.as_str());
            let oldest = oldest.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
            oldest.map_err(failed)?.shard_iterator
        }
        Err(error) => return Err(failed(error)),
    };
    let mut empty = 0;
    while let Some(from) = next.take().filter(|_| empty < EMPTY_READS) {
        let read = streams.get_records().shard_iterator(from).send().await.map_err(failed)?;
        empty = if read.records().is_empty() { empty + 1 } else { 0 };
        for record in read.records() {
            if mark.is_some_and(|mark| place(record).is_some_and(|place| place <= *mark)) {
                continue;
            }
            match content(record) {
                Ok(content) => tally.count(&content),
                Err(_) if record.event_name() == Some(&OperationType::Modify) => {}
                Err(_) => return Err(NoProof::SetAside(shard.clone())),
            }
        }
        next = read.next_shard_iterator;
    }
    Ok(())
}

fn place(record: &Record) -> Option<SequenceNumber> {
    record.dynamodb()?.sequence_number()?.parse().ok()
}

fn content(record: &Record) -> Result<Content, String> {
    let change = record.dynamodb().ok_or("no change")?;
    stream::content(change.old_image().map(item), change.new_image().map(item))
}

fn item(image: &HashMap<String, AttributeValue>) -> serde_dynamo::Item {
    image.clone().into()
}

fn failed<E: Error + Send + Sync + 'static>(error: SdkError<E>) -> NoProof {
    NoProof::Stream(Box::new(error))
}
