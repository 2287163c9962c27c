//! Entries: the money that one redemption or reversal moves.

use super::CouponEvent;
use crate::{
    coupon::{Coupon, CouponKey},
    ids::{MerchantId, StoreId},
    money::Fen,
    settlement::{Postings, SettlementTerms},
    text::{Channel, OrderNo, ShareCode},
    timestamp::Timestamp,
};

/// What an entry is of. It is in the journal once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The coupon.
    pub coupon: CouponKey,
    /// Which of its redemptions, from 0.
    pub index: u8,
    /// Whether it is that redemption's reversal.
    pub is_reversal: bool,
}

/// One redemption or reversal in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is of.
    pub event: EventId,
    /// When that was, by the merchant's report when it came late.
    pub at: Timestamp,
    /// Who redeemed.
    pub merchant: MerchantId,
    /// Where.
    pub store: StoreId,
    /// On which order.
    pub order_no: OrderNo,
    /// The order's amount.
    pub amount: Fen,
    /// What was taken off.
    pub discount: Fen,
    /// Through which channel the coupon was claimed.
    pub channel: Option<Channel>,
    /// By whose link the coupon was claimed: whom a commission is owed to.
    pub share_code: Option<ShareCode>,
    /// The settlement terms that it is posted by.
    pub settlement_version: u32,
    /// What it moves.
    pub postings: Postings,
}

impl Entry {
    /// The entry of an event of a coupon; none for a claim, which moves no money.
    pub fn of(coupon: &Coupon, event: CouponEvent, merchant: &MerchantId, terms: &SettlementTerms) -> Option<Self> {
        let (index, is_reversal) = match event {
            CouponEvent::Claimed => return None,
            CouponEvent::Redeemed(index) => (index, false),
            CouponEvent::Reversed(index) => (index, true),
        };
        let redemption = coupon.redemptions.get(index)?;
        let postings = terms.postings(redemption.discount, coupon.share_code.is_some());
        let (at, postings) = match redemption.reversal.as_ref().filter(|_| is_reversal) {
            Some(reversal) => (reversal.at, postings.reversed()),
            None => (redemption.at, postings),
        };
        Some(Entry {
            event: EventId { coupon: coupon.key, index: u8::try_from(index).ok()?, is_reversal },
            at,
            merchant: merchant.clone(),
            store: redemption.store_id.clone(),
            order_no: redemption.order_no.clone(),
            amount: redemption.amount,
            discount: redemption.discount,
            channel: coupon.channel.clone(),
            share_code: coupon.share_code.clone(),
            settlement_version: coupon.settlement_version,
            postings,
        })
    }

    /// Bytes that it takes in a page, at the most: its numbers, its texts, and for each posting an amount and a name.
    pub(super) fn bytes(&self) -> usize {
        let channel = self.channel.as_ref().map_or(0, |channel| channel.as_str().len());
        let channel = channel + self.share_code.as_ref().map_or(0, |code| code.as_str().len());
        let texts = self.store.as_str().len() + self.order_no.as_str().len() + channel;
        let postings: usize = self.postings.amounts().map(|(account, _)| 12 + account.to_string().len()).sum();
        64 + texts + postings
    }
}
