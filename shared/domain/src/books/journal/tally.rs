//! The tally of a page: counts by which stock is settled.
//!
//! Claims are counted by campaign and lease. A lease that is over keeps as many units as it has claims.
//! Redemptions and reversals are counted by campaign.

use super::{Content, CouponEvent};
use crate::{ids::CampaignNo, stock::LeaseId};
use std::collections::BTreeMap;

/// Counts of events. Tallies of pages are added up to that of a whole shard or journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Coupons that were claimed, by campaign and by the lease whose unit each is.
    pub claims: BTreeMap<CampaignNo, BTreeMap<LeaseId, u32>>,
    /// Redemptions and reversals, by campaign.
    pub uses: BTreeMap<CampaignNo, Uses>,
}

/// How often coupons of a campaign were redeemed, and how often that was undone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// Redemptions, the undone ones included.
    pub redemptions: u32,
    /// Reversals. Each undoes one of those redemptions.
    pub reversals: u32,
}

impl Tally {
    /// Counts what a record says. One that says nothing of a coupon, or cannot be read, counts nothing.
    pub fn count(&mut self, content: &Content) {
        let Content::Coupon(change) = content else { return };
        let campaign = change.coupon.key.campaign;
        for event in &change.events {
            match event {
                CouponEvent::Claimed => {
                    *self.claims.entry(campaign).or_default().entry(change.coupon.lease_id).or_default() += 1;
                }
                CouponEvent::Redeemed(_) => self.uses.entry(campaign).or_default().redemptions += 1,
                CouponEvent::Reversed(_) => self.uses.entry(campaign).or_default().reversals += 1,
            }
        }
    }

    /// How many coupons were claimed with units of one lease.
    pub fn claims_of(&self, campaign: CampaignNo, lease: LeaseId) -> u64 {
        let claims = self.claims.get(&campaign).and_then(|leases| leases.get(&lease));
        claims.copied().map_or(0, u64::from)
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Tally) {
        for (campaign, leases) in &other.claims {
            let sums = self.claims.entry(*campaign).or_default();
            leases.iter().for_each(|(lease, claims)| *sums.entry(*lease).or_default() += claims);
        }
        for (campaign, uses) in &other.uses {
            let sum = self.uses.entry(*campaign).or_default();
            sum.redemptions += uses.redemptions;
            sum.reversals += uses.reversals;
        }
    }
}
