//! A record of the table's stream, read: what it says, or why it cannot be read.

use super::{Change, Entry, NAME_BYTES_MAX, SequenceNumber, StreamShard};
use crate::timestamp::Timestamp;

/// Bytes that are kept of a record that was set aside: 64 KiB.
///
/// A coupon with 32 redemptions of the longest texts has 20 KB. A record has it twice, and JSON with base 64
/// makes half as much again of it: 60 KB.
pub const ASIDE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an event's id. DynamoDB's have 32; with what [`SetAside::own_shard`] adds it must still name a
/// shard.
const EVENT_ID_BYTES_MAX: usize = 64;

/// A record that could not be read. It is set aside inside its page, until it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The id that the stream gave the event, if it has one that can name a shard.
    pub event_id: Option<String>,
    /// What is wrong with it, without its data: it may be logged.
    pub reason: String,
    /// The record as it came, cut to its first [`ASIDE_BYTES_MAX`] bytes. It may hold a member's data.
    pub raw: String,
}

impl SetAside {
    /// Sets a record aside: cuts `raw` at a character's boundary, and drops an id that cannot name a shard.
    pub fn new(event_id: Option<&str>, reason: &str, mut raw: String) -> Self {
        raw.truncate(raw.floor_char_boundary(ASIDE_BYTES_MAX));
        // An id that could not name a shard is none of DynamoDB's. Then its position in the journal names it.
        let is_name = |id: &&str| id.len() <= EVENT_ID_BYTES_MAX && id.parse::<StreamShard>().is_ok();
        let event_id = event_id.filter(is_name).map(str::to_owned);
        SetAside { event_id, reason: reason.to_owned(), raw }
    }

    /// The shard of its own in which the record of this id is posted when it can be read after all.
    ///
    /// That shard has one page, so the record is posted once. `None` when the id cannot name a shard.
    pub fn own_shard(id: &str) -> Option<StreamShard> {
        format!("posted-{id}").parse().ok()
    }

    /// Whether it may be about a claim. Anything may, except a change of an item that was there before.
    ///
    /// While such a record is set aside, a lease's claims may be more than were counted.
    pub fn may_be_a_claim(&self) -> bool {
        let raw: Option<serde_json::Value> = serde_json::from_str(&self.raw).ok();
        raw.and_then(|raw| Some(raw.get("eventName")? == "MODIFY")) != Some(true)
    }
}

/// What a record of the stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A coupon changed, and the books have something of it.
    Coupon(Box<Change>),
    /// Nothing that the books are about: another item, or a change that moves and counts nothing.
    Nothing,
    /// It could not be read, and is set aside.
    Unreadable(SetAside),
}

/// One record of the stream, with the entries that it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its position in its shard.
    pub seq: SequenceNumber,
    /// When it was written, as DynamoDB says; it was not written later.
    pub at: Timestamp,
    /// What it says.
    pub content: Content,
    /// The money that it moves; nothing unless it is a coupon's redemption or reversal.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Bytes that it takes in a page, at the most.
    ///
    /// They are those of a lease's count, the sheets' counts and its entries; or those of a record set aside,
    /// with its names.
    pub(super) fn bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(Entry::bytes).sum();
        match &self.content {
            Content::Coupon(change) => 32 + change.counts.bytes() + entries,
            Content::Nothing => 32,
            Content::Unreadable(aside) => aside.raw.len() + aside.reason.len() + 2 * NAME_BYTES_MAX,
        }
    }
}
