//! The members' stream, read from its shards, for a caller that must see what is not in the journal yet. Reading a
//! stream costs nothing in the table's units.

use crate::{Members, members::stream::content};
use aws_sdk_dynamodbstreams::{
    Client,
    error::SdkError,
    types::{AttributeValue, OperationType, Record, ShardIteratorType},
};
use mealticket_domain::journal::{Content, SequenceNumber, StreamShard};
use std::{collections::HashMap, error::Error, sync::Arc};

/// Reads without a record after which an open shard counts as read to its tip.
///
/// DynamoDB may return nothing although there is more ("it might take multiple calls", API reference, `GetRecords`),
/// and it does not say how far the tip is. What a caller needs was written at least a quarter of an hour ago.
const EMPTY_READS: usize = 8;

/// Why the stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream did not answer, or no longer has what was asked for.
    #[error("the stream")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// DynamoDB returned a name that is not as documented.
    #[error("the stream's names are not as documented")]
    Names,
}

/// The stream of `members`. It is only read, so its client may retry by itself.
#[derive(Clone)]
pub struct Stream {
    client: Client,
    table: Arc<str>,
}

/// A shard of the stream, in one of the streams that the table has had. It carries the ARN of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOfStream {
    /// Its name. The shard's journal has the same name.
    pub shard: StreamShard,
    arn: String,
}

/// What a record of the stream says.
#[derive(Debug)]
pub enum Tailed {
    /// What happened to the item. `Nothing` for a profile.
    Content(Box<Content>),
    /// It changed an item that was there, in a way that cannot be read. It is no claim, because
    /// a claim puts a new item.
    UnreadableChange,
    /// It cannot be read, and may be a claim.
    Unreadable,
}

impl Members {
    /// The table's stream, through this client. It asks nothing yet.
    pub fn stream(&self, client: Client) -> Stream {
        Stream { client, table: self.table.name().into() }
    }
}

impl Stream {
    /// Every shard of every stream that the table has, or has had within a day, open and closed ones.
    pub async fn shards(&self) -> Result<Vec<ShardOfStream>, StreamError> {
        let mut shards = Vec::new();
        let mut after = None;
        loop {
            let list = self.client.list_streams().table_name(&*self.table).set_exclusive_start_stream_arn(after);
            let list = list.send().await.map_err(failed)?;
            for stream in list.streams() {
                let arn = stream.stream_arn().ok_or(StreamError::Names)?;
                self.shards_of(arn, &mut shards).await?;
            }
            after = list.last_evaluated_stream_arn;
            if after.is_none() {
                return Ok(shards);
            }
        }
    }

    /// The shards of one stream, page by page.
    async fn shards_of(&self, arn: &str, shards: &mut Vec<ShardOfStream>) -> Result<(), StreamError> {
        let mut after = None;
        loop {
            let description = self.client.describe_stream().stream_arn(arn).set_exclusive_start_shard_id(after).send();
            let description = description.await.map_err(failed)?.stream_description.ok_or(StreamError::Names)?;
            for shard in description.shards() {
                let name = shard.shard_id().and_then(|name| name.parse().ok()).ok_or(StreamError::Names)?;
                shards.push(ShardOfStream { arn: arn.to_owned(), shard: name });
            }
            after = description.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Hands over, in order, what a shard's records after `mark` say. Without a mark it begins at the oldest
    /// that the stream still has.
    ///
    /// It ends at the end of a closed shard, or after eight reads in a row without a record. A record that cannot be
    /// read is handed over as such. Nothing is remembered: the same call reads the same records again, for as long
    /// as the stream keeps them.
    pub async fn for_each_after(
        &self,
        shard: &ShardOfStream,
        mark: Option<&SequenceNumber>,
        mut take: impl FnMut(Tailed),
    ) -> Result<(), StreamError> {
        let mut next = self.iterator(shard, mark).await?;
        let mut empty = 0;
        while let Some(from) = next.take().filter(|_| empty < EMPTY_READS) {
            let read = self.client.get_records().shard_iterator(from).send().await.map_err(failed)?;
            empty = if read.records().is_empty() { empty + 1 } else { 0 };
            for record in read.records() {
                if mark.is_none_or(|mark| sequence_number(record).is_none_or(|number| number > *mark)) {
                    take(tailed(record));
                }
            }
            next = read.next_shard_iterator;
        }
        Ok(())
    }

    /// Where reading begins.
    async fn iterator(
        &self,
        shard: &ShardOfStream,
        mark: Option<&SequenceNumber>,
    ) -> Result<Option<String>, StreamError> {
        let from = || self.client.get_shard_iterator().stream_arn(&shard.arn).shard_id(shard.shard.as_str());
        let oldest = || from().shard_iterator_type(ShardIteratorType::TrimHorizon).send();
        let Some(mark) = mark else { return Ok(oldest().await.map_err(failed)?.shard_iterator) };
        let after = from().shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(mark.as_str());
        match after.send().await {
            Ok(found) => Ok(found.shard_iterator),
            // The record at the mark has left the stream, a day after it was written. The caller wants younger records,
            // which are all still there.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_trimmed_data_access_exception()) => {
                Ok(oldest().await.map_err(failed)?.shard_iterator)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// What a record says, or which kind of unreadable it is.
fn tailed(record: &Record) -> Tailed {
    let change = record.dynamodb();
    let image = |image: Option<&HashMap<String, AttributeValue>>| image.map(|image| image.clone().into());
    let read = change.and_then(|change| content(image(change.old_image()), image(change.new_image())).ok());
    match read {
        Some(content) => Tailed::Content(Box::new(content)),
        None if record.event_name() == Some(&OperationType::Modify) => Tailed::UnreadableChange,
        None => Tailed::Unreadable,
    }
}

fn sequence_number(record: &Record) -> Option<SequenceNumber> {
    record.dynamodb()?.sequence_number()?.parse().ok()
}

fn failed<E: Error + Send + Sync + 'static>(error: SdkError<E>) -> StreamError {
    StreamError::Unavailable(Box::new(error))
}
