//! Reading the members' stream: what each record says to the books. A record that cannot be read is put aside, never
//! guessed at and never in the way.

use crate::{Store, attributes::Item, error::StoreError, items, keys};
use mealticket_domain::{
    Coupon, Timestamp,
    journal::{Change, Content, CouponEvent, Entry, Record, SequenceNumber, SetAside},
};
use serde::Deserialize;
use serde_json::Value;

/// Why a batch cannot be read now.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No record tells its place: there is nothing to remember the batch by.
    #[error("no record of the batch has a sequence number")]
    NoPlace,
    /// The catalog did not answer.
    #[error("the batch cannot be read now")]
    Catalog(#[from] StoreError),
}

/// A record as Lambda hands it over.
#[derive(Deserialize)]
struct Raw {
    dynamodb: Images,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    #[serde(default)]
    old_image: Option<serde_dynamo::Item>,
    #[serde(default)]
    new_image: Option<serde_dynamo::Item>,
}

impl Store {
    /// The records of a batch, with the money that they move. One without a place of its own stands with its neighbour. One
    /// without a time counts as the latest: whoever looks for what was written since some time must not pass it by.
    pub async fn read_batch(&self, batch: &[Value]) -> Result<Vec<Record>, ReadError> {
        let places: Vec<Option<SequenceNumber>> = batch.iter().map(place).collect();
        let Some(first) = places.iter().flatten().next() else {
            return if batch.is_empty() { Ok(Vec::new()) } else { Err(ReadError::NoPlace) };
        };
        let mut seq = first.clone();
        let mut records = Vec::with_capacity(batch.len());
        for (raw, place) in batch.iter().zip(places) {
            let at = time(raw).unwrap_or(Timestamp::MAX);
            let read = match &place {
                Some(_) => self.read(raw).await?,
                None => Err("no sequence number".to_owned()),
            };
            seq = place.unwrap_or(seq);
            let (content, entries) = read.unwrap_or_else(|reason| {
                let event_id = raw.get("eventID").and_then(Value::as_str);
                (Content::Unreadable(SetAside::new(event_id, &reason, raw.to_string())), Vec::new())
            });
            records.push(Record { seq: seq.clone(), at, content, entries });
        }
        Ok(records)
    }

    /// What a record says and moves; why that cannot be told, when it cannot.
    async fn read(&self, raw: &Value) -> Result<Result<(Content, Vec<Entry>), String>, StoreError> {
        let content = match Raw::deserialize(raw) {
            Ok(raw) => content(raw.dynamodb.old_image, raw.dynamodb.new_image),
            Err(_) => Err("not a record of a stream with both images".to_owned()),
        };
        Ok(match content {
            Ok(Content::Coupon(change)) => {
                let entries = self.entries(&change.coupon, &change.events).await?;
                entries.map(|entries| (Content::Coupon(change), entries)).map_err(str::to_owned)
            }
            content => content.map(|content| (content, Vec::new())),
        })
    }

    /// The money that a coupon's events move, by the settlement terms that the coupon names. Terms that are not there, or not
    /// sound, are a reason to put the record aside; a catalog that does not answer is not.
    pub async fn entries(
        &self,
        coupon: &Coupon,
        events: &[CouponEvent],
    ) -> Result<Result<Vec<Entry>, &'static str>, StoreError> {
        if events.iter().all(|event| *event == CouponEvent::Claimed) {
            return Ok(Ok(Vec::new()));
        }
        let known = |answer| match answer {
            Err(StoreError::Corrupt { .. }) => Ok(None),
            answer => answer,
        };
        let Some(campaign) = known(self.campaign(coupon.key.campaign).await)? else {
            return Ok(Err("the catalog has no sound campaign of that number"));
        };
        let terms = self.settlement_terms(campaign.no, coupon.settlement_version).await;
        let terms = match terms {
            Err(StoreError::Corrupt { .. }) => None,
            terms => terms?,
        };
        Ok(match terms.filter(|terms| terms.check().is_ok()) {
            Some(terms) => {
                let entry = |event: &CouponEvent| Entry::of(coupon, *event, &campaign.merchant_id, &terms);
                Ok(events.iter().filter_map(entry).collect())
            }
            None => Err("the catalog has no sound settlement terms of that version"),
        })
    }
}

fn place(raw: &Value) -> Option<SequenceNumber> {
    raw.pointer("/dynamodb/SequenceNumber")?.as_str()?.parse().ok()
}

/// DynamoDB tells the time to the second, in some regions as a number with a fraction.
fn time(raw: &Value) -> Option<Timestamp> {
    let seconds = raw.pointer("/dynamodb/ApproximateCreationDateTime")?;
    let seconds = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_unix_seconds(seconds)
}

/// A coupon as it was, if it was there, and as it is.
pub type Became = (Option<Coupon>, Coupon);

/// The coupon that a record is about, before and after, and when it was written; `None` when it is about something else, or
/// tells of it what cannot be read: that is in the journal, put aside, and told of when it is posted from there.
pub fn coupon_of(record: &Value) -> Option<(Became, Timestamp)> {
    let images = Raw::deserialize(record).ok()?.dynamodb;
    let became = became(images.old_image.map(Item::from), images.new_image.map(Item::from)).ok()??;
    let at = time(record).unwrap_or(became.1.claimed_at);
    Some((became, at))
}

/// What happened when an item of `members` became another; why it cannot be told, when it cannot.
pub fn content(old: Option<serde_dynamo::Item>, new: Option<serde_dynamo::Item>) -> Result<Content, String> {
    let Some((before, after)) = became(old.map(Item::from), new.map(Item::from))? else { return Ok(Content::Nothing) };
    let change = Change::between(before.as_ref(), after).map_err(|error| error.to_string())?;
    Ok(if change.is_empty() { Content::Nothing } else { Content::Coupon(Box::new(change)) })
}

/// The coupon that an item was and is; none when it is a member's profile.
fn became(old: Option<Item>, new: Option<Item>) -> Result<Option<Became>, String> {
    let image = new.as_ref().or(old.as_ref()).ok_or("no image")?;
    let key = |name: &str| image.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    if key("sk") == keys::PROFILE {
        return Ok(None);
    }
    if !key("sk").starts_with(keys::COUPONS) {
        return Err("an unknown kind of item".to_owned());
    }
    let coupon = |item: &Item| -> Result<Coupon, String> {
        items::coupon::from_item(item).map_err(|error: StoreError| error.to_string())
    };
    let after = coupon(new.as_ref().ok_or("a coupon was deleted")?)?;
    let before = old.as_ref().map(coupon).transpose()?;
    Ok(Some((before, after)))
}
