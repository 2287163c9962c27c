//! A coupon (券): one item, its facts, its states.
//!
//! A coupon is never deleted, and its facts are only added to. What a holder sees of it follows from the
//! facts and the time, so nothing has to run for a coupon to expire.

use crate::{
    idempotency::{Fingerprint, KeyHash},
    ids::{CampaignNo, MemberNo, Ordinal, StoreId},
    money::Fen,
    share::{Attribution, Share},
    stock::LeaseId,
    terms::TermsHash,
    text::{Cashier, Channel, OrderNo, Reason},
    timestamp::Timestamp,
};
use std::str::FromStr;

/// The key of a coupon: it finds the coupon's item, and it is all that the code says.
///
/// With it, one read reaches the coupon. `Ord` is by member, then campaign, then ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CouponKey {
    /// Whose it is. A coupon never changes hands.
    pub member: MemberNo,
    /// Which campaign gave it out.
    pub campaign: CampaignNo,
    /// Which of the member's coupons of that campaign.
    pub ordinal: Ordinal,
}

/// The facts of a coupon.
///
/// No code, no cipher key and no rendered answer is among them: those are made from the facts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coupon {
    /// Its key. The item holds it once, as its primary key.
    pub key: CouponKey,
    /// When it was claimed, by our clock.
    pub claimed_at: Timestamp,
    /// The hash of the idempotency key that claimed it. A repeated claim is recognised by it.
    pub claim_key: KeyHash,
    /// The fingerprint of that request's payload.
    pub claim_fingerprint: Fingerprint,
    /// Through which channel it was claimed, if the claim named one.
    pub channel: Option<Channel>,
    /// By whose link it was claimed, if there was a share code.
    pub share: Option<Share>,
    /// The lease of stock whose unit it is. The sweep counts coupons by it.
    pub lease_id: LeaseId,
    /// The version of the member-visible terms it was claimed under, from 1.
    pub terms_version: u32,
    /// The hash of those terms: proof of what the member was shown.
    pub terms_sha256: TermsHash,
    /// The version of the settlement terms that its redemptions are paid under, from 1.
    pub settlement_version: u32,
    /// The version of the cipher key that its code is made with.
    pub key_version: u16,
    /// First instant of use. It is never before the claim.
    pub valid_from: Timestamp,
    /// First instant at which it can no longer be used. A reversal may move it later, by the make-up of the
    /// terms.
    pub valid_until: Timestamp,
    /// Units of use it was issued with: 1, or the uses of a multi-use benefit.
    pub uses_total: u8,
    /// Units of use left. A redemption takes one, and a reversal gives one back.
    pub uses_left: u8,
    /// When it was taken back, if it was. It never becomes usable again.
    pub deactivated_at: Option<Timestamp>,
    /// The newest hold, lapsed or not.
    pub hold: Option<Hold>,
    /// Every redemption of its life in order, the reversed ones included: at most 32.
    pub redemptions: Vec<Redemption>,
}

/// A till's claim on a coupon for one order (R2).
///
/// A coupon keeps its newest hold, also when that no longer counts. So a request repeated with the same key
/// gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The hash of the order it is for. It names the hold: one order has one hold of a coupon.
    pub order: KeyHash,
    /// The hash of the idempotency key of the request that placed it.
    pub key: KeyHash,
    /// The fingerprint of that request's payload.
    pub fingerprint: Fingerprint,
    /// When the till presented the code for it.
    pub at: Timestamp,
    /// First instant at which it no longer counts, whatever happens. It is at most the coupon's own end.
    pub until: Timestamp,
    /// Whether it was confirmed or released.
    pub ended: bool,
}

/// Which hold of a coupon a hold's id names: the first 40 bits of its order's hash.
///
/// A coupon has few orders in its life. Two of them share a tag once in a million million pairs. The hash has
/// no key, so an id holds it enciphered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldTag(pub [u8; 5]);

impl HoldTag {
    /// The tag of an order's hold: the first five bytes of the order's hash.
    pub fn of(order: KeyHash) -> Self {
        let [a, b, c, d, e, ..] = order.0;
        HoldTag([a, b, c, d, e])
    }
}

/// One use (核销) of a coupon. Once written, only its reversal is added, or a till adopts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redemption {
    /// When it counts: by our clock for an API call, by the merchant's for a report.
    pub at: Timestamp,
    /// The hash that names the request: of the idempotency key for a till, of the order for a report.
    pub key: KeyHash,
    /// The fingerprint of that request's payload.
    pub fingerprint: Fingerprint,
    /// How it reached us first. A till that adopts it does not change this.
    pub source: RedemptionSource,
    /// In which of the merchant's stores.
    pub store_id: StoreId,
    /// The merchant's number of the order.
    pub order_no: OrderNo,
    /// The order's amount before the discount, in fen.
    pub amount: Fen,
    /// What was taken off, in fen: at most the amount.
    pub discount: Fen,
    /// Who stood at the till, if the request said so.
    pub cashier: Option<Cashier>,
    /// Its reversal, if it was undone. There is at most one.
    pub reversal: Option<Reversal>,
}

impl Redemption {
    /// Whether it is known from the merchant's report alone: no till has adopted it as its own.
    pub fn is_only_reported(&self) -> bool {
        self.source == RedemptionSource::Callback && self.key == KeyHash::of_order(&self.order_no)
    }
}

/// How a redemption reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedemptionSource {
    /// A till asked first (`POST /v1/redemptions`).
    Api,
    /// The merchant's system reported it afterwards.
    Callback,
}

impl RedemptionSource {
    /// The name in the table. A report's is `callback`, after the path that reports come in by.
    pub const fn as_str(self) -> &'static str {
        match self {
            RedemptionSource::Api => "api",
            RedemptionSource::Callback => "callback",
        }
    }
}

impl FromStr for RedemptionSource {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [RedemptionSource::Api, RedemptionSource::Callback]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or(crate::ids::IdError)
    }
}

/// The undoing (撤销) of one redemption. It is written once and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reversal {
    /// When, by our clock.
    pub at: Timestamp,
    /// The hash that names the request. One key undoes one redemption of the coupon.
    pub key: KeyHash,
    /// The fingerprint of that request's payload.
    pub fingerprint: Fingerprint,
    /// Why, in the words of whoever asked. Nothing is decided by it.
    pub reason: Reason,
    /// The coupon's status right after: a repeated request gets the same answer.
    pub status: CouponStatus,
    /// How many redemptions the coupon had by then. With it, the units left at any moment can be worked out.
    pub redemptions_before: usize,
}

/// What a holder sees. It follows from the facts and the time, and is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CouponStatus {
    /// Its validity has not begun.
    Pending,
    /// Usable now.
    Active,
    /// Usable now for the order of its hold, and for no other.
    Held,
    /// No unit of use is left. A reversal may give one back.
    Redeemed,
    /// Its validity is over and units are left.
    Expired,
    /// It was taken back.
    Deactivated,
}

impl CouponStatus {
    /// Every status, in the order of a coupon's life.
    pub const ALL: [CouponStatus; 6] = [
        CouponStatus::Pending,
        CouponStatus::Active,
        CouponStatus::Held,
        CouponStatus::Redeemed,
        CouponStatus::Expired,
        CouponStatus::Deactivated,
    ];

    /// The name on the wire and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            CouponStatus::Pending => "pending",
            CouponStatus::Active => "active",
            CouponStatus::Held => "held",
            CouponStatus::Redeemed => "redeemed",
            CouponStatus::Expired => "expired",
            CouponStatus::Deactivated => "deactivated",
        }
    }

    /// Whether the wallet shows it among the coupons that can still be used.
    pub const fn is_usable_now_or_later(self) -> bool {
        matches!(self, CouponStatus::Pending | CouponStatus::Active | CouponStatus::Held)
    }
}

impl FromStr for CouponStatus {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        CouponStatus::ALL.into_iter().find(|status| status.as_str() == text).ok_or(crate::ids::IdError)
    }
}

impl Coupon {
    /// What a holder sees at `now`. Derived, never stored: expiry needs no sweeper.
    ///
    /// The first that applies counts: deactivated, redeemed, expired, pending, held, active.
    pub fn status(&self, now: Timestamp) -> CouponStatus {
        if self.deactivated_at.is_some() {
            CouponStatus::Deactivated
        } else if self.uses_left == 0 {
            CouponStatus::Redeemed
        } else if now >= self.valid_until {
            CouponStatus::Expired
        } else if now < self.valid_from {
            CouponStatus::Pending
        } else if self.live_hold(now).is_some() {
            CouponStatus::Held
        } else {
            CouponStatus::Active
        }
    }

    /// Whether a commission is owed for this coupon: only when its share code was signed for a partner.
    pub fn attribution(&self) -> Attribution {
        let is_of_partner = self.share.as_ref().is_some_and(|share| share.partner().is_some());
        if is_of_partner { Attribution::ToPartner } else { Attribution::ToNobody }
    }

    /// The hold that counts at `now`: not ended, and its deadline not reached.
    pub fn live_hold(&self, now: Timestamp) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| !hold.ended && now < hold.until)
    }

    /// The newest redemption that was not undone; `None` when none stands.
    pub fn newest_standing_redemption(&self) -> Option<&Redemption> {
        self.redemptions.iter().rev().find(|redemption| redemption.reversal.is_none())
    }

    /// The coupon as it was when it was claimed, under the terms it was claimed with.
    ///
    /// That is what the first answer to the claim showed, so a replay shows it again.
    #[must_use]
    pub fn as_claimed(mut self, terms: &crate::terms::Terms) -> Self {
        self.valid_until = terms.validity.window(self.claimed_at).1;
        self.uses_left = self.uses_total;
        self.deactivated_at = None;
        self.hold = None;
        self.redemptions.clear();
        self
    }

    /// Units of use left right after redemption `index`, from 0. A replay gives the number of the first
    /// answer.
    pub fn uses_left_after(&self, index: usize) -> u8 {
        let given_back = self
            .redemptions
            .iter()
            .filter_map(|r| r.reversal.as_ref())
            .filter(|r| r.redemptions_before <= index)
            .count();
        let left = (usize::from(self.uses_total) + given_back).saturating_sub(index + 1);
        u8::try_from(left).unwrap_or(0)
    }

    /// The coupon after this redemption: one unit less, and any hold ended.
    ///
    /// The table's write does the same. A test holds the two equal.
    #[must_use]
    pub fn with_redemption(mut self, redemption: Redemption) -> Self {
        self.uses_left = self.uses_left.saturating_sub(1);
        self.hold = self.hold.map(|hold| Hold { ended: true, ..hold });
        self.redemptions.push(redemption);
        self
    }

    /// The coupon after a till's request has adopted redemption `index`, which was only reported.
    ///
    /// No unit is spent. A hold for its order ends, as a confirmation ends it.
    #[must_use]
    pub fn with_adoption(mut self, index: usize, key: KeyHash, fingerprint: Fingerprint) -> Self {
        if let Some(redemption) = self.redemptions.get_mut(index) {
            let own = KeyHash::of_order(&redemption.order_no);
            self.hold = self.hold.map(|hold| Hold { ended: hold.ended || hold.order == own, ..hold });
            (redemption.key, redemption.fingerprint) = (key, fingerprint);
        }
        self
    }

    /// The coupon after redemption `index` is undone: one unit more, and this end of validity.
    ///
    /// An index that does not exist changes nothing.
    #[must_use]
    pub fn with_reversal(mut self, index: usize, reversal: Reversal, valid_until: Timestamp) -> Self {
        if let Some(redemption) = self.redemptions.get_mut(index) {
            redemption.reversal = Some(reversal);
            self.uses_left = self.uses_left.saturating_add(1);
            self.valid_until = valid_until;
        }
        self
    }
}
