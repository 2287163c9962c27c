//! The lines of daily bills: each fold's entries of one merchant and day, packed as in a page and deflated.

use crate::{
    Store,
    attributes::{Reader, binary, item},
    clauses::IS_NEW,
    error::StoreError,
    keys,
    ledger::entries,
};
use mealticket_domain::{MerchantId, ProvinceDay, books::SheetKey, journal::Entry};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};

/// Entries of one item: with 128 bytes for the longest order number and no help from compression, 256 KB.
const CHUNK: usize = 2_000;

/// Bytes of an item's entries when they are inflated: 2 000 of the longest, and their names.
const INFLATED_BYTES_MAX: usize = 1 << 20;

/// How hard it is tried to make them small: the middle, beyond which little is won.
const LEVEL: u8 = 6;

impl Store {
    /// Adds what fold `fold` has for a day's bill. Safe to repeat: a fold's lines are always the same.
    pub async fn add_to_bill(&self, sheet: &SheetKey, fold: u64, lines: &[Entry]) -> Result<(), StoreError> {
        for (number, chunk) in lines.chunks(CHUNK).enumerate() {
            let packed = entries::pack(chunk).ok_or(StoreError::Corrupt { item: "bill", attribute: "lines" })?;
            let key = keys::bill_part(&sheet.merchant, sheet.day, fold, number);
            let call = self.client.put_item().table_name(&self.tables.ledger);
            let call = call.set_item(Some(key.with(item([("lines", Some(binary(&compress_to_vec(&packed, LEVEL))))]))));
            self.put(call.condition_expression(IS_NEW)).await?;
        }
        Ok(())
    }

    /// A merchant's entries that are booked on a day, in the order in which they were folded.
    pub async fn bill(&self, merchant: &MerchantId, day: ProvinceDay) -> Result<Vec<Entry>, StoreError> {
        let call = self.query_partition(&self.tables.ledger, keys::bill(merchant, day)).consistent_read(true);
        let mut lines = Vec::new();
        let mut from = None;
        loop {
            let found = self.query(call.clone().set_exclusive_start_key(from)).await?;
            for item in &found.items {
                let read = Reader::new(item, "bill");
                let inflated = decompress_to_vec_with_limit(read.bytes("lines")?, INFLATED_BYTES_MAX).ok();
                let unpacked = inflated.and_then(|packed| entries::unpack(&packed));
                lines.extend(unpacked.ok_or_else(|| read.corrupt("lines"))?);
            }
            from = found.next;
            if from.is_none() {
                return Ok(lines);
            }
        }
    }
}
