//! A coupon (券): one item, its facts, its states.

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

/// Where a coupon is: the whole key of its item, and all that its code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CouponKey {
    /// Whose it is.
    pub member: MemberNo,
    /// Of which campaign.
    pub campaign: CampaignNo,
    /// Which of the member's coupons of that campaign.
    pub ordinal: Ordinal,
}

/// The facts of a coupon. No code, no key and no rendered answer among them: those are made from the facts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coupon {
    /// Where it is.
    pub key: CouponKey,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// The request that claimed it.
    pub claim_key: KeyHash,
    /// What that request asked.
    pub claim_fingerprint: Fingerprint,
    /// Through which channel.
    pub channel: Option<Channel>,
    /// By whose link.
    pub share: Option<Share>,
    /// The lease of stock whose unit it is.
    pub lease_id: LeaseId,
    /// The member-visible terms it was claimed under.
    pub terms_version: u32,
    /// Proof of what the member was shown.
    pub terms_sha256: TermsHash,
    /// The settlement terms it is paid under.
    pub settlement_version: u32,
    /// The key its code is made with.
    pub key_version: u16,
    /// First instant of use.
    pub valid_from: Timestamp,
    /// First instant after.
    pub valid_until: Timestamp,
    /// Units of use it was issued with.
    pub uses_total: u8,
    /// Units of use left.
    pub uses_left: u8,
    /// When it was deactivated, if it was.
    pub deactivated_at: Option<Timestamp>,
    /// The newest hold, lapsed or not.
    pub hold: Option<Hold>,
    /// Every redemption of its life, the reversed ones included, in order.
    pub redemptions: Vec<Redemption>,
}

/// A till's claim on a coupon for a while (R2). A coupon remembers its newest one, also when it no longer counts: who asks
/// again with the same key hears the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The order that it is for. It names the hold: the same order has one hold of a coupon.
    pub order: KeyHash,
    /// The request that placed it.
    pub key: KeyHash,
    /// What that request asked.
    pub fingerprint: Fingerprint,
    /// When the code was presented for it.
    pub at: Timestamp,
    /// First instant at which it no longer counts, whatever happens.
    pub until: Timestamp,
    /// Whether it was confirmed or released.
    pub ended: bool,
}

/// Which hold of a coupon a hold's id names: the first 40 bits of its order's hash. A coupon has few orders in its life, and
/// one in a million million pairs of them would be confused. The hash has no key: an id holds it enciphered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldTag(pub [u8; 5]);

impl HoldTag {
    /// The tag of an order's hold.
    pub fn of(order: KeyHash) -> Self {
        let [a, b, c, d, e, ..] = order.0;
        HoldTag([a, b, c, d, e])
    }
}

/// One use of a coupon.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redemption {
    /// When it counts: our clock for an API call, the merchant's for a report.
    pub at: Timestamp,
    /// The request that did it.
    pub key: KeyHash,
    /// What that request asked.
    pub fingerprint: Fingerprint,
    /// How it reached us.
    pub source: RedemptionSource,
    /// Where.
    pub store_id: StoreId,
    /// The merchant's order.
    pub order_no: OrderNo,
    /// The order's amount before the discount.
    pub amount: Fen,
    /// What was taken off.
    pub discount: Fen,
    /// Who stood at the till.
    pub cashier: Option<Cashier>,
    /// Its undoing, if it was undone.
    pub reversal: Option<Reversal>,
}

impl Redemption {
    /// Whether nobody but the merchant's own system has spoken of it: no till has adopted it as its own.
    pub fn is_only_reported(&self) -> bool {
        self.source == RedemptionSource::Callback && self.key == KeyHash::of_order(&self.order_no)
    }
}

/// How a redemption reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedemptionSource {
    /// The merchant asked first (`POST /v1/redemptions`).
    Api,
    /// The merchant told us afterwards (a callback).
    Callback,
}

impl RedemptionSource {
    /// The name in the table.
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

/// The undoing of a redemption (撤销).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reversal {
    /// When.
    pub at: Timestamp,
    /// The request that did it.
    pub key: KeyHash,
    /// What that request asked.
    pub fingerprint: Fingerprint,
    /// Why.
    pub reason: Reason,
    /// The coupon's status right after.
    pub status: CouponStatus,
    /// How many redemptions the coupon had by then: with it, the units left at any moment can be told.
    pub redemptions_before: usize,
}

/// What a holder sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CouponStatus {
    /// Not valid yet.
    Pending,
    /// Usable now.
    Active,
    /// A till holds it.
    Held,
    /// No unit of use is left.
    Redeemed,
    /// Its validity is over.
    Expired,
    /// Taken back with a reason.
    Deactivated,
}

impl CouponStatus {
    /// Every status.
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

    /// Whom a commission is owed to for this coupon.
    pub fn attribution(&self) -> Attribution {
        let is_of_partner = self.share.as_ref().is_some_and(|share| share.partner().is_some());
        if is_of_partner { Attribution::ToPartner } else { Attribution::ToNobody }
    }

    /// The hold that still counts at `now`.
    pub fn live_hold(&self, now: Timestamp) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| !hold.ended && now < hold.until)
    }

    /// The newest redemption that stands.
    pub fn newest_standing_redemption(&self) -> Option<&Redemption> {
        self.redemptions.iter().rev().find(|redemption| redemption.reversal.is_none())
    }

    /// The coupon as it was when it was claimed, under the terms it was claimed with: what the first answer showed.
    #[must_use]
    pub fn as_claimed(mut self, terms: &crate::terms::Terms) -> Self {
        self.valid_until = terms.validity.window(self.claimed_at).1;
        self.uses_left = self.uses_total;
        self.deactivated_at = None;
        self.hold = None;
        self.redemptions.clear();
        self
    }

    /// Units of use left right after redemption `index`: a replay says what the first answer said.
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

    /// The coupon after this redemption. The table's write does the same; a test holds the two equal.
    #[must_use]
    pub fn with_redemption(mut self, redemption: Redemption) -> Self {
        self.uses_left = self.uses_left.saturating_sub(1);
        self.hold = self.hold.map(|hold| Hold { ended: true, ..hold });
        self.redemptions.push(redemption);
        self
    }

    /// The coupon after a till's request has adopted redemption `index`, which was only reported. A hold for its order is confirmed.
    #[must_use]
    pub fn with_adoption(mut self, index: usize, key: KeyHash, fingerprint: Fingerprint) -> Self {
        if let Some(redemption) = self.redemptions.get_mut(index) {
            let own = KeyHash::of_order(&redemption.order_no);
            self.hold = self.hold.map(|hold| Hold { ended: hold.ended || hold.order == own, ..hold });
            (redemption.key, redemption.fingerprint) = (key, fingerprint);
        }
        self
    }

    /// The coupon after redemption `index` is undone.
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
