//! Holding a coupon for an order (R2): **while a hold counts, its own order alone can use the coupon.**
//!
//! A hold ends when a redemption confirms it, when it is released, or when its deadline passes. Nothing has
//! to happen for the last. `docs/HOLDS.md` has the whole table of what each event does in each state; the
//! tests write it.

use crate::{
    coupon::{Coupon, Hold, HoldTag},
    idempotency::KeyHash,
    redemption::{RedeemRefusal, RedeemRequest, refusal},
    terms::Terms,
    timestamp::Timestamp,
};

/// A hold as asked: its texts checked, its store looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// The redemption that it is for. The same rules stand against a hold.
    pub redemption: RedeemRequest,
    /// For how long, 1 to 3 600 seconds. The caller has checked it.
    pub seconds: i64,
}

/// What placing a hold would do. Only `Place` writes anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldDecision {
    /// Nothing stands against it: this is the hold to place.
    Place(Hold),
    /// The coupon's newest hold is what the request asks for. Nothing is written.
    Standing {
        /// Whether the same request placed it. If not, it is the same order's hold, by another key.
        replayed: bool,
    },
    /// The same key has placed the coupon's newest hold with another payload.
    KeyReused,
    /// A rule stands against it: one of those of a redemption.
    Refused(RedeemRefusal),
}

/// What holding `coupon` would do, under the terms it was claimed with.
///
/// A key counts while its hold is the coupon's newest. A hold ends at the coupon's own end at the latest.
pub fn decide_hold(coupon: &Coupon, terms: &Terms, request: &HoldRequest) -> HoldDecision {
    let asked = &request.redemption;
    if let Some(earlier) = coupon.hold.as_ref().filter(|hold| hold.key == asked.key) {
        let same = earlier.fingerprint == asked.fingerprint;
        return if same { HoldDecision::Standing { replayed: true } } else { HoldDecision::KeyReused };
    }
    if let Some(refusal) = refusal(coupon, terms, asked) {
        return HoldDecision::Refused(refusal);
    }
    if coupon.live_hold(asked.at).is_some() {
        return HoldDecision::Standing { replayed: false };
    }
    HoldDecision::Place(Hold {
        order: KeyHash::of_order(&asked.order.order_no),
        key: asked.key,
        fingerprint: asked.fingerprint,
        at: asked.at,
        // A hold cannot make a coupon last.
        until: asked.at.plus_seconds(request.seconds).min(coupon.valid_until),
        ended: false,
    })
}

/// What releasing a hold would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseDecision {
    /// It counts, and would end.
    Release,
    /// It has ended already: confirmed, released or lapsed. Releasing it again is no error.
    Ended,
    /// The coupon has no hold, or its newest is that of another order.
    NotFound,
}

/// What releasing the hold `tag` of `coupon` at `now` would do. An ended hold of the tag stays ended.
pub fn decide_release(coupon: &Coupon, tag: HoldTag, now: Timestamp) -> ReleaseDecision {
    match &coupon.hold {
        Some(hold) if HoldTag::of(hold.order) != tag => ReleaseDecision::NotFound,
        Some(_) if coupon.live_hold(now).is_some() => ReleaseDecision::Release,
        Some(_) => ReleaseDecision::Ended,
        None => ReleaseDecision::NotFound,
    }
}
