//! Clauses about a coupon that more than one write has.

use mealticket_domain::Coupon;

/// No request with this key has succeeded on this coupon. Guards redemptions, adoptions and reversals
/// against their own repeats.
///
/// A redemption leaves two values: the till's idempotency key, and the order's own key, which is the only one that a
/// report has. A reversal leaves its own: one key undoes one redemption.
pub(crate) const KEY_IS_NEW: &str = "attribute_not_exists(#keys) OR NOT contains(#keys, :key)";

/// The redemption of this index has not been undone. Guards a reversal, and the adoption of a reported redemption.
pub(crate) const IS_NOT_REVERSED: &str = "attribute_not_exists(redemptions[{index}].reversal)";

// Clauses of a write whose effect was worked out from a coupon that was read.

/// Nobody has redeemed since the coupon was read. Guards a hold and a reversal, whose effect was
/// worked out from the coupon.
pub(crate) const REDEMPTIONS_ARE_AS_SEEN: &str = "size(redemptions) = :redemptions";

/// The end of validity is the one from which the effect was worked out. Another reversal may have moved it.
pub(crate) const VALIDITY_IS_AS_SEEN: &str = "valid_until = :seen_until";

/// The coupon is taken back, or not, as it was when it was read.
pub(crate) fn deactivation_is_as_seen(seen: &Coupon) -> &'static str {
    match seen.deactivated_at {
        Some(_) => "attribute_exists(deactivated_at)",
        None => "attribute_not_exists(deactivated_at)",
    }
}

/// The newest hold is the one that was read, and has ended or not, as it was then. Or there was
/// none, and there is none.
pub(crate) fn hold_is_as_seen(seen: &Coupon) -> &'static str {
    match &seen.hold {
        Some(hold) if hold.ended => "held = :seen_hold AND attribute_not_exists(hold_until)",
        Some(_) => "held = :seen_hold AND attribute_exists(hold_until)",
        None => "attribute_not_exists(held)",
    }
}
