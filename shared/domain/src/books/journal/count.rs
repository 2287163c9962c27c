//! What the sheets count and no entry has: coupons that were claimed, and coupons that will have lapsed.
//!
//! Expiry is no event: a coupon lapses by the clock. So each change moves a coupon that can still be used to
//! the day on which it would lapse. When the coupon is used up or deactivated, it is taken away from there.
//! What a day that is over still has, lapsed on it.

use crate::{coupon::Coupon, ids::CampaignNo, text::Channel, timestamp::ProvinceDay};
use std::collections::BTreeMap;

/// What is counted together: coupons of a campaign and a channel, on a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountKey {
    /// The campaign that gave the coupons out.
    pub campaign: CampaignNo,
    /// The channel through which they were claimed, if the claims named one.
    pub channel: Option<Channel>,
    /// The province's day: of the claim, or of the last usable second.
    pub day: ProvinceDay,
}

/// How many coupons, by which a page changes the sheets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Coupons that were claimed on the day.
    pub claimed: u32,
    /// By how much the number of coupons changed whose last usable second is in the day.
    pub lapsing: i32,
}

/// Counts by their key. One that is zero throughout is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<CountKey, Count>);

/// Bytes of a count in a page, at the most, without the channel's name.
///
/// A campaign has 4, a day 3, each of the two counts 5; the rest are lengths.
const COUNT_BYTES: usize = 20;

impl Counts {
    /// What changed between two states of one coupon; `before` is `None` for its first state.
    ///
    /// A coupon that moves from one day to another is -1 on the one and +1 on the other.
    pub fn between(before: Option<&Coupon>, after: &Coupon) -> Self {
        let mut counts = Counts::default();
        if before.is_none() {
            counts.count(after, after.claimed_at.province_day(), Count { claimed: 1, lapsing: 0 });
        }
        if let Some(before) = before.filter(|before| can_lapse(before)) {
            counts.count(before, lapses_on(before), Count { claimed: 0, lapsing: -1 });
        }
        if can_lapse(after) {
            counts.count(after, lapses_on(after), Count { claimed: 0, lapsing: 1 });
        }
        counts
    }

    /// Adds a count of a coupon on a day.
    fn count(&mut self, coupon: &Coupon, day: ProvinceDay, count: Count) {
        self.insert(CountKey { campaign: coupon.key.campaign, channel: coupon.channel.clone(), day }, count);
    }

    /// Adds a count to those of its key. A sum of zero is removed.
    pub fn insert(&mut self, key: CountKey, count: Count) {
        let sum = self.0.entry(key.clone()).or_default();
        sum.claimed += count.claimed;
        sum.lapsing += count.lapsing;
        if *sum == Count::default() {
            self.0.remove(&key);
        }
    }

    /// Adds all counts of `other`, key by key.
    pub fn add(&mut self, other: &Counts) {
        other.iter().for_each(|(key, count)| self.insert(key.clone(), *count));
    }

    /// The counts, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&CountKey, &Count)> {
        self.0.iter()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that they take in a page, at the most.
    pub(super) fn bytes(&self) -> usize {
        self.0.keys().map(|key| COUNT_BYTES + key.channel.as_ref().map_or(0, |channel| channel.as_str().len())).sum()
    }
}

/// Whether the clock alone can end it: it has a unit left and was not deactivated.
fn can_lapse(coupon: &Coupon) -> bool {
    coupon.uses_left > 0 && coupon.deactivated_at.is_none()
}

/// The province's day of its last usable second.
fn lapses_on(coupon: &Coupon) -> ProvinceDay {
    coupon.valid_until.plus_seconds(-1).province_day()
}
