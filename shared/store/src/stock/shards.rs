//! The items of a campaign's stock: one for each shard, changed by compare-and-set alone.
//!
//! A write that lands late finds another `seq` and changes nothing.

use super::NoUnit;
use crate::{
    Stock,
    stock::keys,
    table::{
        attributes::{Item, Reader, instant, item, number},
        cache::jittered,
        calls::Write,
        clauses::IS_NEW,
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    Campaign, CampaignNo, ProvinceDay, Timestamp,
    stock::{DayQuota, Lease, Shard},
};
use std::collections::BTreeMap;

/// What this environment last saw of a campaign's shards. It may be old. Then a write is refused, and the
/// refusal carries what stands.
#[derive(Default)]
pub(super) struct Seen {
    shards: BTreeMap<u16, Shard>,
    /// The shard that this environment keeps to, so that environments spread over the shards.
    home: Option<u16>,
}

/// What a compare-and-set came to.
pub(super) enum Swapped {
    /// The shard is as we wrote it.
    Done,
    /// It was not as we had seen it. This is what stands.
    Differs(Shard),
}

/// How a query reads. Strongly consistent reads cost twice as much.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Consistent,
    Eventual,
}

/// Nobody has changed the shard since it was read. Guards every change of a shard.
const IS_AS_SEEN: &str = "seq = :seen";

impl Seen {
    /// The shard as it was last seen.
    pub(super) fn shard(&self, no: u16) -> Option<Shard> {
        self.shards.get(&no).cloned()
    }

    /// Forgets a shard, so that nothing is written from an old view of it.
    pub(super) fn forget(&mut self, no: u16) {
        self.shards.remove(&no);
    }

    /// A shard that had units when it was last seen: home, or a random one, which is home from now on.
    pub(super) fn pick(&mut self, campaign: &Campaign, now: Timestamp) -> Option<u16> {
        let today = now.province_day();
        let has_units = |no: u16, shard: &Shard| shard.available(today, campaign.day_share(no)) > 0;
        let home = self.home.filter(|home| self.shards.get(home).is_some_and(|shard| has_units(*home, shard)));
        if home.is_none() {
            let with_units: Vec<u16> =
                self.shards.iter().filter(|(no, shard)| has_units(**no, shard)).map(|(no, _)| *no).collect();
            self.home = fastrand::choice(with_units);
        }
        self.home
    }

    /// Why no shard has a unit; `None` when one has. `StoreError::Corrupt` when the campaign has no shards at all.
    pub(super) fn refusal(&self, campaign: &Campaign, now: Timestamp) -> Result<Option<NoUnit>, StoreError> {
        let today = now.province_day();
        let available = |no: u16, shard: &Shard| shard.available(today, campaign.day_share(no));
        if self.shards.is_empty() {
            return Err(StoreError::Corrupt { item: "stock", attribute: "pk" });
        }
        if self.shards.iter().any(|(no, shard)| available(*no, shard) > 0) {
            return Ok(None);
        }
        let remains = self.shards.values().any(|shard| shard.remaining > 0);
        let may_come_back = |lease: &Lease| !remains || lease.from.province_day() == today;
        let settling = self.shards.values().flat_map(|shard| shard.leases.values()).any(may_come_back);
        Ok(Some(match (settling, remains) {
            (true, _) => NoUnit::Settling,
            (false, true) => NoUnit::DayExhausted,
            (false, false) => NoUnit::SoldOut,
        }))
    }
}

impl Stock {
    /// Reads all shards anew, strongly consistent.
    pub(super) async fn look_at_shards(&self, campaign: CampaignNo) -> Result<Seen, StoreError> {
        Ok(Seen { shards: self.read_shards(campaign).await?, home: None })
    }

    /// Every shard as it stands. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each started 4 KB: 1 to 3 R while few leases are open.
    pub async fn read_shards(&self, campaign: CampaignNo) -> Result<BTreeMap<u16, Shard>, StoreError> {
        self.query_shards(campaign, Reads::Consistent).await
    }

    /// Every shard of a campaign, by number.
    async fn query_shards(&self, campaign: CampaignNo, reads: Reads) -> Result<BTreeMap<u16, Shard>, StoreError> {
        let call = self.table.query_prefix(keys::stock_partition(campaign), keys::SHARD);
        let items = self.table.query_all(call.consistent_read(reads == Reads::Consistent)).await?;
        items.iter().map(read_shard).collect()
    }

    /// Writes a shard as the next after `seq`. A lost answer is repeated until it is definite.
    ///
    /// When an earlier attempt of ours stands there, that is `Done`. Without an outcome, what we had seen of the shard
    /// is forgotten. Cost: 1 PutItem, 1 W, also when refused.
    pub(super) async fn swap_shard(
        &self,
        campaign: CampaignNo,
        no: u16,
        seq: u64,
        mut next: Shard,
        seen: &mut Seen,
    ) -> Result<Swapped, StoreError> {
        next.seq = seq + 1;
        seen.forget(no);
        let call = self.table.put_item();
        let call = call
            .set_item(Some(shard_item(campaign, no, &next)))
            .condition_expression(IS_AS_SEEN)
            .expression_attribute_values(":seen", number(seq));
        match self.table.put(call).await? {
            Write::Done(_) => {
                seen.shards.insert(no, next);
                Ok(Swapped::Done)
            }
            Write::Refused(Some(item)) => {
                let (_, stands) = read_shard(&item)?;
                // It stays home: of this shard we know now what stands, and of the others only what stood.
                seen.shards.insert(no, stands.clone());
                Ok(if stands == next { Swapped::Done } else { Swapped::Differs(stands) })
            }
            Write::Refused(None) => Err(StoreError::Corrupt { item: "stock shard", attribute: "pk" }),
        }
    }

    /// Units left of a campaign's stock, at most 30 seconds old: a hint for the wallet, not a promise.
    /// No claim is refused by it.
    ///
    /// A campaign without stock items has 0. So has one whose stock cannot be read, which is logged as an error. Cost:
    /// nothing while cached; then 1 Query, ½ R.
    pub async fn hint_remaining(&self, no: CampaignNo) -> Result<u64, StoreError> {
        if let Some(known) = self.leased.remaining.fresh(&no, self.table.clock()) {
            return Ok(known);
        }
        let since = self.table.clock().moment();
        let remaining = match self.count_remaining(no).await {
            Ok(remaining) => remaining.unwrap_or(0),
            // One campaign's trouble is not that of the wallet.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(campaign = %no, %error, "a campaign cannot be read");
                0
            }
            Err(error) => return Err(error),
        };
        self.leased.remaining.keep(no, remaining, since, jittered());
        Ok(remaining)
    }

    /// Units left on all shards; `None` when the campaign has no stock items. Eventually consistent.
    /// Leased units are not counted.
    ///
    /// Cost: 1 Query, ½ R for each started 4 KB.
    pub async fn count_remaining(&self, campaign: CampaignNo) -> Result<Option<u64>, StoreError> {
        let shards = self.query_shards(campaign, Reads::Eventual).await?;
        Ok(if shards.is_empty() { None } else { Some(shards.values().map(|shard| shard.remaining).sum()) })
    }

    /// Units that are leased: spent without the books closed, or still to come back. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each started 4 KB.
    pub async fn count_leased(&self, campaign: CampaignNo) -> Result<u64, StoreError> {
        let shards = self.read_shards(campaign).await?;
        Ok(shards.values().flat_map(|shard| shard.leases.values()).map(|lease| lease.units).sum())
    }

    /// Lays out a campaign's stock, once. A shard that is there stays as it is, so a repeat adds no unit,
    /// and goes on after a crash.
    ///
    /// Cost: 1 PutItem, 1 W, for each shard; one shard for every 2 000 units, at most 32.
    pub async fn lay_out_stock(&self, campaign: &Campaign) -> Result<(), StoreError> {
        for no in 0..campaign.stock_shards {
            let shard = Shard::with_units(Campaign::shard_share(campaign.stock, campaign.stock_shards, no));
            let call = self.table.put_item();
            let item = shard_item(campaign.no, no, &shard);
            self.table.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await?;
        }
        Ok(())
    }
}

fn shard_item(campaign: CampaignNo, no: u16, shard: &Shard) -> Item {
    let leases = shard.leases.iter().map(|(id, lease)| (id.to_string(), AttributeValue::M(lease_map(lease)))).collect();
    keys::stock_shard(campaign, no).with(item([
        ("seq", Some(number(shard.seq))),
        ("remaining", Some(number(shard.remaining))),
        ("day", shard.day.map(|quota| instant(quota.day.starts_at()))),
        // Older releases read `day_left`, and write it alone.
        ("day_left", shard.day.map(|quota| number(quota.left))),
        ("day_taken", shard.day.and_then(|quota| quota.taken).map(number)),
        ("leases", Some(AttributeValue::M(leases))),
    ]))
}

/// A lease in the shard's map. Its names are short, because every write of the shard pays for every open lease.
fn lease_map(lease: &Lease) -> Item {
    item([("k", Some(number(lease.units))), ("at", Some(instant(lease.from))), ("to", Some(instant(lease.until)))])
}

/// A shard and its number.
fn read_shard(item: &Item) -> Result<(u16, Shard), StoreError> {
    let read = Reader::new(item, "stock shard");
    let no = keys::read_stock_shard(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?;
    let leases = read.map("leases")?.iter().map(|(id, lease)| {
        let lease = lease.as_m().map_err(|_| read.corrupt("leases"))?;
        let lease = Reader::new(lease, "lease");
        let entry = Lease { units: lease.number("k")?, from: lease.instant("at")?, until: lease.instant("to")? };
        Ok((id.parse().map_err(|_| read.corrupt("leases"))?, entry))
    });
    let day: Option<ProvinceDay> = read.optional("day", Reader::instant)?.map(Timestamp::province_day);
    let left = read.optional("day_left", Reader::number)?;
    let taken = read.optional("day_taken", Reader::number)?;
    Ok((
        no,
        Shard {
            seq: read.number("seq")?,
            remaining: read.number("remaining")?,
            day: day.zip(left).map(|(day, left)| DayQuota { day, taken, left }),
            leases: leases.collect::<Result<_, StoreError>>()?,
        },
    ))
}
