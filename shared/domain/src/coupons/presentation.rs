//! Showing a code to a till (C2): **a report redeems only what the merchant was shown.**
//!
//! A merchant is sent the ids of its campaigns' coupons, so an id proves nothing. A validation and a hold
//! both need the code. They give the merchant a proof that says when this was, for which coupon and which
//! order. A report carries the code or that proof.

use crate::{limits::LATE_REPORT_SECONDS_MAX, timestamp::Timestamp};

/// How far a reported `redeemed_at` may lie from the proof's instant, before or after: 15 minutes.
///
/// A customer pays within minutes. A till's clock may be five minutes off.
pub const PRESENTED_WITHIN_SECONDS: i64 = 15 * 60;

/// For how long after the presentation a report may arrive with its proof: 72 hours, as long as a report may
/// redeem at all.
pub const PROOF_SECONDS_MAX: i64 = LATE_REPORT_SECONDS_MAX;

/// A code was presented to a merchant for an order. Nothing of it is stored: the proof that the merchant
/// holds says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// The version of the cipher key of the presented code. A code that was withdrawn since proves nothing.
    pub key_version: u16,
    /// When the till presented it, by our clock.
    pub at: Timestamp,
    /// First instant at which the order no longer held the coupon; none for a validation.
    pub held_until: Option<Timestamp>,
}

impl Presentation {
    /// Whether a report that arrives at `now` may redeem by it at `redeemed_at`.
    ///
    /// It may within 15 minutes of the presentation or before the hold's end, and at most 72 hours after the
    /// presentation.
    pub fn proves(&self, redeemed_at: Timestamp, now: Timestamp) -> bool {
        let since = redeemed_at.seconds_since(self.at);
        let is_near = since.abs() <= PRESENTED_WITHIN_SECONDS;
        let is_held = since >= 0 && self.held_until.is_some_and(|until| redeemed_at < until);
        now.seconds_since(self.at) <= PROOF_SECONDS_MAX && (is_near || is_held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_presentation_proves_a_redemption_within_15_minutes_of_it() {
        let shown = Presentation { key_version: 1, at: at(0), held_until: None };
        for (redeemed_at, proves) in [(-901, false), (-900, true), (0, true), (900, true), (901, false)] {
            assert_eq!(shown.proves(at(redeemed_at), at(1_000)), proves, "{redeemed_at}");
        }
    }

    #[test]
    fn the_presentation_of_a_held_coupon_proves_a_redemption_before_the_hold_ends() {
        let shown = Presentation { key_version: 1, at: at(0), held_until: Some(at(3_600)) };
        for (redeemed_at, proves) in [(-901, false), (-900, true), (3_599, true), (3_600, false)] {
            assert_eq!(shown.proves(at(redeemed_at), at(3_600)), proves, "{redeemed_at}");
        }
        let short = Presentation { held_until: Some(at(60)), ..shown };
        assert!(short.proves(at(900), at(900)));
    }

    #[test]
    fn a_proof_is_good_for_72_hours_after_the_presentation() {
        let shown = Presentation { key_version: 1, at: at(0), held_until: None };
        assert!(shown.proves(at(60), at(72 * 3_600)));
        assert!(!shown.proves(at(60), at(72 * 3_600 + 1)));
    }
}
