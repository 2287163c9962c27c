//! The books: pages folded into sheets (O1, S1). **Every page is in the sheets once**, whoever folds, however
//! often.
//!
//! A **sheet** (日汇总) is what a merchant's campaigns came to on one day, by campaign, store and channel.
//!
//! Pages are folded in numbered **folds** (汇总), one after the other. The pages of a fold are written down
//! before the first sheet is touched. A sheet remembers the last fold that is in it. So a fold that was cut
//! off is begun again without a second effect.
//!
//! A day that is **closed** does not change any more. What happened on it and comes later is booked on the
//! first day that is open. So a statement (see [`crate::statement`]) never changes either.

use crate::{
    ids::{CampaignNo, MerchantId, StoreId},
    journal::{Entry, EntryKind, Page, StreamShard},
    settlement::Postings,
    text::Channel,
    timestamp::{ProvinceDay, ProvinceMonth, Timestamp},
};
use std::collections::BTreeMap;

/// Seconds after a day's end at which it is closed: six hours.
///
/// That is for what the stream and the tables may be late. The daily bill is there the next morning.
pub const CLOSE_AFTER_SECONDS: i64 = 6 * 3_600;

/// Cells of one part of a sheet.
///
/// A cell has at most 350 bytes, packed: five sums of ten, 24 accounts of eleven, a store of 29. 1 000 of
/// them are 350 KB of DynamoDB's 400. A usual cell has 40 bytes. What is more goes into the next part.
pub const SHEET_CELLS_MAX: usize = 1_000;

/// A fold: which pages of which shards, and how far the books were closed.
///
/// It is written before any sheet is. Whoever finds it not done finishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Its number, from 1, without gaps.
    pub no: u64,
    /// The first and the last page, both included, of each shard that has new ones.
    pub pages: BTreeMap<StreamShard, (u64, u64)>,
    /// The day up to which, included, the books are closed while it is folded; none before the first close.
    pub closed: Option<ProvinceDay>,
    /// The day up to which, included, it closes the books when it is done; none when it closes no day.
    pub closes: Option<ProvinceDay>,
    /// When it was planned, by our clock.
    pub planned_at: Timestamp,
    /// The first day on which a shard may have been noted whose pages are not all in the folds up to this one.
    pub look_from: ProvinceDay,
    /// Whether all of it is in the sheets.
    pub is_done: bool,
}

impl Fold {
    /// The newest day that is closed, counting this fold's own close once it is done.
    pub fn closed_by_now(&self) -> Option<ProvinceDay> {
        self.closes.filter(|_| self.is_done).or(self.closed)
    }

    /// The months whose last day this fold closes, oldest first. A fold after a long pause may close many.
    ///
    /// The first close ever closes every month from that of `first_booked` on, the first day that has a sheet. Later
    /// closes begin after the one before, and do not look at it.
    pub fn months_closed(&self, first_booked: Option<ProvinceDay>) -> Vec<ProvinceMonth> {
        let Some(closes) = self.closes else { return Vec::new() };
        let end = ProvinceMonth::of(closes.plus_days(1));
        let first_open = self.closed.map(|closed| closed.plus_days(1)).or(first_booked);
        let mut month = first_open.map_or(end, ProvinceMonth::of);
        let mut months = Vec::new();
        while month < end {
            months.push(month);
            month = month.next();
        }
        months
    }
}

/// What a cell sums up: the redemptions of a campaign in a store, of coupons claimed through a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// The campaign that gave the coupons out.
    pub campaign: CampaignNo,
    /// The store that redeemed; none for claims, which belong to no store.
    pub store: Option<StoreId>,
    /// The channel through which the coupons were claimed; none when the claims named none.
    pub channel: Option<Channel>,
}

/// The sums of one cell.
///
/// Sums of 10¹² fen stay below 2⁶³ for nine million of the largest orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Coupons that were claimed.
    pub claimed: i64,
    /// Redemptions, the undone ones included.
    pub redeemed: i64,
    /// Reversals.
    pub reversed: i64,
    /// Fen of the orders before the discount, less those of orders that were undone.
    pub order_value: i64,
    /// Fen that were taken off, less what was undone.
    pub discount: i64,
    /// The money that moved. It is even: together the accounts are zero.
    pub postings: Postings,
}

impl Cell {
    /// The cell of one entry. A reversal takes its amounts away; an adjustment adds money and counts as
    /// neither.
    pub fn of(entry: &Entry) -> Self {
        let sign = if entry.event.kind == EntryKind::Reversal { -1 } else { 1 };
        let fen = |fen: u64| i64::try_from(fen).unwrap_or(i64::MAX);
        Cell {
            redeemed: i64::from(entry.event.kind == EntryKind::Redemption),
            reversed: i64::from(entry.event.kind == EntryKind::Reversal),
            order_value: sign * fen(entry.amount.get()),
            discount: sign * fen(entry.discount.get()),
            postings: entry.postings.clone(),
            ..Cell::default()
        }
    }
}

/// What can be summed up in a part: cells, and counts of lapses.
pub trait Sum: Clone + Default {
    /// Adds `other` to this.
    fn add(&mut self, other: &Self);
}

impl Sum for i64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

impl Sum for Cell {
    fn add(&mut self, other: &Cell) {
        self.claimed += other.claimed;
        self.redeemed += other.redeemed;
        self.reversed += other.reversed;
        self.order_value += other.order_value;
        self.discount += other.discount;
        self.postings.post(&other.postings);
    }
}

/// The cells of a sheet, by their key.
pub type Cells = BTreeMap<CellKey, Cell>;

/// Adds `cells` to the sums of the same keys. A key that is not there yet begins at zero.
pub fn add_cells<K: Ord + Clone, V: Sum>(sums: &mut BTreeMap<K, V>, cells: &BTreeMap<K, V>) {
    cells.iter().for_each(|(key, cell)| sums.entry(key.clone()).or_default().add(cell));
}

/// Which coupons lapse together: those of a campaign, claimed through a channel, with the same last usable
/// day.
///
/// Lapses are kept by month, not by the day that is open. A redemption takes one away from a day weeks ahead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LapseKey {
    /// The province's day of the last usable second.
    pub day: ProvinceDay,
    /// The campaign that gave the coupons out.
    pub campaign: CampaignNo,
    /// The channel through which they were claimed, if the claims named one.
    pub channel: Option<Channel>,
}

/// How many coupons the clock alone can end, by the day on which it would. Of a day that is over, they have
/// expired.
pub type Lapses = BTreeMap<LapseKey, i64>;

/// Whose lapses, and of which month: the key of one item of the books, in parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LapsesKey {
    /// The merchant of the campaigns.
    pub merchant: MerchantId,
    /// The month that the days are in.
    pub month: ProvinceMonth,
}

/// Whose sheet, and of which day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SheetKey {
    /// The merchant of the campaigns.
    pub merchant: MerchantId,
    /// The day on which things are booked: their own, or the first that was open.
    pub day: ProvinceDay,
}

/// What one fold adds to one sheet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addition {
    /// The sums that are added to the sheet's cells.
    pub cells: Cells,
    /// The entries, each a line of the day's bill.
    pub entries: Vec<Entry>,
}

/// What one fold adds to the books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Additions {
    /// What is added to the sheets and the bills.
    pub sheets: BTreeMap<SheetKey, Addition>,
    /// What is added to the lapses.
    pub lapses: BTreeMap<LapsesKey, Lapses>,
}

/// What pages add to the books, when those are closed up to and with `closed`.
///
/// `merchant_of` names a campaign's merchant, for claims and lapses. An entry names its own merchant. The
/// same pages give the same additions, so a fold that is begun again adds nothing else.
pub fn additions<'a>(
    pages: impl IntoIterator<Item = &'a Page>,
    closed: Option<ProvinceDay>,
    merchant_of: impl Fn(CampaignNo) -> MerchantId,
) -> Additions {
    let mut additions = Additions::default();
    for page in pages {
        for entry in &page.entries {
            let day = booked_on(entry.at.province_day(), closed);
            let sheet = SheetKey { merchant: entry.merchant.clone(), day };
            let addition = additions.sheets.entry(sheet).or_default();
            let key = CellKey {
                campaign: entry.event.coupon.campaign,
                store: Some(entry.store.clone()),
                channel: entry.channel.clone(),
            };
            addition.cells.entry(key).or_default().add(&Cell::of(entry));
            addition.entries.push(entry.clone());
        }
        for (counted, count) in page.counts.iter() {
            let (merchant, campaign, channel) =
                (merchant_of(counted.campaign), counted.campaign, counted.channel.clone());
            if count.lapsing != 0 {
                let month = LapsesKey { merchant: merchant.clone(), month: ProvinceMonth::of(counted.day) };
                let key = LapseKey { day: counted.day, campaign, channel: channel.clone() };
                *additions.lapses.entry(month).or_default().entry(key).or_default() += i64::from(count.lapsing);
            }
            if count.claimed != 0 {
                let sheet = SheetKey { merchant, day: booked_on(counted.day, closed) };
                let key = CellKey { campaign, store: None, channel };
                let cell = Cell { claimed: count.claimed.into(), ..Cell::default() };
                additions.sheets.entry(sheet).or_default().cells.entry(key).or_default().add(&cell);
            }
        }
    }
    additions
}

/// The day on which something of `day` is booked: that day, or the first that is open.
pub fn booked_on(day: ProvinceDay, closed: Option<ProvinceDay>) -> ProvinceDay {
    closed.map_or(day, |closed| day.max(closed.plus_days(1)))
}

/// The day to close at `now`: the newest that ended at least [`CLOSE_AFTER_SECONDS`] ago.
///
/// `None` when it is closed already. Days before it close with it.
pub fn day_to_close(now: Timestamp, closed: Option<ProvinceDay>) -> Option<ProvinceDay> {
    let due = now.plus_seconds(-CLOSE_AFTER_SECONDS).province_day().plus_days(-1);
    Some(due).filter(|due| closed.is_none_or(|closed| closed < *due))
}

/// One part of a sheet, as it stands: one item of the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Part<K: Ord, V> {
    /// The last fold that is in it; 0 for none.
    pub fold: u64,
    /// Its cells, at most [`SHEET_CELLS_MAX`].
    pub cells: BTreeMap<K, V>,
}

impl<K: Ord, V> Default for Part<K, V> {
    fn default() -> Self {
        Part { fold: 0, cells: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V: Sum> Part<K, V> {
    /// Takes in what fold `fold` adds, as far as there is room for new cells, and removes that from `cells`.
    ///
    /// `None` when there is nothing to write. Either the fold is in this part already, and the cells that it
    /// has are only removed from `cells`. Or the part is full, and has none of them.
    pub fn take(&self, fold: u64, cells: &mut BTreeMap<K, V>) -> Option<Self> {
        if self.fold >= fold {
            cells.retain(|key, _| !self.cells.contains_key(key));
            return None;
        }
        let before = cells.len();
        let mut next = Part { fold, cells: self.cells.clone() };
        cells.retain(|key, cell| {
            let has_place = next.cells.contains_key(key) || next.cells.len() < SHEET_CELLS_MAX;
            if has_place {
                next.cells.entry(key.clone()).or_default().add(cell);
            }
            !has_place
        });
        (cells.len() < before).then_some(next)
    }
}

#[cfg(test)]
mod tests;
