//! Sheets: a merchant's day in one item, packed; in several when it has many stores.

use crate::{
    Store,
    attributes::{Item, Reader, binary, item, number},
    calls::Write,
    clauses::IS_NEW,
    error::StoreError,
    keys,
    ledger::packing::{Names, named},
};
use mealticket_domain::{
    MerchantId, ProvinceDay,
    books::{Cell, CellKey, Cells, Part, SheetKey, add_cells},
    settlement::{Account, Postings},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sheet's version; readers of a newer one must not guess.
const SCHEMA: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Packed {
    stores: Vec<String>,
    channels: Vec<String>,
    accounts: Vec<String>,
    cells: Vec<PackedCell>,
}

#[derive(Serialize, Deserialize)]
struct PackedCell {
    campaign: u32,
    store: Option<u32>,
    channel: Option<u32>,
    claimed: i64,
    lapsing: i64,
    redeemed: i64,
    reversed: i64,
    order_value: i64,
    discount: i64,
    postings: Vec<(u32, i64)>,
}

impl Store {
    /// Adds what fold `fold` has for a sheet, once however often it is asked.
    pub async fn add_to_sheet(&self, sheet: &SheetKey, fold: u64, mut cells: Cells) -> Result<(), StoreError> {
        let mut part = 0;
        while !cells.is_empty() {
            let key = keys::sheet_part(&sheet.merchant, sheet.day, part);
            let call = self.client.get_item().table_name(&self.tables.ledger).consistent_read(true);
            let mut stands = self.get(call.set_key(Some(key.clone().attributes()))).await?;
            loop {
                let known = stands.as_ref().map(read_part).transpose()?;
                let seen = known.as_ref().map(|known| known.fold);
                let mut left = cells.clone();
                if let Some(next) = known.unwrap_or_default().take(fold, &mut left) {
                    let call = self.client.put_item().table_name(&self.tables.ledger);
                    let call = call.set_item(Some(key.clone().with(part_item(&next)?)));
                    let call = match seen {
                        None => call.condition_expression(IS_NEW),
                        // FOLD_IS_AS_SEEN: nobody added to it since it was read.
                        Some(seen) => {
                            call.condition_expression("fold = :seen").expression_attribute_values(":seen", number(seen))
                        }
                    };
                    if let Write::Refused(now) = self.put(call).await? {
                        stands = now;
                        continue;
                    }
                }
                cells = left;
                break;
            }
            part += 1;
        }
        Ok(())
    }

    /// A merchant's cells of a day; all parts together.
    pub async fn sheet(&self, merchant: &MerchantId, day: ProvinceDay) -> Result<Cells, StoreError> {
        Ok(self.sheets(merchant, day, day).await?.remove(&day).unwrap_or_default())
    }

    /// A merchant's cells from day to day, both included.
    pub async fn sheets(
        &self,
        merchant: &MerchantId,
        first: ProvinceDay,
        last: ProvinceDay,
    ) -> Result<BTreeMap<ProvinceDay, Cells>, StoreError> {
        let part = |day, part| keys::sheet_part(merchant, day, part).sk;
        let call = self.query_between(keys::sheets(merchant), part(first, 0), part(last, u16::MAX));
        let mut days: BTreeMap<ProvinceDay, Cells> = BTreeMap::new();
        let mut from = None;
        loop {
            let found = self.query(call.clone().set_exclusive_start_key(from)).await?;
            for item in &found.items {
                let read = Reader::new(item, "sheet");
                let day = keys::read_sheet_day(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?;
                add_cells(days.entry(day).or_default(), &read_part(item)?.cells);
            }
            from = found.next;
            if from.is_none() {
                return Ok(days);
            }
        }
    }
}

fn part_item(part: &Part) -> Result<Item, StoreError> {
    let cells = pack(&part.cells).ok_or(StoreError::Corrupt { item: "sheet", attribute: "cells" })?;
    Ok(item([("schema", Some(number(SCHEMA))), ("fold", Some(number(part.fold))), ("cells", Some(binary(&cells)))]))
}

fn read_part(item: &Item) -> Result<Part, StoreError> {
    let read = Reader::new(item, "sheet");
    if read.number::<u8>("schema")? != SCHEMA {
        return Err(read.corrupt("schema"));
    }
    let cells = unpack(read.bytes("cells")?).ok_or_else(|| read.corrupt("cells"))?;
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
        lapsing: cell.lapsing,
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
            lapsing: cell.lapsing,
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

/// The thing of a number; `None` when it names none, `Some(None)` when there is no number.
fn parsed<T: std::str::FromStr>(number: Option<u32>, names: &[String]) -> Option<Option<T>> {
    let Some(number) = number else { return Some(None) };
    named(names, number)?.parse().ok().map(Some)
}
