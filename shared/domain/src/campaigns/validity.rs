//! When a coupon may be used.
//!
//! **The rule for days.** A relative validity counts whole days of the province, the first one included. With
//! `wait_days` of 0 a coupon is valid from the moment it is claimed. Otherwise it is valid from midnight,
//! that many days after the day of the claim. It ends at the midnight after its last day.
//!
//! Claimed on the 1st at any hour, with a wait of 1 and 3 days: from the 2nd 00:00 until (exclusively) the
//! 5th 00:00.

use crate::{limits::VALIDITY_DAYS_MAX, timestamp::Timestamp};
use serde::{Deserialize, Serialize};

/// A campaign's rule for the validity of its coupons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Validity {
    /// The same window for every coupon.
    Fixed {
        /// First instant of use, for coupons that were claimed by then.
        from: Timestamp,
        /// First instant at which no coupon can be used any more.
        until: Timestamp,
    },
    /// Days counted from the claim.
    AfterClaim {
        /// Days from the day of the claim to the first valid one, 0 to 3 660.
        wait_days: u16,
        /// Valid days, the first included, 1 to 3 660.
        days: u16,
    },
}

impl Validity {
    /// `(valid_from, valid_until)` of a coupon claimed at `claimed_at`; the end is exclusive.
    ///
    /// No coupon is valid before it was claimed. So a late report can never redeem one before it existed.
    pub fn window(&self, claimed_at: Timestamp) -> (Timestamp, Timestamp) {
        match *self {
            Validity::Fixed { from, until } => (from.max(claimed_at), until),
            Validity::AfterClaim { wait_days, days } => {
                let first = claimed_at.province_day().plus_days(i64::from(wait_days));
                let from = if wait_days == 0 { claimed_at } else { first.starts_at() };
                (from, first.plus_days(i64::from(days)).starts_at())
            }
        }
    }

    /// Whether the rule can ever be met: a window that is not empty, and days within [`VALIDITY_DAYS_MAX`].
    pub fn is_sound(&self) -> bool {
        match *self {
            Validity::Fixed { from, until } => from < until,
            Validity::AfterClaim { wait_days, days } => {
                days > 0 && days <= VALIDITY_DAYS_MAX && wait_days <= VALIDITY_DAYS_MAX
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wait_days: u16, days: u16, claimed_at: &str, from: &str, until: &str) {
        let window = Validity::AfterClaim { wait_days, days }.window(claimed_at.parse().unwrap());
        assert_eq!(window, (from.parse().unwrap(), until.parse().unwrap()));
    }

    #[test]
    fn days_after_a_claim_are_whole_days_of_the_province() {
        let midnight_after_22nd = "2026-11-22T16:00:00Z";
        check(0, 1, "2026-11-22T03:00:00Z", "2026-11-22T03:00:00Z", midnight_after_22nd);
        check(0, 1, "2026-11-22T15:59:59Z", "2026-11-22T15:59:59Z", midnight_after_22nd);
        check(0, 1, midnight_after_22nd, midnight_after_22nd, "2026-11-23T16:00:00Z");
        check(1, 3, "2026-11-22T03:00:00Z", midnight_after_22nd, "2026-11-25T16:00:00Z");
        check(0, 7, "2028-02-25T03:00:00Z", "2028-02-25T03:00:00Z", "2028-03-02T16:00:00Z");
    }

    #[test]
    fn a_fixed_window_begins_with_the_claim_when_that_is_later() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, until) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        let fixed = Validity::Fixed { from, until };
        assert_eq!(fixed.window(at("2026-10-01T00:00:00Z")), (from, until));
        assert_eq!(fixed.window(at("2026-11-05T00:00:00Z")), (at("2026-11-05T00:00:00Z"), until));
    }

    #[test]
    fn a_window_that_never_opens_is_not_sound() {
        let at = |text: &str| text.parse().unwrap();
        assert!(!Validity::Fixed { from: at("2026-11-22T00:00:00Z"), until: at("2026-11-22T00:00:00Z") }.is_sound());
        assert!(Validity::Fixed { from: at("2026-11-22T00:00:00Z"), until: at("2026-11-22T00:00:01Z") }.is_sound());
        assert!(!Validity::AfterClaim { wait_days: 0, days: 0 }.is_sound());
        assert!(Validity::AfterClaim { wait_days: 0, days: 1 }.is_sound());
        assert!(!Validity::AfterClaim { wait_days: 0, days: VALIDITY_DAYS_MAX + 1 }.is_sound());
    }
}
