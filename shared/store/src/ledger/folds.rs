//! Folds (O1, S1): numbered, each written down before it touches a sheet.
//!
//! The rule is [`mealticket_domain::books`]. Each sheet changes by compare-and-set on its last fold, and the next fold
//! begins only when this one is done. So a run may be cut off, may be slow, and may not be alone.

use crate::{
    Ledger,
    ledger::keys,
    table::{
        attributes::{Item, Reader, instant, item, number},
        calls::Write,
        clauses::IS_NEW,
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{ProvinceDay, books::Fold, journal::StreamShard};
use std::collections::BTreeMap;

impl Ledger {
    /// The newest fold, done or not; `None` before the first. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R.
    pub async fn read_newest_fold(&self) -> Result<Option<Fold>, StoreError> {
        let call = self.table.query_partition(keys::FOLDS.to_owned());
        let call = call.scan_index_forward(false).consistent_read(true).limit(1);
        self.table.query(call).await?.items.first().map(read_fold).transpose()
    }

    /// The newest day that is closed; `None` before the first. Its bill never changes any more. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R.
    pub async fn read_closed_day(&self) -> Result<Option<ProvinceDay>, StoreError> {
        Ok(self.read_newest_fold().await?.and_then(|fold| fold.closed_by_now()))
    }

    /// Writes a fold down, before anything of it is done. False when a fold of its number is there: another run was
    /// first, or an earlier attempt of this call. The caller then reads the newest fold.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn begin_fold(&self, fold: &Fold) -> Result<bool, StoreError> {
        let call = self.table.put_item();
        let call = call.set_item(Some(fold_item(fold))).condition_expression(IS_NEW);
        Ok(matches!(self.table.put(call).await?, Write::Done(_)))
    }

    /// Writes down that a fold is done. All of it must be in the sheets. Safe to repeat.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn end_fold(&self, fold: &Fold) -> Result<(), StoreError> {
        let done = Fold { is_done: true, ..fold.clone() };
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(fold_item(&done)))).await.map(drop)
    }

    /// How far a shard is folded: its last page that is in the sheets; 0 for none. Strongly consistent.
    ///
    /// Cost: 1 GetItem, 1 R.
    pub async fn read_folded_mark(&self, shard: &StreamShard) -> Result<u64, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let item = self.table.get(call.set_key(Some(keys::folded_mark(shard).attributes()))).await?;
        item.map_or(Ok(0), |item| Reader::new(&item, "folded mark").number("page"))
    }

    /// Moves a shard's mark forward. A mark that is further stays, so a repeat and a late write change nothing.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn mark_folded(&self, shard: &StreamShard, page: u64) -> Result<(), StoreError> {
        let call = self.table.put_item();
        let call = call.set_item(Some(keys::folded_mark(shard).with(item([("page", Some(number(page)))]))));
        // IS_NEW_OR_BEHIND: a fold that is done again moves nothing back.
        let call = call.condition_expression("attribute_not_exists(pk) OR page < :page");
        self.table.put(call.expression_attribute_values(":page", number(page))).await.map(drop)
    }
}

/// A day as the number of days that the domain counts.
fn day_number(day: ProvinceDay) -> AttributeValue {
    number(day.number())
}

pub(crate) fn read_day(read: &Reader<'_>, attribute: &'static str) -> Result<ProvinceDay, StoreError> {
    ProvinceDay::from_number(read.number(attribute)?).ok_or_else(|| read.corrupt(attribute))
}

fn fold_item(fold: &Fold) -> Item {
    let pages = fold.pages.iter().map(|(shard, (first, last))| {
        (shard.as_str().to_owned(), AttributeValue::L(vec![number(first), number(last)]))
    });
    keys::fold(fold.no).with(item([
        ("pages", Some(AttributeValue::M(pages.collect()))),
        ("closed", fold.closed.map(day_number)),
        ("closes", fold.closes.map(day_number)),
        ("planned_at", Some(instant(fold.planned_at))),
        ("look_from", Some(day_number(fold.look_from))),
        ("is_done", Some(AttributeValue::Bool(fold.is_done))),
    ]))
}

/// The fold of an item.
fn read_fold(item: &Item) -> Result<Fold, StoreError> {
    let read = Reader::new(item, "fold");
    let mut pages = BTreeMap::new();
    for (shard, range) in read.map("pages")? {
        let numbers: Option<Vec<u64>> =
            range.as_l().ok().map(|list| list.iter().filter_map(|n| n.as_n().ok()?.parse().ok()).collect());
        let Some([first, last]) = numbers.as_deref() else { return Err(read.corrupt("pages")) };
        pages.insert(shard.parse().map_err(|_| read.corrupt("pages"))?, (*first, *last));
    }
    Ok(Fold {
        no: read.str("sk")?.parse().map_err(|_| read.corrupt("sk"))?,
        pages,
        closed: read.optional("closed", read_day)?,
        closes: read.optional("closes", read_day)?,
        planned_at: read.instant("planned_at")?,
        look_from: read_day(&read, "look_from")?,
        is_done: read.flag("is_done")?,
    })
}
