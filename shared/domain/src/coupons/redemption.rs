//! The rule of the house: **a unit of use is spent once, and a request repeated with the same key gets the
//! same answer.**
//!
//! [`decide`] says what a redemption would do to a coupon as it stands. It is prose for the table's
//! conditional write: every refusal here is a clause there, and the write alone makes it true.
//!
//! The order of the checks is the published order of `docs/ERRORS.md`. A replay comes before any refusal.
//! Then come expired or deactivated, not yet valid, already redeemed, held, store, and minimum spend.
//!
//! **An order takes one unit, whether a till asks for it or the merchant's own system reports it.** A report
//! of what a till redeemed is a replay. A till adopts what was reported.

use crate::{
    coupon::{Coupon, CouponStatus, Hold, HoldTag, Redemption, RedemptionSource, Reversal},
    hours::open_at,
    idempotency::{Fingerprint, KeyHash},
    ids::StoreId,
    limits::REDEMPTIONS_MAX,
    money::Fen,
    terms::{ReversalPolicy, Terms},
    text::{Cashier, OrderNo, Reason},
    timestamp::Timestamp,
};

/// The merchant's order, on which a coupon is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The merchant's own number for it.
    pub order_no: OrderNo,
    /// Its amount before the discount: at least one fen.
    pub amount: Fen,
}

/// A redemption as asked: its texts checked, its store looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemRequest {
    /// The hash that names the request: of the idempotency key for a till, of the order for a report.
    pub key: KeyHash,
    /// The fingerprint of its payload.
    pub fingerprint: Fingerprint,
    /// How it reached us.
    pub source: RedemptionSource,
    /// When it counts: now for a till, the merchant's `redeemed_at` for a report.
    pub at: Timestamp,
    /// The store that redeems, one of the merchant's.
    pub store_id: StoreId,
    /// The city of that store, for scopes of cities.
    pub city: String,
    /// The order that the discount is taken off.
    pub order: Order,
    /// The hold that it confirms, if it names one.
    pub hold: Option<NamedHold>,
    /// Who stood at the till, if the till says so.
    pub cashier: Option<Cashier>,
}

/// A hold as a till names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedHold {
    /// A hold of the coupon that the code leads to.
    OfThisCoupon(HoldTag),
    /// A hold of another coupon, so none that this request could confirm.
    OfNone,
}

impl RedeemRequest {
    /// Whether a hold is this request's own: named by its id, or placed for the same order.
    fn owns(&self, hold: &Hold) -> bool {
        match self.hold {
            Some(NamedHold::OfThisCoupon(tag)) => tag == HoldTag::of(hold.order),
            Some(NamedHold::OfNone) => false,
            None => hold.order == KeyHash::of_order(&self.order.order_no),
        }
    }

    /// Whether an earlier redemption is this very request.
    ///
    /// A till names it by its idempotency key. A report names it by its order, reversed or not, whichever way
    /// that order came in first.
    fn names(&self, earlier: &Redemption) -> bool {
        match self.source {
            RedemptionSource::Api => earlier.key == self.key,
            RedemptionSource::Callback => earlier.order_no == self.order.order_no,
        }
    }

    /// Whether the two ask the same. Of a report only the amount can differ, because the order is its name.
    fn asks_the_same_as(&self, earlier: &Redemption) -> bool {
        match self.source {
            RedemptionSource::Api => earlier.fingerprint == self.fingerprint,
            RedemptionSource::Callback => earlier.amount == self.order.amount,
        }
    }

    /// The standing redemption of the till's order that is only reported so far.
    ///
    /// One order takes one unit, whichever of the two comes first. Two keys of tills for one order are two
    /// redemptions.
    fn reported<'c>(&self, coupon: &'c Coupon) -> Option<(usize, &'c Redemption)> {
        let is_reported = |earlier: &Redemption| {
            earlier.is_only_reported() && earlier.order_no == self.order.order_no && earlier.reversal.is_none()
        };
        coupon.redemptions.iter().enumerate().find(|(_, earlier)| is_reported(earlier))
    }

    /// The redemption that this request adds when nothing stands against it. `terms` give the discount.
    pub fn fact(&self, terms: &Terms) -> Redemption {
        Redemption {
            at: self.at,
            key: self.key,
            fingerprint: self.fingerprint,
            source: self.source,
            store_id: self.store_id.clone(),
            order_no: self.order.order_no.clone(),
            amount: self.order.amount,
            discount: terms.benefit.discount(self.order.amount),
            cashier: self.cashier.clone(),
            reversal: None,
        }
    }
}

/// What a redemption would do. Only `Redeem` and `Adopt` write anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedeemDecision {
    /// Nothing stands against it: this is the fact to add.
    Redeem(Redemption),
    /// The order was reported, as redemption `index`. The request makes that redemption its own, and spends
    /// nothing.
    Adopt {
        /// Which of the coupon's redemptions, from 0.
        index: usize,
    },
    /// The same request has succeeded before, as redemption `index`.
    Replay {
        /// Which of the coupon's redemptions, from 0.
        index: usize,
    },
    /// The same key has succeeded with another payload.
    KeyReused,
    /// A rule stands against it.
    Refused(RedeemRefusal),
}

/// The rule that stands against a redemption, in order of precedence.
///
/// Each carries the facts that its merchant may know. `docs/ERRORS.md` lists their codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedeemRefusal {
    /// The coupon was taken back.
    Deactivated,
    /// Its validity is over.
    Expired {
        /// Since when: the coupon's `valid_until`.
        at: Timestamp,
    },
    /// Its validity has not begun.
    NotYetValid {
        /// When it begins.
        from: Timestamp,
    },
    /// No unit of use is left, or the order was reported with another amount.
    AlreadyRedeemed {
        /// When the redemption counts that stands in the way.
        at: Timestamp,
        /// In which store that was.
        store_id: StoreId,
        /// On which order that was.
        order_no: OrderNo,
    },
    /// Redeemed and reversed too often: the coupon has [`REDEMPTIONS_MAX`] redemptions.
    RedemptionLimit,
    /// Another order holds it.
    Held {
        /// First instant at which that hold no longer counts.
        until: Timestamp,
    },
    /// The request names a hold that no longer counts. Without it, the till may redeem.
    HoldLapsed,
    /// It may not be used at this hour.
    OutsideHours {
        /// First instant at which it may be used again.
        next: Timestamp,
    },
    /// The campaign is not for this store of the merchant.
    StoreNotInScope,
    /// The order's amount is below the minimum of the terms.
    MinimumSpendNotMet {
        /// The smallest amount that is enough.
        minimum: Fen,
    },
}

/// What redeeming `coupon` would do, under the terms it was claimed with.
///
/// It looks for the same request first, then for a report of the same order and amount, then for a rule
/// against it. It is pure: the same arguments give the same decision, however often the write is tried.
pub fn decide(coupon: &Coupon, terms: &Terms, request: &RedeemRequest) -> RedeemDecision {
    let mut named = coupon.redemptions.iter().enumerate().filter(|(_, earlier)| request.names(earlier)).peekable();
    if named.peek().is_some() {
        // An order that was reversed and redeemed again is there twice: any of them confirms a report.
        let same = named.find(|(_, earlier)| request.asks_the_same_as(earlier));
        return same.map_or(RedeemDecision::KeyReused, |(index, _)| RedeemDecision::Replay { index });
    }
    if let Some((index, _)) = request.reported(coupon).filter(|(_, it)| it.amount == request.order.amount) {
        return RedeemDecision::Adopt { index };
    }
    match refusal(coupon, terms, request) {
        Some(refusal) => RedeemDecision::Refused(refusal),
        None => RedeemDecision::Redeem(request.fact(terms)),
    }
}

/// The first rule that stands against the request, in the published order; `None` when none does.
pub(crate) fn refusal(coupon: &Coupon, terms: &Terms, request: &RedeemRequest) -> Option<RedeemRefusal> {
    if coupon.deactivated_at.is_some() {
        return Some(RedeemRefusal::Deactivated);
    }
    if request.at >= coupon.valid_until {
        return Some(RedeemRefusal::Expired { at: coupon.valid_until });
    }
    if request.at < coupon.valid_from {
        return Some(RedeemRefusal::NotYetValid { from: coupon.valid_from });
    }
    if let Some((_, reported)) = request.reported(coupon).filter(|(_, it)| it.amount != request.order.amount) {
        return Some(already_redeemed(reported));
    }
    if coupon.uses_left == 0 {
        return coupon.newest_standing_redemption().map(already_redeemed);
    }
    if coupon.redemptions.len() >= REDEMPTIONS_MAX {
        return Some(RedeemRefusal::RedemptionLimit);
    }
    match (coupon.live_hold(request.at), request.hold) {
        (Some(hold), _) if request.owns(hold) => {}
        (Some(hold), _) => return Some(RedeemRefusal::Held { until: hold.until }),
        (None, Some(_)) => return Some(RedeemRefusal::HoldLapsed),
        (None, None) => {}
    }
    terms_refusal(terms, request)
}

/// The rule of the terms alone that stands against a redemption: hours, store, minimum spend.
///
/// It needs no coupon, so it is also asked before the write.
pub fn terms_refusal(terms: &Terms, request: &RedeemRequest) -> Option<RedeemRefusal> {
    if let Err(next) = open_at(&terms.hours, request.at) {
        return Some(RedeemRefusal::OutsideHours { next });
    }
    if !terms.stores.contains(&request.store_id, &request.city) {
        return Some(RedeemRefusal::StoreNotInScope);
    }
    if request.order.amount < terms.minimum_fen {
        return Some(RedeemRefusal::MinimumSpendNotMet { minimum: terms.minimum_fen });
    }
    None
}

/// The refusal that names this redemption as the one in the way.
fn already_redeemed(redemption: &Redemption) -> RedeemRefusal {
    RedeemRefusal::AlreadyRedeemed {
        at: redemption.at,
        store_id: redemption.store_id.clone(),
        order_no: redemption.order_no.clone(),
    }
}

/// What undoing a redemption would do. Only `Reverse` writes anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReverseDecision {
    /// Nothing stands against it: this is the fact to add, and the end of the coupon's validity from then on.
    Reverse {
        /// The reversal to add to the redemption.
        reversal: Reversal,
        /// The end of the coupon's validity from then on. It moves only when the coupon had expired and the
        /// policy makes up for it.
        valid_until: Timestamp,
    },
    /// The same request has succeeded before.
    Replay,
    /// The same key has succeeded with another payload.
    KeyReused,
    /// A rule stands against it.
    Refused(ReverseRefusal),
}

/// The rule that stands against a reversal, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReverseRefusal {
    /// The coupon has no such redemption.
    NotFound,
    /// It was undone before, by another request.
    AlreadyReversed,
    /// The hours of the policy are over, counted from when the redemption counts.
    WindowClosed,
}

/// What undoing redemption `index`, from 0, of `coupon` at `now` would do.
///
/// `request` is the hash of the key, the fingerprint of the payload, and the reason. A key counts for the
/// whole coupon: the same key never undoes a second redemption of it.
pub fn decide_reversal(
    coupon: &Coupon,
    index: usize,
    policy: ReversalPolicy,
    request: (KeyHash, Fingerprint, &Reason),
    now: Timestamp,
) -> ReverseDecision {
    let (key, fingerprint, reason) = request;
    let Some(redemption) = coupon.redemptions.get(index) else {
        return ReverseDecision::Refused(ReverseRefusal::NotFound);
    };
    // The scope of a key is the coupon: one key undoes one redemption of it.
    let with_this_key =
        coupon.redemptions.iter().filter_map(|r| r.reversal.as_ref()).find(|earlier| earlier.key == key);
    match with_this_key {
        Some(earlier) if earlier.fingerprint == fingerprint => return ReverseDecision::Replay,
        Some(_) => return ReverseDecision::KeyReused,
        None if redemption.reversal.is_some() => return ReverseDecision::Refused(ReverseRefusal::AlreadyReversed),
        None => {}
    }
    if now.seconds_since(redemption.at) >= i64::from(policy.window_hours) * 3600 {
        return ReverseDecision::Refused(ReverseRefusal::WindowClosed);
    }
    let valid_until = made_up(coupon.valid_until, policy, now);
    let mut reversal = Reversal {
        at: now,
        key,
        fingerprint,
        reason: reason.clone(),
        status: CouponStatus::Active,
        redemptions_before: coupon.redemptions.len(),
    };
    reversal.status = coupon.clone().with_reversal(index, reversal.clone(), valid_until).status(now);
    ReverseDecision::Reverse { reversal, valid_until }
}

/// The end of validity after a reversal.
///
/// An expired coupon gets the policy's whole days. They are counted like a validity after claim: the day of
/// the reversal is the first. A coupon that has not expired keeps its end.
fn made_up(valid_until: Timestamp, policy: ReversalPolicy, now: Timestamp) -> Timestamp {
    if now < valid_until || policy.makeup_days == 0 {
        return valid_until;
    }
    now.province_day().plus_days(i64::from(policy.makeup_days)).starts_at()
}

#[cfg(test)]
pub(crate) mod tests;
