//! What happened to a coupon between two of its states.

use super::count::Counts;
use crate::coupon::{Coupon, Redemption};

/// What a change of a coupon was. The index is the redemption's, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CouponEvent {
    /// It came to be.
    Claimed,
    /// It was redeemed.
    Redeemed(usize),
    /// A redemption was undone.
    Reversed(usize),
}

/// Two states of which one did not come from the other: coupons are never deleted, and what happened to them stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a coupon's past was rewritten")]
pub struct PastRewritten;

/// What happened between two states of one coupon. Holds, expiry and deactivation are no events of the books.
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

/// Whether it is one redemption in two states: by its key, or by the order of one that a till has adopted since.
fn is_same(known: &Redemption, now: &Redemption) -> bool {
    known.key == now.key || (known.is_only_reported() && known.order_no == now.order_no && known.reversal.is_none())
}

/// What happened between two states of one coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The coupon as it is now.
    pub coupon: Coupon,
    /// What happened to it that the books tell one by one.
    pub events: Vec<CouponEvent>,
    /// What they count.
    pub counts: Counts,
}

impl Change {
    /// The change from one state to the next. Without events and counts it is nothing to the books.
    pub fn between(before: Option<&Coupon>, after: Coupon) -> Result<Self, PastRewritten> {
        let events = events_between(before, &after)?;
        let counts = Counts::between(before, &after);
        Ok(Change { coupon: after, events, counts })
    }

    /// Whether the books have nothing of it.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.counts.is_empty()
    }
}
