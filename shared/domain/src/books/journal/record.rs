//! A record of the stream, read.

use super::{Change, Entry, NAME_BYTES_MAX, SequenceNumber, StreamShard};
use crate::timestamp::Timestamp;

/// Bytes of a record that was put aside which are kept. A coupon with 32 redemptions of the longest texts has 20 KB, a
/// record has it twice, and JSON with base 64 makes half as much again of it: 60 KB.
pub const ASIDE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an event's id: DynamoDB's have 32, and with what [`SetAside::own_shard`] adds it must name a shard.
const EVENT_ID_BYTES_MAX: usize = 64;

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The event's id, if it has one.
    pub event_id: Option<String>,
    /// What is wrong with it, without its data.
    pub reason: String,
    /// The record as it came, its first [`ASIDE_BYTES_MAX`] bytes.
    pub raw: String,
}

impl SetAside {
    /// A record that is put aside.
    pub fn new(event_id: Option<&str>, reason: &str, mut raw: String) -> Self {
        raw.truncate(raw.floor_char_boundary(ASIDE_BYTES_MAX));
        // An id that could not name a shard is no id of DynamoDB's; then its place names it.
        let is_name = |id: &&str| id.len() <= EVENT_ID_BYTES_MAX && id.parse::<StreamShard>().is_ok();
        let event_id = event_id.filter(is_name).map(str::to_owned);
        SetAside { event_id, reason: reason.to_owned(), raw }
    }

    /// The shard of its own in which the record of this id is posted when it can be read after all: one page, so it is
    /// posted once. `None` when the id cannot name one.
    pub fn own_shard(id: &str) -> Option<StreamShard> {
        format!("posted-{id}").parse().ok()
    }

    /// Whether it may tell of a claim: anything may, but a change of an item that was there before.
    pub fn may_be_a_claim(&self) -> bool {
        let raw: Option<serde_json::Value> = serde_json::from_str(&self.raw).ok();
        raw.and_then(|raw| Some(raw.get("eventName")? == "MODIFY")) != Some(true)
    }
}

/// What a record of the stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something happened to a coupon.
    Coupon(Box<Change>),
    /// Nothing that the books are about.
    Nothing,
    /// It could not be read.
    Unreadable(SetAside),
}

/// One record of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub seq: SequenceNumber,
    /// When it was written, as DynamoDB tells; not later.
    pub at: Timestamp,
    /// What it says.
    pub content: Content,
    /// The money that it moves.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Bytes that it takes in a page, at the most: a lease's count and the sheets', its entries, or what was put aside with
    /// its names.
    pub(super) fn bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(Entry::bytes).sum();
        match &self.content {
            Content::Coupon(change) => 32 + change.counts.bytes() + entries,
            Content::Nothing => 32,
            Content::Unreadable(aside) => aside.raw.len() + aside.reason.len() + 2 * NAME_BYTES_MAX,
        }
    }
}
