//! Units of a campaign's stock (I1).
//!
//! A unit is reserved before the coupon is put, and given back when the put is refused. A reservation whose answer is lost
//! counts as spent, and a return whose answer is lost counts as done: an error can make the stock smaller, never larger.

use crate::{
    Store,
    attributes::{Item, Reader, item, number},
    calls::Write,
    clauses::IS_NEW,
    error::{StoreError, WasApplied},
    keys,
};
use mealticket_domain::{Campaign, CampaignNo, coupon::LeaseId};

/// One reserved unit. It must be [`spent`](Reservation::spent) or given back; there is no third way.
#[must_use = "a reserved unit is spent or given back"]
pub struct Reservation {
    campaign: CampaignNo,
    shard: u16,
    lease_id: LeaseId,
}

impl Reservation {
    /// What the coupon that spends the unit carries.
    pub fn lease_id(&self) -> LeaseId {
        self.lease_id
    }

    /// The unit is a coupon now, or may be.
    pub fn spent(self) {}
}

/// There is at least one unit on the shard.
const HAS_A_UNIT: &str = "remaining >= :one";

impl Store {
    /// Takes one unit from a shard that has one, beginning at a random shard; `None` when every shard is empty.
    pub async fn reserve(&self, campaign: &Campaign, lease_id: LeaseId) -> Result<Option<Reservation>, StoreError> {
        let shards = campaign.stock_shards.max(1);
        let first = fastrand::u16(..shards);
        for step in 0..shards {
            let shard = (first + step) % shards;
            if self.take_unit(campaign.no, shard).await? {
                return Ok(Some(Reservation { campaign: campaign.no, shard, lease_id }));
            }
        }
        Ok(None)
    }

    /// One unguarded decrement: repeated only while the table says that it did nothing.
    async fn take_unit(&self, campaign: CampaignNo, shard: u16) -> Result<bool, StoreError> {
        let call = self.client.update_item().table_name(&self.tables.stock);
        let call = call
            .set_key(Some(keys::stock_shard(campaign, shard).attributes()))
            .condition_expression(HAS_A_UNIT)
            .update_expression("SET remaining = remaining - :one")
            .expression_attribute_values(":one", number(1));
        Ok(matches!(self.while_not_applied(call).await?, Write::Done(_)))
    }

    /// Gives a unit back that no coupon will ever spend. A lost answer is not repeated: a unit given back twice could be
    /// issued twice.
    pub async fn give_back(&self, unit: Reservation) {
        // Also when the request is out of time: a throttle answers at once, and a lost answer is not repeated.
        let patient = Store { answer_by: None, ..self.clone() };
        let call = self.client.update_item().table_name(&self.tables.stock);
        let call = call
            .set_key(Some(keys::stock_shard(unit.campaign, unit.shard).attributes()))
            .update_expression("SET remaining = remaining + :one")
            .expression_attribute_values(":one", number(1));
        if let Err(error) = patient.while_not_applied(call).await {
            let campaign = unit.campaign.to_string();
            tracing::warn!(%campaign, shard = unit.shard, %error, "a unit of stock stays spent");
        }
    }

    /// An update without a guard of its own: repeated while the table certainly did nothing, at most [`UNGUARDED_TRIES`].
    async fn while_not_applied(
        &self,
        call: aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder,
    ) -> Result<Write, StoreError> {
        let mut tries = 1;
        loop {
            match self.update_once(call.clone()).await {
                Err(StoreError::Unavailable { applied: WasApplied::No, .. }) if tries < UNGUARDED_TRIES => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(5..80))).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Units left on all shards, eventually consistent; `None` when the campaign has no stock items.
    pub async fn remaining(&self, campaign: CampaignNo) -> Result<Option<u64>, StoreError> {
        let call = self.query_prefix(&self.tables.stock, keys::stock_partition(campaign), keys::SHARD);
        let items = self.query_all(call).await?;
        let units = items.iter().map(|item| Reader::new(item, "stock shard").number::<u64>("remaining"));
        let units = units.collect::<Result<Vec<_>, _>>()?;
        Ok(if units.is_empty() { None } else { Some(units.iter().sum()) })
    }

    /// Lays out a campaign's stock, once: a shard that is there is left as it is.
    pub async fn lay_out_stock(&self, campaign: &Campaign) -> Result<(), StoreError> {
        for shard in 0..campaign.stock_shards {
            let share = Campaign::shard_share(campaign.stock, campaign.stock_shards, shard);
            let attributes: Item = item([("remaining", Some(number(share))), ("share", Some(number(share)))]);
            let call = self.client.put_item().table_name(&self.tables.stock);
            let item = keys::stock_shard(campaign.no, shard).with(attributes);
            self.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await?;
        }
        Ok(())
    }
}

/// A throttled decrement is tried five times, over about 200 ms: the app's own retry takes over after that.
const UNGUARDED_TRIES: u32 = 5;
