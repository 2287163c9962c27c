//! Webhooks received, and what did not add up.

use crate::{
    Store,
    attributes::{Item, Reader, binary, instant, item, number, text},
    calls::Write,
    clauses::{EXISTS, IS_NEW, all},
    error::StoreError,
    keys,
    ledger::entries,
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{Fen, MerchantId, StoreId, Timestamp, journal::Entry};

/// Webhook ids are remembered this long: Standard Webhooks' own schedule of retries spans 75 hours; seven days outlive it.
pub const RECEIPT_SECONDS: i64 = 7 * 86_400;

/// Nobody has decided about the discrepancy.
const IS_UNDECIDED: &str = "attribute_not_exists(decided_at)";

/// A webhook as it arrived.
pub struct Receipt<'a> {
    /// Who sent it.
    pub merchant: &'a MerchantId,
    /// Its id.
    pub webhook_id: &'a str,
    /// What it reports.
    pub event_type: &'a str,
    /// SHA-256 of the body.
    pub body_sha256: [u8; 32],
    /// The body, sealed by the caller: it may hold a code.
    pub body_sealed: Vec<u8>,
    /// When.
    pub received_at: Timestamp,
}

/// What recording a webhook came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Its effect is still due: it is new, or an earlier delivery was cut off, or is under way.
    EffectIsDue {
        /// When it arrived first.
        received_at: Timestamp,
    },
    /// Its effect is durable.
    DoneBefore {
        /// When it arrived first.
        received_at: Timestamp,
    },
    /// The id was used for another body.
    IdReused,
}

/// Why a report is a discrepancy that names a coupon by its id and does not prove that its code was presented.
pub const CODE_REQUIRED: &str = "code_required";

/// A well-signed report that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The webhook.
    pub webhook_id: String,
    /// What it reported.
    pub event_type: String,
    /// The rule, as the error code of the same refusal by API.
    pub reason: String,
    /// The coupon, when it is known.
    pub coupon_id: Option<String>,
    /// The merchant's order, when it is known.
    pub order_no: Option<String>,
    /// Where it was, when it is a store of the merchant's.
    pub store_id: Option<StoreId>,
    /// The order's amount, when it makes sense.
    pub amount: Option<Fen>,
    /// When the merchant says it happened.
    pub redeemed_at: Option<Timestamp>,
    /// When the report arrived.
    pub received_at: Timestamp,
    /// When what was missing came after all, if it did.
    pub settled_at: Option<Timestamp>,
    /// What an operator decided, if one did.
    pub decision: Option<Decision>,
}

/// What an operator decided about a discrepancy. It stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the merchant gets its money.
    pub accepted: bool,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What it posts, worked out when it was decided.
    pub adjustment: Option<Box<Entry>>,
    /// Whether that is in the journal.
    pub is_posted: bool,
}

/// What deciding came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// So it stands: now, or since the same was decided before.
    Stands(Decision),
    /// The other was decided before.
    Otherwise,
    /// There is no such discrepancy.
    NotFound,
}

impl Store {
    /// Records a webhook before its effect, so that the same id with another body is noticed whatever happens.
    pub async fn receive(&self, receipt: &Receipt<'_>) -> Result<Received, StoreError> {
        let attributes: Item = item([
            ("event_type", Some(text(receipt.event_type))),
            ("body_sha256", Some(binary(&receipt.body_sha256))),
            ("body_sealed", Some(binary(&receipt.body_sealed))),
            ("received_at", Some(instant(receipt.received_at))),
            ("done", Some(AttributeValue::Bool(false))),
            ("expires_at", Some(instant(receipt.received_at.plus_seconds(RECEIPT_SECONDS)))),
        ]);
        let call = self.client.put_item().table_name(&self.tables.messages);
        let item = keys::receipt(receipt.merchant, receipt.webhook_id).with(attributes);
        match self.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await? {
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

    /// Marks a webhook's effect as durable.
    pub async fn finish_receipt(&self, merchant: &MerchantId, webhook_id: &str) -> Result<(), StoreError> {
        let call = self.client.update_item().table_name(&self.tables.messages);
        let call = call
            .set_key(Some(keys::receipt(merchant, webhook_id).attributes()))
            .condition_expression(EXISTS)
            .update_expression("SET done = :yes")
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        self.update(call).await.map(drop)
    }

    /// Records what did not add up. The same webhook again is the same discrepancy.
    pub async fn put_discrepancy(&self, merchant: &MerchantId, found: &Discrepancy) -> Result<(), StoreError> {
        let attributes: Item = item([
            ("event_type", Some(text(&found.event_type))),
            ("reason", Some(text(&found.reason))),
            ("coupon_id", found.coupon_id.as_ref().map(text)),
            ("order_no", found.order_no.as_ref().map(text)),
            ("redeemed_at", found.redeemed_at.map(instant)),
            ("received_at", Some(instant(found.received_at))),
            ("settled_at", found.settled_at.map(instant)),
            ("store_id", found.store_id.as_ref().map(|store| text(store.as_str()))),
            ("amount", found.amount.map(|amount| number(amount.get()))),
        ]);
        let call = self.client.put_item().table_name(&self.tables.messages);
        let item = keys::discrepancy(merchant, &found.webhook_id).with(attributes);
        self.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await.map(drop)
    }

    /// A merchant's discrepancies after `after`, in the order of their webhooks' ids, and where the next page begins.
    pub async fn discrepancies(
        &self,
        merchant: &MerchantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Discrepancy>, Option<String>), StoreError> {
        let from = after.map(|webhook_id| keys::discrepancy(merchant, webhook_id).attributes());
        let call = self.query_partition(&self.tables.messages, keys::discrepancy_partition(merchant));
        let call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX)).set_exclusive_start_key(from);
        let page = self.query(call).await?;
        let found: Vec<Discrepancy> = page.items.iter().map(read_discrepancy).collect::<Result<_, _>>()?;
        let next = page.next.and_then(|_| found.last().map(|last| last.webhook_id.clone()));
        Ok((found, next))
    }

    /// One discrepancy.
    pub async fn discrepancy(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
    ) -> Result<Option<Discrepancy>, StoreError> {
        let call = self.client.get_item().table_name(&self.tables.messages).consistent_read(true);
        let found = self.get(call.set_key(Some(keys::discrepancy(merchant, webhook_id).attributes()))).await?;
        found.as_ref().map(read_discrepancy).transpose()
    }

    /// Notes that what was missing came after all, if anything was: one read, and a write when there is something to note.
    pub async fn settle_discrepancy(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        match self.discrepancy(merchant, webhook_id).await? {
            Some(found) if found.settled_at.is_none() => {
                self.note_once(merchant, webhook_id, "SET settled_at = if_not_exists(settled_at, :at)", at).await
            }
            _ => Ok(()),
        }
    }

    /// Notes that an accepted discrepancy is in the journal.
    pub async fn discrepancy_is_posted(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.note_once(merchant, webhook_id, "SET posted_at = if_not_exists(posted_at, :at)", at).await
    }

    /// Notes something of a discrepancy that is there; nothing of one that is not.
    async fn note_once(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        update: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let call = self.client.update_item().table_name(&self.tables.messages);
        let call = call
            .set_key(Some(keys::discrepancy(merchant, webhook_id).attributes()))
            .condition_expression(EXISTS)
            .update_expression(update)
            .expression_attribute_values(":at", instant(at));
        self.update(call).await.map(drop)
    }

    /// Decides about a discrepancy, once.
    pub async fn decide_discrepancy(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        decision: &Decision,
    ) -> Result<Decided, StoreError> {
        let packed: Vec<Entry> = decision.adjustment.iter().map(|entry| (**entry).clone()).collect();
        let corrupt = StoreError::Corrupt { item: "discrepancy", attribute: "adjustment" };
        let adjustment = entries::pack(&packed).ok_or(corrupt)?;
        let call = self.client.update_item().table_name(&self.tables.messages);
        let call = call
            .set_key(Some(keys::discrepancy(merchant, webhook_id).attributes()))
            .condition_expression(all(&[EXISTS, IS_UNDECIDED]))
            .update_expression("SET accepted = :accepted, decided_by = :by, decided_at = :at, adjustment = :adjustment")
            .expression_attribute_values(":adjustment", binary(&adjustment))
            .expression_attribute_values(":accepted", AttributeValue::Bool(decision.accepted))
            .expression_attribute_values(":by", text(&decision.by))
            .expression_attribute_values(":at", instant(decision.at));
        let standing = match self.update(call).await? {
            Write::Done(_) => return Ok(Decided::Stands(decision.clone())),
            Write::Refused(Some(item)) => read_discrepancy(&item)?.decision,
            Write::Refused(None) => None,
        };
        Ok(match standing {
            Some(standing) if standing.accepted == decision.accepted => Decided::Stands(standing),
            Some(_) => Decided::Otherwise,
            None => Decided::NotFound,
        })
    }
}

fn read_discrepancy(item: &Item) -> Result<Discrepancy, StoreError> {
    let read = Reader::new(item, "discrepancy");
    let (amount, decided_at) =
        (read.optional("amount", Reader::number::<u64>)?, read.optional("decided_at", Reader::instant)?);
    let owned = |attribute| read.optional(attribute, Reader::str).map(|value| value.map(str::to_owned));
    Ok(Discrepancy {
        webhook_id: read.str("sk")?.to_owned(),
        event_type: read.str("event_type")?.to_owned(),
        reason: read.str("reason")?.to_owned(),
        coupon_id: owned("coupon_id")?,
        order_no: owned("order_no")?,
        redeemed_at: read.optional("redeemed_at", Reader::instant)?,
        received_at: read.instant("received_at")?,
        store_id: read.optional("store_id", Reader::parsed)?,
        amount: amount.map(|fen| Fen::try_from(fen).map_err(|_| read.corrupt("amount"))).transpose()?,
        settled_at: read.optional("settled_at", Reader::instant)?,
        decision: decided_at
            .map(|at| {
                let (accepted, by) = (read.flag("accepted")?, read.str("decided_by")?.to_owned());
                let entries = entries::unpack(read.bytes("adjustment")?).ok_or_else(|| read.corrupt("adjustment"))?;
                let adjustment = entries.into_iter().next().map(Box::new);
                Ok::<_, StoreError>(Decision { accepted, by, at, adjustment, is_posted: read.has("posted_at") })
            })
            .transpose()?,
    })
}
