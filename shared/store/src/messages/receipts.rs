//! Reports received. Each is recorded before its effect, under its webhook id. The item is its receipt.

use crate::{
    Messages,
    messages::keys,
    table::{
        attributes::{Item, Reader, binary, instant, item, text},
        calls::Write,
        clauses::{EXISTS, IS_NEW},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{MerchantId, Timestamp};

/// How long webhook ids are remembered. Standard Webhooks' own schedule of retries spans 75
/// hours; seven days outlive it.
pub const RECEIPT_SECONDS: i64 = 7 * 86_400;

/// A report as it arrived.
pub struct Receipt<'a> {
    /// The merchant whose secret signed it.
    pub merchant: &'a MerchantId,
    /// The `webhook-id` that the merchant's system gave it: 1 to 64 bytes. A retry has the same.
    pub webhook_id: &'a str,
    /// The type that it states, known to us or not.
    pub event_type: &'a str,
    /// SHA-256 of the body. A retry has the same; another report under the same id has not.
    pub body_sha256: [u8; 32],
    /// The body. The caller seals it, because it may hold a code.
    pub body_sealed: Vec<u8>,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// What recording a report came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Its effect is still due. The report is new, or an earlier delivery was cut off, or is under way.
    EffectIsDue {
        /// When it arrived first.
        received_at: Timestamp,
    },
    /// Its effect is durable.
    DoneBefore {
        /// When it arrived first.
        received_at: Timestamp,
    },
    /// The id was used for another body. Nothing was recorded.
    IdReused,
}

impl Messages {
    /// Records a report before its effect. So the same id with another body is noticed, whatever happens later.
    ///
    /// The first body under an id stands. Two deliveries at once may both be `EffectIsDue`; the effect must be safe
    /// beside itself. Ids are remembered for seven days.
    ///
    /// Cost: 1 PutItem, 1 W for each KB of the sealed body, also when refused.
    pub async fn receive(&self, receipt: &Receipt<'_>) -> Result<Received, StoreError> {
        let attributes: Item = item([
            ("event_type", Some(text(receipt.event_type))),
            ("body_sha256", Some(binary(&receipt.body_sha256))),
            ("body_sealed", Some(binary(&receipt.body_sealed))),
            ("received_at", Some(instant(receipt.received_at))),
            ("done", Some(AttributeValue::Bool(false))),
            ("expires_at", Some(instant(receipt.received_at.plus_seconds(RECEIPT_SECONDS)))),
        ]);
        let call = self.table.put_item();
        let item = keys::receipt(receipt.merchant, receipt.webhook_id).with(attributes);
        match self.table.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await? {
            Write::Done(_) | Write::Refused(None) => Ok(Received::EffectIsDue { received_at: receipt.received_at }),
            Write::Refused(Some(earlier)) => {
                let read = Reader::new(&earlier, "receipt");
                if read.array::<32>("body_sha256")? != receipt.body_sha256 {
                    return Ok(Received::IdReused);
                }
                let received_at = read.instant("received_at")?;
                Ok(if read.flag("done")? {
                    Received::DoneBefore { received_at }
                } else {
                    Received::EffectIsDue { received_at }
                })
            }
        }
    }

    /// Marks a report's effect as durable. Call it after the effect. Safe to repeat.
    ///
    /// Cost: 1 UpdateItem, 1 W for each KB of the receipt.
    pub async fn finish_receipt(&self, merchant: &MerchantId, webhook_id: &str) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::receipt(merchant, webhook_id).attributes()))
            .condition_expression(EXISTS)
            .update_expression("SET done = :yes")
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        self.table.update(call).await.map(drop)
    }
}
