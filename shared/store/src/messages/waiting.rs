//! Reversals that were reported before their redemption arrived.
//!
//! The handler of the report writes down that the reversal waits, and then reads the coupon again. The reader
//! of the stream, when it sees a redemption, reads what waits. Whichever writes first is seen by the other, so
//! no reversal is overlooked.

use crate::{
    Messages, members,
    messages::keys,
    table::{
        attributes::{Item, Reader, instant, item, number, text},
        error::StoreError,
    },
};
use mealticket_domain::{CouponKey, MerchantId, Reason, Timestamp, report::Undone};

/// How long a reversal waits. A redemption may be reported 72 hours late, and the stream may be a day behind;
/// seven days outlive both.
const WAITING_SECONDS: i64 = 7 * 86_400;

/// A reversal whose redemption is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The merchant that reported it.
    pub merchant: MerchantId,
    /// The `webhook-id` of the report. The discrepancy has the same.
    pub webhook_id: String,
    /// The coupon.
    pub key: CouponKey,
    /// Which of its redemptions: by order, or by index.
    pub undone: Undone,
    /// The merchant's reason.
    pub reason: Reason,
    /// When the report arrived.
    pub received_at: Timestamp,
}

impl Messages {
    /// Writes down that a reversal waits. The same report again writes the same.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn put_waiting(&self, waiting: &Waiting) -> Result<(), StoreError> {
        let coupon = members::keys::coupon(waiting.key);
        let (order_no, index) = match &waiting.undone {
            Undone::Order(order_no) => (Some(text(order_no.as_str())), None),
            Undone::Index(index) => (None, Some(number(index))),
        };
        let attributes = item([
            ("coupon_pk", Some(text(coupon.pk))),
            ("coupon_sk", Some(text(coupon.sk))),
            ("order_no", order_no),
            ("redemption", index),
            ("reason", Some(text(waiting.reason.as_str()))),
            ("received_at", Some(instant(waiting.received_at))),
            ("expires_at", Some(instant(waiting.received_at.plus_seconds(WAITING_SECONDS)))),
        ]);
        let call = self.table.put_item();
        let item = keys::waiting(waiting.key, &waiting.merchant, &waiting.webhook_id).with(attributes);
        self.table.put(call.set_item(Some(item))).await.map(drop)
    }

    /// What waits for a coupon's redemptions. Strongly consistent. Entries that cannot be read are
    /// logged as errors and skipped.
    ///
    /// Cost: 1 Query, 1 R.
    pub async fn list_waiting(&self, key: CouponKey) -> Result<Vec<Waiting>, StoreError> {
        let call = self.table.query_partition(keys::waiting_partition(key)).consistent_read(true);
        let items = self.table.query_all(call).await?;
        let log = |error: &StoreError| tracing::error!(%error, "a waiting reversal cannot be read");
        Ok(items.iter().filter_map(|item| read_waiting(item).inspect_err(log).ok()).collect())
    }

    /// Removes a reversal that waits no longer. Safe to repeat.
    ///
    /// Cost: 1 DeleteItem, 1 W.
    pub async fn end_waiting(&self, waiting: &Waiting) -> Result<(), StoreError> {
        let call = self.table.delete_item();
        let key = keys::waiting(waiting.key, &waiting.merchant, &waiting.webhook_id).attributes();
        self.table.delete(call.set_key(Some(key))).await
    }
}

fn read_waiting(item: &Item) -> Result<Waiting, StoreError> {
    let read = Reader::new(item, "waiting reversal");
    let (merchant, webhook_id) = read.str("sk")?.split_once('#').ok_or_else(|| read.corrupt("sk"))?;
    let key = members::keys::read_coupon(read.str("coupon_pk")?, read.str("coupon_sk")?);
    let order_no = read.optional("order_no", Reader::parsed)?;
    Ok(Waiting {
        merchant: merchant.parse().map_err(|_| read.corrupt("sk"))?,
        webhook_id: webhook_id.to_owned(),
        key: key.ok_or_else(|| read.corrupt("coupon_sk"))?,
        undone: match order_no {
            Some(order_no) => Undone::Order(order_no),
            None => Undone::Index(read.number("redemption")?),
        },
        reason: Reason::from_table(read.str("reason")?),
        received_at: read.instant("received_at")?,
    })
}
