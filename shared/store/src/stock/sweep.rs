//! Settling the leases of environments that ended without a word (I2): only after the fence, and only with proof of how
//! many of their units were spent. Without proof a lease waits.

use super::{leases::Turns, shards::Swapped};
use crate::{Stock, table::error::StoreError};
use mealticket_domain::{
    CampaignNo, LeaseId, Timestamp,
    stock::{AfterReturn, Lease},
};

/// A lease that nothing can spend any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced {
    /// Of which campaign.
    pub campaign: CampaignNo,
    /// On which shard of its stock.
    pub shard: u16,
    /// Its name.
    pub id: LeaseId,
    /// Its facts.
    pub lease: Lease,
}

impl Stock {
    /// Every lease of a campaign that is fenced at `now`, strongly consistent.
    pub async fn list_fenced_leases(&self, campaign: CampaignNo, now: Timestamp) -> Result<Vec<Fenced>, StoreError> {
        let shards = self.read_shards(campaign).await?;
        let fenced = shards.iter().flat_map(|(no, shard)| {
            let leases = shard.leases.iter().filter(|(_, lease)| lease.is_fenced(now));
            leases.map(|(id, lease)| Fenced { campaign, shard: *no, id: *id, lease: *lease })
        });
        Ok(fenced.collect())
    }

    /// Closes a fenced lease of which `spent` units are coupons, and gives the others back. Gives how many came back now:
    /// none when somebody else closed it. Safe to repeat.
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
