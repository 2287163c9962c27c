//! What a merchant is owed when an operator accepts a report that broke a rule (差异).
//!
//! An accepted report does not change its coupon: the coupon's rules stand. It posts what the merchant would
//! have been owed by the coupon's settlement terms, less what was posted for the same order before. **Both
//! together are what the report says, and nothing is paid that could still be redeemed.**

use crate::{
    coupon::{Coupon, CouponStatus},
    ids::{MerchantId, StoreId},
    journal::{Entry, EntryKind, EventId},
    money::Fen,
    settlement::SettlementTerms,
    terms::{Terms, sha256},
    text::OrderNo,
    timestamp::Timestamp,
};

/// The reason of a report that names a coupon by its id and does not prove that its code was presented.
pub const CODE_REQUIRED: &str = "code_required";

/// What a discrepancy's report says, as far as it makes sense. What it leaves out is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The merchant who sent it, by its signature.
    pub merchant: MerchantId,
    /// The code of the rule that the report broke.
    pub reason: String,
    /// The merchant's number of the order.
    pub order_no: Option<OrderNo>,
    /// The store, one of the merchant's.
    pub store: Option<StoreId>,
    /// The order's amount before the discount, in fen.
    pub amount: Option<Fen>,
}

/// The terms that a coupon was claimed under.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedUnder<'a> {
    /// What the member was shown: it gives the discount.
    pub terms: &'a Terms,
    /// Who pays, and who is paid: it gives the postings.
    pub settlement: &'a SettlementTerms,
}

/// What accepting a report comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// This entry is posted.
    Entry(Box<Entry>),
    /// Nothing is posted, and the report cannot be accepted, for this reason.
    Nothing(WhyNothing),
}

/// Why nothing is owed for a report, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNothing {
    /// The report did not show that the code was presented.
    ///
    /// It says too little for anybody to pay by: the merchant was sent the coupon's id.
    CodeNotShown,
    /// The report does not say which coupon, order, store or amount.
    Incomplete,
    /// The redemption of the order was undone.
    Undone,
    /// The coupon can still be redeemed for the order. Then both would be paid.
    StillRedeemable,
    /// What was posted for the order is as much, or more.
    PaidMore,
}

impl Reported {
    /// What is owed at `now` for the order on `coupon`, which the report names.
    ///
    /// `coupon` and `claimed_under` are `None` when the report names no coupon that is there. It is pure: the
    /// caller loads both and posts the entry.
    pub fn owed(&self, coupon: Option<&Coupon>, claimed_under: Option<ClaimedUnder<'_>>, now: Timestamp) -> Owed {
        match self.entry(coupon, claimed_under, now) {
            Ok(entry) => Owed::Entry(Box::new(entry)),
            Err(why) => Owed::Nothing(why),
        }
    }

    /// The adjustment to post, or why there is none.
    fn entry(
        &self,
        coupon: Option<&Coupon>,
        claimed_under: Option<ClaimedUnder<'_>>,
        now: Timestamp,
    ) -> Result<Entry, WhyNothing> {
        if self.reason == CODE_REQUIRED {
            return Err(WhyNothing::CodeNotShown);
        }
        let (Some(coupon), Some(ClaimedUnder { terms, settlement }), Some(order_no), Some(store), Some(amount)) =
            (coupon, claimed_under, &self.order_no, &self.store, self.amount)
        else {
            return Err(WhyNothing::Incomplete);
        };
        let paid = coupon.redemptions.iter().enumerate().rfind(|(_, spent)| spent.order_no == *order_no);
        if paid.is_some_and(|(_, spent)| spent.reversal.is_some()) {
            return Err(WhyNothing::Undone);
        }
        let usable = [CouponStatus::Pending, CouponStatus::Active, CouponStatus::Held];
        if paid.is_none() && usable.contains(&coupon.status(now)) {
            return Err(WhyNothing::StillRedeemable);
        }
        let (paid_amount, paid_discount) =
            paid.map_or((Fen::ZERO, Fen::ZERO), |(_, spent)| (spent.amount, spent.discount));
        let discount = terms.benefit.discount(amount);
        let attribution = coupon.attribution();
        let mut postings = settlement.postings(discount, attribution);
        if paid.is_some() {
            postings.post(&settlement.postings(paid_discount, attribution).reversed());
        }
        let index = paid.map_or(coupon.redemptions.len(), |(index, _)| index);
        Ok(Entry {
            event: EventId {
                coupon: coupon.key,
                index: u8::try_from(index).unwrap_or(u8::MAX),
                kind: EntryKind::Adjustment,
            },
            at: now,
            merchant: self.merchant.clone(),
            store: store.clone(),
            order_no: order_no.clone(),
            amount: less(amount, paid_amount)?,
            discount: less(discount, paid_discount)?,
            channel: coupon.channel.clone(),
            share: coupon.share.clone(),
            settlement_version: coupon.settlement_version,
            postings,
        })
    }
}

/// The name of an order's adjustment in the journal: 64 hexadecimal digits.
///
/// It follows from the coupon's key and the order's number, so no order is adjusted twice.
pub fn adjustment_name(entry: &Entry) -> String {
    let key = entry.event.coupon;
    let text = format!("{}/{}/{}/{}", key.member.get(), key.campaign, key.ordinal.get(), entry.order_no);
    sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What of an amount was not posted before; an error when more was.
fn less(all: Fen, paid: Fen) -> Result<Fen, WhyNothing> {
    let left = all.get().checked_sub(paid.get()).and_then(|left| Fen::try_from(left).ok());
    left.ok_or(WhyNothing::PaidMore)
}

#[cfg(test)]
mod tests;
