//! What the rebuild reads of `members` (S3): every coupon there is. The one access pattern that
//! goes through a whole table.

use crate::{
    Members,
    members::item,
    members::keys,
    table::{attributes::Item, calls::Page as Found, error::StoreError},
};
use mealticket_domain::Coupon;

/// Where a scan goes on. It counts for its own segment alone.
#[derive(Debug, Clone)]
pub struct ScanCursor(Item);

/// A part of a segment of the members' table: at most a megabyte of items.
#[derive(Debug, Default)]
pub struct ScannedCoupons {
    /// Its coupons. Profiles are skipped.
    pub coupons: Vec<Coupon>,
    /// Keys of items that cannot be read as coupons. The scan goes on past them.
    pub unreadable: Vec<String>,
    /// Where the segment goes on; `None` at its end.
    pub next: Option<ScanCursor>,
}

impl Members {
    /// The coupons of one of `segments` parts of the table, a megabyte at a time. Strongly consistent, item by item.
    ///
    /// The scan is no snapshot: a coupon that changes meanwhile is there once, as it was when the scan came to it. Only
    /// `rebuild-ledger` may call this.
    ///
    /// Cost: 1 Scan, 1 R for each 4 KB, up to 256 R.
    pub async fn scan_coupons(
        &self,
        segment: u16,
        segments: u16,
        from: Option<ScanCursor>,
    ) -> Result<ScannedCoupons, StoreError> {
        let call = self.table.scan_items().consistent_read(true).segment(segment.into());
        let call = call.total_segments(segments.into()).set_exclusive_start_key(from.map(|from| from.0));
        let Found { items, next } = self.table.scan(call).await?;
        let mut scanned = ScannedCoupons { next: next.map(ScanCursor), ..ScannedCoupons::default() };
        for item in &items {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let (pk, sk) = (text("pk"), text("sk"));
            if sk == keys::PROFILE {
                continue;
            }
            match item::from_item(item) {
                Ok(coupon) => scanned.coupons.push(coupon),
                Err(_) => scanned.unreadable.push(format!("{pk} {sk}")),
            }
        }
        Ok(scanned)
    }
}
