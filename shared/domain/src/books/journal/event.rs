//! What happened to a coupon between two of its states.

use super::count::Counts;
use crate::coupon::{Coupon, Redemption};

/// What a change of a coupon was. The index is the redemption's, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CouponEvent {
    /// A member claimed it: it was not there before.
    Claimed,
    /// It was redeemed.
    Redeemed(usize),
    /// A redemption was undone.
    Reversed(usize),
}

/// Two states of which one did not come from the other.
///
/// Coupons are never deleted, and what happened to them stays. So this is a fault, and the record is set
/// aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a coupon's past was rewritten")]
pub struct PastRewritten;

/// What happened between two states of one coupon, in order; `before` is `None` for its first state.
///
/// Holds, expiry and deactivation are no events of the books. An adoption is none either: no unit was spent.
/// [`PastRewritten`] when a redemption or reversal of `before` is gone or another.
pub fn events_between(before: Option<&Coupon>, after: &Coupon) -> Result<Vec<CouponEvent>, PastRewritten> {
    let mut events = Vec::new();
    match before {
        None => events.push(CouponEvent::Claimed),
        Some(before) if (before.key, before.lease_id) == (after.key, after.lease_id) => {}
        Some(_) => return Err(PastRewritten),
    }
    let known = before.map_or(&[][..], |before| &before.redemptions);
    if known.len() > after.redemptions.len() {
        return Err(PastRewritten);
    }
    for (index, redemption) in after.redemptions.iter().enumerate() {
        let was_reversed = match known.get(index) {
            Some(known) if !is_same(known, redemption) || (known.reversal.is_some() && known != redemption) => {
                return Err(PastRewritten);
            }
            Some(known) => known.reversal.is_some(),
            None => {
                events.push(CouponEvent::Redeemed(index));
                false
            }
        };
        if redemption.reversal.is_some() && !was_reversed {
            events.push(CouponEvent::Reversed(index));
        }
    }
    Ok(events)
}

/// Whether it is one redemption in two states.
///
/// They have the same key, or a till has adopted it since: then they have the same order.
fn is_same(known: &Redemption, now: &Redemption) -> bool {
    known.key == now.key || (known.is_only_reported() && known.order_no == now.order_no && known.reversal.is_none())
}

/// What happened between two states of one coupon, and what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The coupon as it is now.
    pub coupon: Coupon,
    /// What happened to it that the books enter one by one.
    pub events: Vec<CouponEvent>,
    /// What changes in the counts of the sheets.
    pub counts: Counts,
}

impl Change {
    /// The change from one state to the next. Without events and counts the books have nothing of it.
    pub fn between(before: Option<&Coupon>, after: Coupon) -> Result<Self, PastRewritten> {
        let events = events_between(before, &after)?;
        let counts = Counts::between(before, &after);
        Ok(Change { coupon: after, events, counts })
    }

    /// Whether the books have nothing of it: a hold, say, or an adoption.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.counts.is_empty()
    }
}
