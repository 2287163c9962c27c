//! The members' stream: what a record says. A record that cannot be read is set aside. It is never guessed
//! at, and holds up no other.

use crate::{
    members::item,
    members::keys,
    table::{attributes::Item, error::StoreError},
};
use mealticket_domain::{
    Coupon, CouponKey, Timestamp,
    journal::{Change, Content, SequenceNumber},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// A record as Lambda hands it over. Fields that we do not read are left out.
#[derive(Deserialize)]
pub(crate) struct Raw {
    pub(crate) dynamodb: Images,
}

/// The item before and after the change; one of them is absent when the item was put or deleted.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Images {
    #[serde(default)]
    pub(crate) old_image: Option<serde_dynamo::Item>,
    #[serde(default)]
    pub(crate) new_image: Option<serde_dynamo::Item>,
}

/// The record's sequence number, if it has a sound one.
pub(crate) fn sequence_number(raw: &Value) -> Option<SequenceNumber> {
    raw.pointer("/dynamodb/SequenceNumber")?.as_str()?.parse().ok()
}

/// When the record was written, to the second. DynamoDB gives it in some regions as a number with a fraction.
pub(crate) fn time(raw: &Value) -> Option<Timestamp> {
    let seconds = raw.pointer("/dynamodb/ApproximateCreationDateTime")?;
    let seconds = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_unix_seconds(seconds)
}

/// A coupon before a change, if it was there, and after it.
pub type Became = (Option<Coupon>, Coupon);

/// The coupon that a record is about, before and after, and when the record was written.
///
/// `None` when the record is about something else, or cannot be read. An unreadable record is set aside in the journal,
/// and its messages are queued when it is posted from there. It asks nothing.
pub fn coupon_of(record: &Value) -> Option<(Became, Timestamp)> {
    let images = Raw::deserialize(record).ok()?.dynamodb;
    let became = became(images.old_image.map(Item::from), images.new_image.map(Item::from)).ok()??;
    let at = time(record).unwrap_or(became.1.claimed_at);
    Some((became, at))
}

/// What happened when an item of `members` became another, or why that cannot be read.
///
/// A profile, and a change without an event, are `Content::Nothing`. The error is a reason for the log
/// and the journal, in words.
pub fn content(old: Option<serde_dynamo::Item>, new: Option<serde_dynamo::Item>) -> Result<Content, String> {
    let Some((before, after)) = became(old.map(Item::from), new.map(Item::from))? else { return Ok(Content::Nothing) };
    let change = Change::between(before.as_ref(), after).map_err(|error| error.to_string())?;
    Ok(if change.is_empty() { Content::Nothing } else { Content::Coupon(Box::new(change)) })
}

/// The coupon that an item was and is; `None` when it is a member's profile. A deleted coupon is an error:
/// nothing deletes coupons.
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
        item::from_item(item).map_err(|error: StoreError| error.to_string())
    };
    let after = coupon(new.as_ref().ok_or("a coupon was deleted")?)?;
    let before = old.as_ref().map(coupon).transpose()?;
    Ok(Some((before, after)))
}

/// The coupons that these records redeemed, each once. Records that cannot be read are skipped.
pub fn redeemed_in(records: &[Value]) -> BTreeSet<CouponKey> {
    let redeemed = records.iter().filter_map(|record| {
        let ((before, after), _) = coupon_of(record)?;
        let known = before.map_or(0, |before| before.redemptions.len());
        (after.redemptions.len() > known).then_some(after.key)
    });
    redeemed.collect()
}
