//! What the rebuild reads (S3): every coupon there is, and the whole journal. The one access pattern that goes through a table.

use crate::{Store, attributes::Item, calls::Page as Found, error::StoreError, items, keys};
use mealticket_domain::{
    Coupon, Timestamp,
    journal::{Entry, StreamShard, events_between},
};
use std::collections::BTreeSet;

/// Where a scan goes on.
#[derive(Debug, Clone)]
pub struct ScanCursor(Item);

/// A part of a segment of the members' table.
#[derive(Debug, Default)]
pub struct ScannedCoupons {
    /// Its coupons.
    pub coupons: Vec<Coupon>,
    /// Keys of coupons that cannot be read.
    pub unreadable: Vec<String>,
    /// Where the segment goes on; `None` at its end.
    pub next: Option<ScanCursor>,
}

impl Store {
    /// The coupons of one of `segments` parts of the table, a megabyte at a time: 1 R for each 4 KB.
    pub async fn scan_coupons(
        &self,
        segment: u16,
        segments: u16,
        from: Option<ScanCursor>,
    ) -> Result<ScannedCoupons, StoreError> {
        let Found { items, next } = self.scan_members(segment, segments, from.map(|from| from.0)).await?;
        let mut scanned = ScannedCoupons { next: next.map(ScanCursor), ..ScannedCoupons::default() };
        for item in &items {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let (pk, sk) = (text("pk"), text("sk"));
            if sk == keys::PROFILE {
                continue;
            }
            match items::coupon::from_item(item) {
                Ok(coupon) => scanned.coupons.push(coupon),
                Err(_) => scanned.unreadable.push(format!("{pk} {sk}")),
            }
        }
        Ok(scanned)
    }

    /// All entries that a coupon comes to; the reason when its settlement terms are not to be had.
    pub async fn entries_of(&self, coupon: &Coupon) -> Result<Result<Vec<Entry>, &'static str>, StoreError> {
        match events_between(None, coupon) {
            Ok(events) => self.entries(coupon, &events).await,
            Err(_) => Ok(Err("a coupon's past was rewritten")),
        }
    }

    /// Every shard that was ever posted to.
    pub async fn all_shards(&self) -> Result<BTreeSet<StreamShard>, StoreError> {
        let (first, last) = (Timestamp::MIN.province_day(), Timestamp::MAX.province_day());
        self.active_shards(first, last.plus_days(-1)).await
    }
}
