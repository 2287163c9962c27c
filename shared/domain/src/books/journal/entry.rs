//! Entries (分录): the money that one redemption, reversal or adjustment moves, in double entry.

use super::CouponEvent;
use crate::{
    coupon::{Coupon, CouponKey},
    ids::{MerchantId, StoreId},
    money::Fen,
    settlement::{Postings, SettlementTerms},
    share::Share,
    text::{Channel, OrderNo},
    timestamp::Timestamp,
};

/// What an entry is about. The journal has one entry of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The key of the coupon.
    pub coupon: CouponKey,
    /// Which of the coupon's redemptions, from 0.
    ///
    /// An adjustment has that of the order's redemption, or the number after the last when the order has
    /// none.
    pub index: u8,
    /// Whether it is that redemption, its reversal, or an adjustment.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A redemption: the merchant is owed.
    Redemption,
    /// The undoing of one: the same money, back.
    Reversal,
    /// A discrepancy that was accepted: money without a redemption, on the operator's word.
    Adjustment,
}

impl EntryKind {
    /// The number in a page. It is stored, so it never changes.
    pub const fn number(self) -> u8 {
        match self {
            EntryKind::Redemption => 0,
            EntryKind::Reversal => 1,
            EntryKind::Adjustment => 2,
        }
    }

    /// The kind of a number in a page; `None` for a number that no release has written.
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(EntryKind::Redemption),
            1 => Some(EntryKind::Reversal),
            2 => Some(EntryKind::Adjustment),
            _ => None,
        }
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntryKind::Redemption => "redemption",
            EntryKind::Reversal => "reversal",
            EntryKind::Adjustment => "adjustment",
        }
    }
}

/// One redemption, reversal or adjustment in the books. It is never changed: another entry undoes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is about. Two entries of one event are a fault of the books.
    pub event: EventId,
    /// When that was: by the merchant's clock for a redemption that it reported, by ours otherwise.
    pub at: Timestamp,
    /// The merchant of the campaign, who redeemed.
    pub merchant: MerchantId,
    /// The store that redeemed.
    pub store: StoreId,
    /// The merchant's number of the order.
    pub order_no: OrderNo,
    /// The order's amount before the discount, in fen.
    pub amount: Fen,
    /// What was taken off, in fen.
    pub discount: Fen,
    /// Through which channel the coupon was claimed.
    pub channel: Option<Channel>,
    /// By whose link the coupon was claimed.
    pub share: Option<Share>,
    /// The version of the settlement terms that it is posted by.
    pub settlement_version: u32,
    /// The money that it moves, by account. It is even.
    pub postings: Postings,
}

impl Entry {
    /// The entry of an event of a coupon, under the settlement terms that the coupon names.
    ///
    /// `None` for a claim, which moves no money, and for a redemption that the coupon does not have.
    pub fn of(coupon: &Coupon, event: CouponEvent, merchant: &MerchantId, terms: &SettlementTerms) -> Option<Self> {
        let (index, kind) = match event {
            CouponEvent::Claimed => return None,
            CouponEvent::Redeemed(index) => (index, EntryKind::Redemption),
            CouponEvent::Reversed(index) => (index, EntryKind::Reversal),
        };
        let redemption = coupon.redemptions.get(index)?;
        let postings = terms.postings(redemption.discount, coupon.attribution());
        let (at, postings) = match redemption.reversal.as_ref().filter(|_| kind == EntryKind::Reversal) {
            Some(reversal) => (reversal.at, postings.reversed()),
            None => (redemption.at, postings),
        };
        Some(Entry {
            event: EventId { coupon: coupon.key, index: u8::try_from(index).ok()?, kind },
            at,
            merchant: merchant.clone(),
            store: redemption.store_id.clone(),
            order_no: redemption.order_no.clone(),
            amount: redemption.amount,
            discount: redemption.discount,
            channel: coupon.channel.clone(),
            share: coupon.share.clone(),
            settlement_version: coupon.settlement_version,
            postings,
        })
    }

    /// Bytes that it takes in a page, at the most: its numbers, its texts, and for each posting an amount and a name.
    pub(super) fn bytes(&self) -> usize {
        let channel = self.channel.as_ref().map_or(0, |channel| channel.as_str().len());
        let channel = channel + self.share.as_ref().map_or(0, |share| share.as_str().len());
        let texts = self.store.as_str().len() + self.order_no.as_str().len() + channel;
        let postings: usize = self.postings.amounts().map(|(account, _)| 12 + account.to_string().len()).sum();
        64 + texts + postings
    }
}
