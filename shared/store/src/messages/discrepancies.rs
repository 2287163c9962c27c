//! Reports that broke a rule, and what an operator decided about them.

use crate::{
    Messages,
    ledger::entries,
    messages::keys,
    table::{
        attributes::{Item, Reader, binary, instant, item, number, text},
        calls::Write,
        clauses::{EXISTS, IS_NEW, all},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{Fen, MerchantId, StoreId, Timestamp, journal::Entry};

/// Nobody has decided about the discrepancy. Of two decisions at once one stands.
const IS_UNDECIDED: &str = "attribute_not_exists(decided_at)";

/// A well-signed report that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The `webhook-id` of the report. With the merchant, it names the discrepancy.
    pub webhook_id: String,
    /// The type of the report.
    pub event_type: String,
    /// The rule that it broke: the error code of the same refusal by API, where there is one.
    pub reason: String,
    /// The coupon's public id, when it is known.
    pub coupon_id: Option<String>,
    /// The merchant's order, when it is known.
    pub order_no: Option<String>,
    /// The store that it names, when it is one of the merchant's.
    pub store_id: Option<StoreId>,
    /// The order's amount in fen, when it is one.
    pub amount: Option<Fen>,
    /// When the merchant says that it happened.
    pub redeemed_at: Option<Timestamp>,
    /// When the report arrived.
    pub received_at: Timestamp,
    /// When the missing redemption or reversal came after all, if it did.
    pub settled_at: Option<Timestamp>,
    /// What an operator decided, if one did.
    pub decision: Option<Decision>,
}

/// What an operator decided about a discrepancy. It stands: nobody can decide otherwise later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the merchant gets its money.
    pub accepted: bool,
    /// The operator who decided, as the token's subject.
    pub by: String,
    /// When it was decided.
    pub at: Timestamp,
    /// What it posts, worked out when it was decided. `None` for a rejection.
    pub adjustment: Option<Box<Entry>>,
    /// Whether the adjustment is in the journal.
    pub is_posted: bool,
}

impl Decision {
    /// The merchant gets its money, by this adjustment. `None` when it was worked out before: the
    /// standing decision has it.
    pub fn accept(by: &str, at: Timestamp, adjustment: Option<Entry>) -> Self {
        let adjustment = adjustment.map(Box::new);
        Decision { accepted: true, by: by.to_owned(), at, adjustment, is_posted: false }
    }

    /// The merchant does not get its money.
    pub fn reject(by: &str, at: Timestamp) -> Self {
        Decision { accepted: false, by: by.to_owned(), at, adjustment: None, is_posted: false }
    }
}

/// What deciding came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// This decision stands, by this call, or because the same was decided before. It carries the standing adjustment.
    Stands(Decision),
    /// The opposite was decided before.
    Otherwise,
    /// There is no such discrepancy.
    NotFound,
}

impl Messages {
    /// Records a report that broke a rule, once. The same report again is the same discrepancy, and
    /// the first reason stands.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
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
        let call = self.table.put_item();
        let item = keys::discrepancy(merchant, &found.webhook_id).with(attributes);
        self.table.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await.map(drop)
    }

    /// At most `limit` of a merchant's discrepancies after `after`, in the order of their webhook ids, and where the
    /// next page begins. Eventually consistent.
    ///
    /// Cost: 1 Query, ½ R for each 4 KB.
    pub async fn list_discrepancies(
        &self,
        merchant: &MerchantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Discrepancy>, Option<String>), StoreError> {
        let from = after.map(|webhook_id| keys::discrepancy(merchant, webhook_id).attributes());
        let call = self.table.query_partition(keys::discrepancy_partition(merchant));
        let call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX)).set_exclusive_start_key(from);
        let page = self.table.query(call).await?;
        let found: Vec<Discrepancy> = page.items.iter().map(read_discrepancy).collect::<Result<_, _>>()?;
        let next = page.next.and_then(|_| found.last().map(|last| last.webhook_id.clone()));
        Ok((found, next))
    }

    /// One discrepancy as it stands; `None` when there is none. Strongly consistent.
    ///
    /// Cost: 1 GetItem, 1 R.
    pub async fn read_discrepancy(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
    ) -> Result<Option<Discrepancy>, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let found = self.table.get(call.set_key(Some(keys::discrepancy(merchant, webhook_id).attributes()))).await?;
        found.as_ref().map(read_discrepancy).transpose()
    }

    /// Notes that what was missing came after all. It changes nothing when there is no discrepancy, or when that is
    /// noted. Safe to repeat; the first instant stands. A decision is not changed.
    ///
    /// Cost: 1 GetItem, 1 R; and 1 UpdateItem, 1 W, when there is one to settle.
    pub async fn settle_discrepancy(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        match self.read_discrepancy(merchant, webhook_id).await? {
            Some(found) if found.settled_at.is_none() => {
                self.note_once(merchant, webhook_id, "SET settled_at = if_not_exists(settled_at, :at)", at).await
            }
            _ => Ok(()),
        }
    }

    /// Notes that the adjustment of an accepted discrepancy is in the journal. Safe to repeat;
    /// the first instant stands.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn note_discrepancy_posted(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.note_once(merchant, webhook_id, "SET posted_at = if_not_exists(posted_at, :at)", at).await
    }

    /// Notes an instant of a discrepancy that is there, once. It creates none.
    async fn note_once(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        update: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::discrepancy(merchant, webhook_id).attributes()))
            .condition_expression(EXISTS)
            .update_expression(update)
            .expression_attribute_values(":at", instant(at));
        self.table.update(call).await.map(drop)
    }

    /// Decides about a discrepancy, once and for good. Of two operators at once one decides; the other gets `Stands`
    /// when both decided the same, and `Otherwise` when not. Safe to repeat.
    ///
    /// Cost: 1 UpdateItem, 1 W, also when refused.
    ///
    /// Errors: `Corrupt` also when the adjustment cannot be packed; nothing was written then.
    pub async fn decide_discrepancy(
        &self,
        merchant: &MerchantId,
        webhook_id: &str,
        decision: &Decision,
    ) -> Result<Decided, StoreError> {
        let packed: Vec<Entry> = decision.adjustment.iter().map(|entry| (**entry).clone()).collect();
        let corrupt = StoreError::Corrupt { item: "discrepancy", attribute: "adjustment" };
        let adjustment = entries::pack(&packed).ok_or(corrupt)?;
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::discrepancy(merchant, webhook_id).attributes()))
            .condition_expression(all(&[EXISTS, IS_UNDECIDED]))
            .update_expression("SET accepted = :accepted, decided_by = :by, decided_at = :at, adjustment = :adjustment")
            .expression_attribute_values(":adjustment", binary(&adjustment))
            .expression_attribute_values(":accepted", AttributeValue::Bool(decision.accepted))
            .expression_attribute_values(":by", text(&decision.by))
            .expression_attribute_values(":at", instant(decision.at));
        let standing = match self.table.update(call).await? {
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
