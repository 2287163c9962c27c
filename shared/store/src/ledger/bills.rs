//! The lines of daily bills: each fold's entries of one merchant and day, packed as in a page and deflated.

use crate::{
    Ledger,
    ledger::{entries, keys},
    table::{
        attributes::{Item, Reader, binary, item},
        clauses::IS_NEW,
        error::StoreError,
    },
};
use mealticket_domain::{MerchantId, ProvinceDay, books::SheetKey, ids::IdError, journal::Entry};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};
use std::{fmt, str::FromStr};

/// Entries of one item, at most. A usual one has 30 bytes when it is deflated, so 2 000 make 60 KB.
const CHUNK: usize = 2_000;

/// Bytes of an item's entries when they are deflated: DynamoDB's 400 KB an item, less key and names. The longest legal
/// texts, which no compression helps, come to 260 bytes an entry. Then an item has half as many.
///
/// It is as much as the table takes, so what an older release could write is divided as that release divided it.
const CHUNK_BYTES_MAX: usize = 400 * 1_024 - 200;

/// Bytes of an item's entries when they are inflated: 2 000 of the longest, and their names.
const INFLATED_BYTES_MAX: usize = 1 << 20;

/// How hard the deflater tries: the middle, beyond which little is won.
const LEVEL: u8 = 6;

/// Items that are read at once. Each has at most 300 KB, so a megabyte is hardly passed.
const ITEMS: i32 = 8;

/// Where a bill goes on: an item of it, and how many of that item's lines were had. As text, three numbers with dots. A
/// client can forge one, and then sees other lines of the same bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillCursor {
    fold: u64,
    chunk: usize,
    had: usize,
}

impl fmt::Display for BillCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.fold, self.chunk, self.had)
    }
}

impl FromStr for BillCursor {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut numbers = text.split('.').map(|part| part.parse::<u32>().map_err(|_| IdError));
        let mut next = || numbers.next().unwrap_or(Err(IdError));
        let (fold, chunk, had) = (next()?, next()?, next()?);
        if numbers.next().is_some() || chunk > 999 {
            return Err(IdError);
        }
        let size = |number: u32| usize::try_from(number).map_err(|_| IdError);
        Ok(BillCursor { fold: fold.into(), chunk: size(chunk)?, had: size(had)? })
    }
}

/// Some lines of a bill, and where it goes on.
#[derive(Debug, Default)]
pub struct BillLines {
    /// The lines, in the order in which they were folded.
    pub lines: Vec<Entry>,
    /// Where the bill goes on; `None` at its end.
    pub next: Option<BillCursor>,
}

impl Ledger {
    /// Adds what fold `fold` has for a day's bill. Safe to repeat: a fold's lines are always the same, and an
    /// item that is there stays.
    ///
    /// Cost: 1 PutItem, 1 W for each KB, for every 2 000 lines, and for fewer when they are long; also when refused.
    pub async fn add_to_bill(&self, sheet: &SheetKey, fold: u64, lines: &[Entry]) -> Result<(), StoreError> {
        let mut packed = Vec::new();
        for chunk in lines.chunks(CHUNK) {
            pack(chunk, &mut packed)?;
        }
        for (number, lines) in packed.iter().enumerate() {
            let key = keys::bill_part(&sheet.merchant, sheet.day, fold, number);
            let call = self.table.put_item().set_item(Some(key.with(item([("lines", Some(binary(lines)))]))));
            self.table.put(call.condition_expression(IS_NEW)).await?;
        }
        Ok(())
    }

    /// At most `limit` of a merchant's entries that are booked on a day, from `from` on, in the order in which they
    /// were folded. Strongly consistent.
    ///
    /// The bill of a closed day is complete and never changes. Before that, lines may still follow. Cost: 1 Query for
    /// every 8 items, 1 R for each 4 KB.
    pub async fn read_bill(
        &self,
        merchant: &MerchantId,
        day: ProvinceDay,
        from: Option<BillCursor>,
        limit: usize,
    ) -> Result<BillLines, StoreError> {
        let first = from.unwrap_or(BillCursor { fold: 0, chunk: 0, had: 0 });
        let start = keys::bill_part(merchant, day, first.fold, first.chunk);
        // After the last fold that a key can hold.
        let call = self.table.query_between(start.pk, start.sk, "~").limit(ITEMS);
        let mut bill = BillLines::default();
        let mut key = None;
        loop {
            let found = self.table.query(call.clone().set_exclusive_start_key(key)).await?;
            for item in &found.items {
                let (fold, chunk, lines) = read_item(item)?;
                let had = if (fold, chunk) == (first.fold, first.chunk) { first.had } else { 0 };
                let room = limit - bill.lines.len();
                if room == 0 {
                    bill.next = Some(BillCursor { fold, chunk, had });
                    return Ok(bill);
                }
                let all = lines.len();
                bill.lines.extend(lines.into_iter().skip(had).take(room));
                if had + room < all {
                    bill.next = Some(BillCursor { fold, chunk, had: had + room });
                    return Ok(bill);
                }
            }
            key = found.next;
            if key.is_none() {
                return Ok(bill);
            }
        }
    }
}

/// Packs lines for one item, or for several when they are too long for one. The same lines always give the same items.
fn pack(lines: &[Entry], items: &mut Vec<Vec<u8>>) -> Result<(), StoreError> {
    let packed = entries::pack(lines).ok_or(StoreError::Corrupt { item: "bill", attribute: "lines" })?;
    let deflated = compress_to_vec(&packed, LEVEL);
    if deflated.len() <= CHUNK_BYTES_MAX || lines.len() == 1 {
        items.push(deflated);
        return Ok(());
    }
    let (first, rest) = lines.split_at(lines.len() / 2);
    pack(first, items)?;
    pack(rest, items)
}

/// The fold, the chunk and the lines of an item. Inflating stops at [`INFLATED_BYTES_MAX`].
fn read_item(item: &Item) -> Result<(u64, usize, Vec<Entry>), StoreError> {
    let read = Reader::new(item, "bill");
    let (fold, chunk) = keys::read_bill_part(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?;
    let inflated = decompress_to_vec_with_limit(read.bytes("lines")?, INFLATED_BYTES_MAX).ok();
    let lines = inflated.and_then(|packed| entries::unpack(&packed)).ok_or_else(|| read.corrupt("lines"))?;
    Ok((fold, chunk, lines))
}
