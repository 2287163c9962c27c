//! Reading the members' stream: what each record says to the books. A record that cannot be read is put aside, never
//! guessed at and never in the way.

use crate::{attributes::Item, error::StoreError, items, keys};
use mealticket_domain::{
    Coupon, Timestamp,
    journal::{Content, Record, SequenceNumber, SetAside, events_between},
};
use serde::Deserialize;
use serde_json::Value;

/// A batch in which no record tells its place: there is nothing to remember it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no record of the batch has a sequence number")]
pub struct NoPlace;

/// A record as Lambda hands it over.
#[derive(Deserialize)]
struct Raw {
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    #[serde(default)]
    old_image: Option<serde_dynamo::Item>,
    #[serde(default)]
    new_image: Option<serde_dynamo::Item>,
}

/// The records of a batch. One without a place of its own stands with its neighbour. One without a time counts as the
/// latest: whoever looks for what was written since some time must not pass it by.
pub fn records(batch: &[Value]) -> Result<Vec<Record>, NoPlace> {
    let places: Vec<Option<SequenceNumber>> = batch.iter().map(place).collect();
    let Some(first) = places.iter().flatten().next() else {
        return if batch.is_empty() { Ok(Vec::new()) } else { Err(NoPlace) };
    };
    let mut seq = first.clone();
    let records = batch.iter().zip(places).map(|(raw, place)| {
        let at = time(raw).unwrap_or(Timestamp::MAX);
        let content = match &place {
            Some(_) => read(raw),
            None => Err("no sequence number".to_owned()),
        };
        seq = place.unwrap_or_else(|| seq.clone());
        let event_id = raw.get("eventID").and_then(Value::as_str);
        let aside = |reason: String| Content::Unreadable(SetAside::new(event_id, &reason, raw.to_string()));
        Record { seq: seq.clone(), at, content: content.unwrap_or_else(aside) }
    });
    Ok(records.collect())
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

fn read(raw: &Value) -> Result<Content, String> {
    let raw = Raw::deserialize(raw).map_err(|_| "not a record of a stream with both images".to_owned())?;
    content(raw.dynamodb.old_image, raw.dynamodb.new_image)
}

/// What happened when an item of `members` became another; why it cannot be told, when it cannot.
pub fn content(old: Option<serde_dynamo::Item>, new: Option<serde_dynamo::Item>) -> Result<Content, String> {
    let (old, new) = (old.map(Item::from), new.map(Item::from));
    let image = new.as_ref().or(old.as_ref()).ok_or("no image")?;
    let key = |name: &str| image.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    if key("sk") == keys::PROFILE {
        return Ok(Content::Nothing);
    }
    if !key("sk").starts_with(keys::COUPONS) {
        return Err("an unknown kind of item".to_owned());
    }
    let coupon = |item: &Item| -> Result<Coupon, String> {
        items::coupon::from_item(item).map_err(|error: StoreError| error.to_string())
    };
    let after = coupon(new.as_ref().ok_or("a coupon was deleted")?)?;
    let before = old.as_ref().map(coupon).transpose()?;
    let events = events_between(before.as_ref(), &after).map_err(|error| error.to_string())?;
    let campaign = after.key.campaign;
    Ok(if events.is_empty() { Content::Nothing } else { Content::Coupon(campaign, after.lease_id, events) })
}
