//! What the records of the members' stream come to by the catalog: whose coupon it is, and the money that it moves.

use crate::{Catalog, members::stream, table::error::StoreError};
use mealticket_domain::{
    Coupon, IdCipher, MerchantId, Timestamp,
    journal::{Content, CouponEvent, Entry, Record, SequenceNumber, SetAside, events_between},
    webhook::{Message, messages_between},
};
use serde::Deserialize;
use serde_json::Value;

/// Why a batch cannot be read now. A function on the stream fails the batch, and the platform delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No record of the batch has a sequence number, so nothing says how far the batch goes.
    #[error("no record of the batch has a sequence number")]
    NoSequenceNumber,
    /// The catalog did not answer.
    #[error("the batch cannot be read now")]
    Catalog(#[from] StoreError),
}

/// The money that a coupon's events move.
#[derive(Debug)]
pub enum Priced {
    /// These entries. A claim moves none.
    Entries(Vec<Entry>),
    /// It cannot be worked out, for this reason. A repeat does not help until the catalog is mended.
    Unpriced(&'static str),
}

/// What a record says.
enum Read {
    /// What happened, and the money that it moves.
    Sound(Content, Vec<Entry>),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl Catalog {
    /// The records of a batch, in the batch's order, with the money that they move. It changes nothing.
    ///
    /// A record that cannot be read is set aside as it came, with a reason. A record without a sequence number takes
    /// that of its neighbour. One without a time counts as the latest, so that a search by time does not miss it.
    ///
    /// Cost: mostly cached reads of campaigns and settlement terms. Errors: [`ReadError::NoSequenceNumber`] when no record has a
    /// sequence number, and [`ReadError::Catalog`] when the catalog does not answer.
    pub async fn read_batch(&self, batch: &[Value]) -> Result<Vec<Record>, ReadError> {
        let numbers: Vec<Option<SequenceNumber>> = batch.iter().map(stream::sequence_number).collect();
        let Some(first) = numbers.iter().flatten().next() else {
            return if batch.is_empty() { Ok(Vec::new()) } else { Err(ReadError::NoSequenceNumber) };
        };
        let mut seq = first.clone();
        let mut records = Vec::with_capacity(batch.len());
        for (raw, number) in batch.iter().zip(numbers) {
            let at = stream::time(raw).unwrap_or(Timestamp::MAX);
            let read = match &number {
                Some(_) => self.read_record(raw).await?,
                None => Read::Unreadable("no sequence number".to_owned()),
            };
            seq = number.unwrap_or(seq);
            let (content, entries) = match read {
                Read::Sound(content, entries) => (content, entries),
                Read::Unreadable(reason) => {
                    let event_id = raw.get("eventID").and_then(Value::as_str);
                    (Content::Unreadable(SetAside::new(event_id, &reason, raw.to_string())), Vec::new())
                }
            };
            records.push(Record { seq: seq.clone(), at, content, entries });
        }
        Ok(records)
    }

    /// One record, read by itself.
    async fn read_record(&self, raw: &Value) -> Result<Read, StoreError> {
        let content = match stream::Raw::deserialize(raw) {
            Ok(raw) => stream::content(raw.dynamodb.old_image, raw.dynamodb.new_image),
            Err(_) => Err("not a record of a stream with both images".to_owned()),
        };
        Ok(match content {
            Ok(Content::Coupon(change)) => match self.read_entries(&change.coupon, &change.events).await? {
                Priced::Entries(entries) => Read::Sound(Content::Coupon(change), entries),
                Priced::Unpriced(reason) => Read::Unreadable(reason.to_owned()),
            },
            Ok(content) => Read::Sound(content, Vec::new()),
            Err(reason) => Read::Unreadable(reason),
        })
    }

    /// The money that a coupon's events move, by the settlement terms that the coupon names.
    ///
    /// Terms that are missing or unsound are a reason to set the record aside (`Unpriced`). A catalog that
    /// does not answer is an error.
    ///
    /// Cost: nothing for claims alone, or while cached; otherwise 1 GetItem, ½ R, for the campaign, and
    /// 1 GetItem, 1 R, for the terms.
    pub async fn read_entries(&self, coupon: &Coupon, events: &[CouponEvent]) -> Result<Priced, StoreError> {
        if events.iter().all(|event| *event == CouponEvent::Claimed) {
            return Ok(Priced::Entries(Vec::new()));
        }
        let known = |answer| match answer {
            Err(StoreError::Corrupt { .. }) => Ok(None),
            answer => answer,
        };
        let Some(campaign) = known(self.read_campaign(coupon.key.campaign).await)? else {
            return Ok(Priced::Unpriced("the catalog has no sound campaign of that number"));
        };
        let terms = self.read_settlement_terms(campaign.no, coupon.settlement_version).await;
        let terms = match terms {
            Err(StoreError::Corrupt { .. }) => None,
            terms => terms?,
        };
        Ok(match terms.filter(|terms| terms.check().is_ok()) {
            Some(terms) => {
                let entry = |event: &CouponEvent| Entry::of(coupon, *event, &campaign.merchant_id, &terms);
                Priced::Entries(events.iter().filter_map(entry).collect())
            }
            None => Priced::Unpriced("the catalog has no sound settlement terms of that version"),
        })
    }

    /// All entries that a coupon comes to in its whole life so far; `Unpriced` when its settlement terms are missing or
    /// unsound. For the rebuild.
    pub async fn read_all_entries(&self, coupon: &Coupon) -> Result<Priced, StoreError> {
        match events_between(None, coupon) {
            Ok(events) => self.read_entries(coupon, &events).await,
            Err(_) => Ok(Priced::Unpriced("a coupon's past was rewritten")),
        }
    }

    /// The messages that a record of the members' stream gives rise to, and the merchant whose campaign it is about.
    ///
    /// `None` when there are none, and when the record or its campaign cannot be read. Such a record is set aside in
    /// the journal, and its messages are queued when it is posted from there. A record that comes again gives the same
    /// messages under the same names.
    ///
    /// Cost: nothing while the campaign is cached; then 1 GetItem, ½ R.
    pub async fn read_messages(
        &self,
        record: &Value,
        ids: &IdCipher,
    ) -> Result<Option<(MerchantId, Vec<Message>)>, StoreError> {
        let Some(((before, after), written_at)) = stream::coupon_of(record) else { return Ok(None) };
        let Ok(messages) = messages_between(before.as_ref(), &after, written_at, ids) else { return Ok(None) };
        if messages.is_empty() {
            return Ok(None);
        }
        match self.read_campaign(after.key.campaign).await {
            Ok(Some(campaign)) => Ok(Some((campaign.merchant_id.clone(), messages))),
            Ok(None) | Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
