//! Sheets: a merchant's day in one item, packed; in several parts when the merchant has many stores. Lapses have
//! the same form, by month.

use crate::{
    Ledger,
    ledger::{
        keys,
        packing::{Names, named},
    },
    table::{
        attributes::{Item, Reader, binary, item, number},
        calls::Write,
        clauses::IS_NEW,
        error::StoreError,
        key::Key,
    },
};
use mealticket_domain::{
    MerchantId, ProvinceDay, ProvinceMonth,
    books::{Cell, CellKey, Cells, LapseKey, Lapses, LapsesKey, Part, SheetKey, Sum, add_cells},
    settlement::{Account, Postings},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of both. Readers refuse a newer one instead of guessing.
const SCHEMA: u8 = 1;

/// A part's cells as they are packed. Each name is written once.
#[derive(Serialize, Deserialize)]
struct Packed {
    stores: Vec<String>,
    channels: Vec<String>,
    accounts: Vec<String>,
    cells: Vec<PackedCell>,
}

/// One cell. Store, channel and accounts are numbers in the lists of names.
#[derive(Serialize, Deserialize)]
struct PackedCell {
    campaign: u32,
    store: Option<u32>,
    channel: Option<u32>,
    claimed: i64,
    redeemed: i64,
    reversed: i64,
    order_value: i64,
    discount: i64,
    postings: Vec<(u32, i64)>,
}

/// Merchants that one query asks for.
const BOOKED_MERCHANTS: usize = 200;

/// How the cells of a part are packed and unpacked.
struct Form<K, V> {
    pack: fn(&BTreeMap<K, V>) -> Option<Vec<u8>>,
    unpack: fn(&[u8]) -> Option<BTreeMap<K, V>>,
}

const SHEET: Form<CellKey, Cell> = Form { pack, unpack };
const LAPSES: Form<LapseKey, i64> = Form { pack: pack_lapses, unpack: unpack_lapses };

impl Ledger {
    /// Adds what fold `fold` has for a sheet, once, however often it is asked, and by how many runs at once.
    ///
    /// A part remembers the last fold that is in it, so an addition that comes again is only recognised. Folds come in
    /// order; an earlier fold must be done.
    ///
    /// Cost: 1 GetItem, 1 R for each 4 KB, and 1 PutItem, 1 W for each KB of sheet, for each part. A new part
    /// costs 1 PutItem, 1 W more.
    pub async fn add_to_sheet(&self, sheet: &SheetKey, fold: u64, cells: Cells) -> Result<(), StoreError> {
        let key = |part| keys::sheet_part(&sheet.merchant, sheet.day, part);
        self.add_to_parts(&sheet.merchant, key, fold, cells, &SHEET).await
    }

    /// Adds what fold `fold` has for a month's lapses, once, as [`add_to_sheet`](Ledger::add_to_sheet)
    /// does. The cost is the same.
    pub async fn add_to_lapses(&self, lapses: &LapsesKey, fold: u64, cells: Lapses) -> Result<(), StoreError> {
        let key = |part| keys::lapses_part(&lapses.merchant, lapses.month, part);
        self.add_to_parts(&lapses.merchant, key, fold, cells, &LAPSES).await
    }

    /// Adds cells part by part, until all of them have a part. After a lost race it takes the part that
    /// stands, and decides again.
    async fn add_to_parts<K: Ord + Clone, V: Sum>(
        &self,
        merchant: &MerchantId,
        key: impl Fn(u16) -> Key,
        fold: u64,
        mut cells: BTreeMap<K, V>,
        form: &Form<K, V>,
    ) -> Result<(), StoreError> {
        for part in 0.. {
            if cells.is_empty() {
                break;
            }
            let call = self.table.get_item().consistent_read(true);
            let mut stands = self.table.get(call.set_key(Some(key(part).attributes()))).await?;
            loop {
                let known = stands.as_ref().map(|item| read_part(item, form)).transpose()?;
                let seen = known.as_ref().map(|known| known.fold);
                let mut left = cells.clone();
                let Some(next) = known.unwrap_or_default().take(fold, &mut left) else {
                    cells = left;
                    break;
                };
                if seen.is_none() {
                    // Statements are made for the merchants that are noted. So no sheet may be there before the note.
                    self.note_booked(merchant).await?;
                }
                let call = self.table.put_item();
                let call = call.set_item(Some(key(part).with(part_item(&next, form)?)));
                let call = match seen {
                    None => call.condition_expression(IS_NEW),
                    // FOLD_IS_AS_SEEN: nobody added to the part since it was read.
                    Some(seen) => {
                        call.condition_expression("fold = :seen").expression_attribute_values(":seen", number(seen))
                    }
                };
                match self.table.put(call).await? {
                    Write::Refused(now) => stands = now,
                    Write::Done(_) => {
                        cells = left;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes that a merchant has sheets. A repeat writes the same.
    async fn note_booked(&self, merchant: &MerchantId) -> Result<(), StoreError> {
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(keys::booked(merchant).attributes()))).await.map(drop)
    }

    /// The merchants that have sheets, by their ids, at most `limit` after `after`. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB.
    pub async fn list_booked_merchants(
        &self,
        after: Option<&MerchantId>,
        limit: usize,
    ) -> Result<Vec<MerchantId>, StoreError> {
        let call = self.table.query_partition(keys::BOOKED.to_owned()).consistent_read(true);
        let call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let call = call.set_exclusive_start_key(after.map(|merchant| keys::booked(merchant).attributes()));
        self.table
            .query(call)
            .await?
            .items
            .iter()
            .map(|item| Reader::new(item, "booked merchant").parsed("sk"))
            .collect()
    }

    /// The first day that has a sheet, of any merchant; `None` when there is no sheet. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R, for each merchant, and 1 Query, 1 R, for each two hundred of them.
    pub async fn find_first_booked_day(&self) -> Result<Option<ProvinceDay>, StoreError> {
        let mut first: Option<ProvinceDay> = None;
        let mut after: Option<MerchantId> = None;
        loop {
            let merchants = self.list_booked_merchants(after.as_ref(), BOOKED_MERCHANTS).await?;
            for merchant in &merchants {
                let call = self.table.query_partition(keys::sheets(merchant)).consistent_read(true).limit(1);
                for item in self.table.query(call.projection_expression("sk")).await?.items {
                    let read = Reader::new(&item, "sheet");
                    let day = keys::read_sheet_day(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?;
                    first = Some(first.map_or(day, |first| first.min(day)));
                }
            }
            if merchants.len() < BOOKED_MERCHANTS {
                return Ok(first);
            }
            after = merchants.into_iter().next_back();
        }
    }

    /// A merchant's cells of a day, all parts together; empty when there is no sheet. Strongly consistent.
    ///
    /// Cost: 1 Query for each MB, 1 R for each 4 KB.
    pub async fn read_sheet(&self, merchant: &MerchantId, day: ProvinceDay) -> Result<Cells, StoreError> {
        let mut cells = Cells::new();
        self.for_each_sheet(merchant, day, day, |_, part| add_cells(&mut cells, &part)).await?;
        Ok(cells)
    }

    /// A merchant's cells from day to day, both included. Days without a sheet are absent. Strongly consistent.
    ///
    /// Cost: 1 Query for each MB, 1 R for each 4 KB. All of it is in memory at once.
    pub async fn read_sheets(
        &self,
        merchant: &MerchantId,
        first: ProvinceDay,
        last: ProvinceDay,
    ) -> Result<BTreeMap<ProvinceDay, Cells>, StoreError> {
        let mut days: BTreeMap<ProvinceDay, Cells> = BTreeMap::new();
        self.for_each_sheet(merchant, first, last, |day, part| add_cells(days.entry(day).or_default(), &part)).await?;
        Ok(days)
    }

    /// Hands a merchant's sheets over from day to day, both included, part by part as they are read. So a month of a
    /// large merchant need not fit into memory. Strongly consistent, item by item.
    ///
    /// Cost: 1 Query for each MB, 1 R for each 4 KB.
    pub async fn for_each_sheet(
        &self,
        merchant: &MerchantId,
        first: ProvinceDay,
        last: ProvinceDay,
        mut take: impl FnMut(ProvinceDay, Cells),
    ) -> Result<(), StoreError> {
        let first = keys::sheet_part(merchant, first, 0);
        let call = self.table.query_between(first.pk, first.sk, keys::sheets_end(last));
        let mut from = None;
        loop {
            let found = self.table.query(call.clone().set_exclusive_start_key(from)).await?;
            for item in &found.items {
                let read = Reader::new(item, "sheet");
                let day = keys::read_sheet_day(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?;
                take(day, read_part(item, &SHEET)?.cells);
            }
            from = found.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    /// A merchant's lapses from month to month, both included: coupons by day, campaign and
    /// channel. Strongly consistent.
    ///
    /// Cost: 1 Query for each MB, 1 R for each 4 KB.
    pub async fn read_lapses(
        &self,
        merchant: &MerchantId,
        first: ProvinceMonth,
        last: ProvinceMonth,
    ) -> Result<Lapses, StoreError> {
        let first = keys::lapses_part(merchant, first, 0);
        let call = self.table.query_between(first.pk, first.sk, keys::lapses_end(last));
        let mut lapses = Lapses::new();
        for item in self.table.query_all(call).await? {
            add_cells(&mut lapses, &read_part(&item, &LAPSES)?.cells);
        }
        Ok(lapses)
    }
}

/// The item of a part. `StoreError::Corrupt` when its cells cannot be packed.
fn part_item<K: Ord, V>(part: &Part<K, V>, form: &Form<K, V>) -> Result<Item, StoreError> {
    let cells = (form.pack)(&part.cells).ok_or(StoreError::Corrupt { item: "sheet", attribute: "cells" })?;
    Ok(item([("schema", Some(number(SCHEMA))), ("fold", Some(number(part.fold))), ("cells", Some(binary(&cells)))]))
}

/// The part of an item.
fn read_part<K: Ord, V>(item: &Item, form: &Form<K, V>) -> Result<Part<K, V>, StoreError> {
    let read = Reader::new(item, "sheet");
    if read.number::<u8>("schema")? != SCHEMA {
        return Err(read.corrupt("schema"));
    }
    let cells = (form.unpack)(read.bytes("cells")?).ok_or_else(|| read.corrupt("cells"))?;
    Ok(Part { fold: read.number("fold")?, cells })
}

/// The bytes of cells; `None` when they cannot be packed, which no cell that the domain makes does.
pub(crate) fn pack(cells: &Cells) -> Option<Vec<u8>> {
    let (mut stores, mut channels, mut accounts) = (Names::new(), Names::new(), Names::new());
    let packed = cells.iter().map(|(key, cell)| PackedCell {
        campaign: key.campaign.get(),
        store: key.store.as_ref().map(|store| stores.number(&store.as_str())),
        channel: key.channel.as_ref().map(|channel| channels.number(&channel.as_str())),
        claimed: cell.claimed,
        redeemed: cell.redeemed,
        reversed: cell.reversed,
        order_value: cell.order_value,
        discount: cell.discount,
        postings: cell.postings.amounts().map(|(account, fen)| (accounts.number(account), fen)).collect(),
    });
    let cells = packed.collect();
    let owned = |names: Names<&str>| names.in_order().into_iter().map(str::to_owned).collect();
    let accounts = accounts.in_order().iter().map(ToString::to_string).collect();
    postcard::to_allocvec(&Packed { stores: owned(stores), channels: owned(channels), accounts, cells }).ok()
}

/// The cells of these bytes; `None` when they are not what [`pack`] writes.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Cells> {
    let packed: Packed = postcard::from_bytes(bytes).ok()?;
    let accounts = packed.accounts.iter().map(|name| name.parse().ok()).collect::<Option<Vec<Account>>>()?;
    let mut cells = Cells::new();
    for cell in &packed.cells {
        let mut postings = Postings::default();
        for (account, fen) in &cell.postings {
            postings.add(named(&accounts, *account)?.clone(), *fen);
        }
        let key = CellKey {
            campaign: cell.campaign.try_into().ok()?,
            store: parsed(cell.store, &packed.stores)?,
            channel: parsed(cell.channel, &packed.channels)?,
        };
        let sums = Cell {
            claimed: cell.claimed,
            redeemed: cell.redeemed,
            reversed: cell.reversed,
            order_value: cell.order_value,
            discount: cell.discount,
            postings,
        };
        cells.insert(key, sums);
    }
    Some(cells)
}

/// The value of a number: `None` when it names none, `Some(None)` when there is no number.
fn parsed<T: std::str::FromStr>(number: Option<u32>, names: &[String]) -> Option<Option<T>> {
    let Some(number) = number else { return Some(None) };
    named(names, number)?.parse().ok().map(Some)
}

/// Day, campaign, channel, how many: some ten bytes each, and a channel's name.
type PackedLapse<'a> = (i64, u32, Option<&'a str>, i64);

/// The bytes of lapses; `None` when they cannot be packed.
fn pack_lapses(lapses: &Lapses) -> Option<Vec<u8>> {
    let packed = lapses.iter().map(|(key, coupons)| {
        let channel = key.channel.as_ref().map(|channel| channel.as_str());
        (key.day.number(), key.campaign.get(), channel, *coupons)
    });
    postcard::to_allocvec(&packed.collect::<Vec<PackedLapse<'_>>>()).ok()
}

/// The lapses of these bytes; `None` when they are not what [`pack_lapses`] writes.
fn unpack_lapses(bytes: &[u8]) -> Option<Lapses> {
    let packed: Vec<PackedLapse<'_>> = postcard::from_bytes(bytes).ok()?;
    let lapse = |(day, campaign, channel, coupons): &PackedLapse<'_>| {
        let channel = channel.map(str::parse).transpose().ok()?;
        let key = LapseKey { day: ProvinceDay::from_number(*day)?, campaign: (*campaign).try_into().ok()?, channel };
        Some((key, *coupons))
    };
    packed.iter().map(lapse).collect()
}
