//! What the sheets count and no entry tells: coupons that were claimed, and coupons that will have lapsed.
//!
//! Expiry is no event: a coupon lapses by the clock. So each change moves a coupon that can still be used to the day on
//! which it would lapse, and takes it away when it is used up or deactivated; what a day that is over still has, lapsed on it.

use crate::{coupon::Coupon, ids::CampaignNo, text::Channel, timestamp::ProvinceDay};
use std::collections::BTreeMap;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountKey {
    /// Coupons of which campaign.
    pub campaign: CampaignNo,
    /// Claimed through which channel.
    pub channel: Option<Channel>,
    /// On which day of the province.
    pub day: ProvinceDay,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Coupons that were claimed on the day.
    pub claimed: u32,
    /// Coupons whose last usable second is in the day, by which this number changed.
    pub lapsing: i32,
}

/// Counts by their key; none is zero throughout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<CountKey, Count>);

/// Bytes of a count in a page, at the most, without the channel's name: a campaign of 4, a day of 3, a count of 5 and one of
/// 5, and lengths.
const COUNT_BYTES: usize = 20;

impl Counts {
    /// What changed between two states of one coupon.
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

    fn count(&mut self, coupon: &Coupon, day: ProvinceDay, count: Count) {
        self.insert(CountKey { campaign: coupon.key.campaign, channel: coupon.channel.clone(), day }, count);
    }

    /// Adds a count to those of its key.
    pub fn insert(&mut self, key: CountKey, count: Count) {
        let sum = self.0.entry(key.clone()).or_default();
        sum.claimed += count.claimed;
        sum.lapsing += count.lapsing;
        if *sum == Count::default() {
            self.0.remove(&key);
        }
    }

    /// Both together.
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

/// Whether the clock alone can end it.
fn can_lapse(coupon: &Coupon) -> bool {
    coupon.uses_left > 0 && coupon.deactivated_at.is_none()
}

fn lapses_on(coupon: &Coupon) -> ProvinceDay {
    coupon.valid_until.plus_seconds(-1).province_day()
}
