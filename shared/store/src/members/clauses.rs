//! Clauses about a coupon that more than one write has.

use mealticket_domain::Coupon;

/// No request with this key has succeeded on this coupon. A redemption leaves two keys: the till's idempotency key, and the
/// order's business key, which is the only one that a report has. A reversal leaves its own: one key undoes one redemption.
pub(crate) const KEY_IS_NEW: &str = "attribute_not_exists(#keys) OR NOT contains(#keys, :key)";

/// The redemption of this index has not been undone.
pub(crate) const IS_NOT_REVERSED: &str = "attribute_not_exists(redemptions[{index}].reversal)";

// Clauses of a write whose effect was worked out from a coupon that was read.

/// Nothing was redeemed since we looked: what is recorded about this moment is true.
pub(crate) const REDEMPTIONS_ARE_AS_SEEN: &str = "size(redemptions) = :redemptions";

/// The end of validity that the effect was worked out from.
pub(crate) const VALIDITY_IS_AS_SEEN: &str = "valid_until = :seen_until";

/// Nobody took the coupon back, or it was taken back already, as we saw.
pub(crate) fn deactivation_is_as_seen(seen: &Coupon) -> &'static str {
    match seen.deactivated_at {
        Some(_) => "attribute_exists(deactivated_at)",
        None => "attribute_not_exists(deactivated_at)",
    }
}

/// The newest hold is the one that we saw, and has ended or not, as we saw; or there was none.
pub(crate) fn hold_is_as_seen(seen: &Coupon) -> &'static str {
    match &seen.hold {
        Some(hold) if hold.ended => "held = :seen_hold AND attribute_not_exists(hold_until)",
        Some(_) => "held = :seen_hold AND attribute_exists(hold_until)",
        None => "attribute_not_exists(held)",
    }
}
