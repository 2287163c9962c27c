//! Settling the leases of environments that ended without returning them (I2).
//!
//! A lease is settled only after the fence, and only with proof of how many of its units were spent.
//! Without proof a lease waits.

use super::{leases::Turns, shards::Swapped};
use crate::{Stock, table::error::StoreError};
use mealticket_domain::{
    CampaignNo, LeaseId, Timestamp,
    stock::{AfterReturn, Lease},
};

/// A lease that nothing can spend any more: a quarter of an hour after its death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced {
    /// The campaign whose stock it is of.
    pub campaign: CampaignNo,
    /// The shard that still has it in its books.
    pub shard: u16,
    /// Its id, which every coupon carries that spent a unit of it.
    pub id: LeaseId,
    /// Its units, and when it was taken and died.
    pub lease: Lease,
}

impl Stock {
    /// Every lease of a campaign that is fenced at `now`. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB of shards.
    pub async fn list_fenced_leases(&self, campaign: CampaignNo, now: Timestamp) -> Result<Vec<Fenced>, StoreError> {
        let shards = self.read_shards(campaign).await?;
        let fenced = shards.iter().flat_map(|(no, shard)| {
            let leases = shard.leases.iter().filter(|(_, lease)| lease.is_fenced(now));
            leases.map(|(id, lease)| Fenced { campaign, shard: *no, id: *id, lease: *lease })
        });
        Ok(fenced.collect())
    }

    /// Closes a fenced lease of which `spent` units are coupons, and gives the others back to stock.
    ///
    /// It returns how many came back by this call: 0 when the lease was closed before. Safe to repeat, and
    /// safe beside another sweep, because the lease leaves the shard in the same compare-and-set. The caller
    /// must have proof of `spent`.
    ///
    /// Cost: 1 Query, 1 R, and 1 PutItem, 1 W; 1 W more for each lost race. A repeat after a lost answer that
    /// finds its own work returns 0.
    ///
    /// Errors: `Unavailable` also when the races take longer than the call's time; nothing was done then.
    pub async fn settle(&self, fenced: &Fenced, spent: u64) -> Result<u64, StoreError> {
        let mut turns = Turns::new(self.table.give_up_at());
        let mut seen = self.look_at_shards(fenced.campaign).await?;
        loop {
            let Some(stands) = seen.shard(fenced.shard) else {
                return Err(StoreError::Corrupt { item: "stock shard", attribute: "pk" });
            };
            let Some(lease) = stands.leases.get(&fenced.id) else { return Ok(0) };
            let back = lease.units.saturating_sub(spent);
            let next = stands.returned(fenced.id, spent, AfterReturn::Closed);
            match self.swap_shard(fenced.campaign, fenced.shard, stands.seq, next, &mut seen).await? {
                Swapped::Done => return Ok(back),
                Swapped::Differs(_) => turns.wait().await?,
            }
        }
    }
}
