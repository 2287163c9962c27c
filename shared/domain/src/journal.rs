//! The journal: what the changes of coupons come to (S2): **every change is counted once, however often it is reported.**
//!
//! Each change of a coupon comes by on the table's stream, shard by shard, at least once. A shard's records are posted as
//! **pages** that follow each other without a gap; a page says up to which record it goes, so what comes by again is dropped.
//! A record that cannot be read does not hold up the others: it is put aside inside the page, as it came.

mod entry;

pub use entry::{Entry, EventId};

use crate::{
    coupon::Coupon,
    ids::{CampaignNo, IdError},
    settlement::Postings,
    stock::LeaseId,
    timestamp::Timestamp,
};
use std::{cmp::Ordering, collections::BTreeMap, fmt, str::FromStr};

/// Bytes that a page holds at the most, by [`Record::bytes`]: three quarters of DynamoDB's 400 KB item.
pub const PAGE_BYTES_MAX: usize = 300_000;

/// Bytes of a record that was put aside which are kept. A coupon with 32 redemptions of the longest texts has 20 KB, a
/// record has it twice, and JSON with base 64 makes half as much again of it: 60 KB.
pub const ASIDE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an event's id, and of a shard's: DynamoDB's have 32 and 65.
const NAME_BYTES_MAX: usize = 128;

/// A shard of the stream, as DynamoDB names it. Names are never used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamShard(String);

impl StreamShard {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamShard {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let sized = (1..=NAME_BYTES_MAX).contains(&text.len());
        if clean && sized { Ok(StreamShard(text.to_owned())) } else { Err(IdError) }
    }
}

impl fmt::Display for StreamShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a record in its shard: up to 40 digits (API reference, `StreamRecord`), compared as a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// The digits, as they came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn rank(&self) -> (usize, &str) {
        let digits = self.0.trim_start_matches('0');
        (digits.len(), digits)
    }
}

impl FromStr for SequenceNumber {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(SequenceNumber(text.to_owned())) } else { Err(IdError) }
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a change of a coupon was. The index is the redemption's, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CouponEvent {
    /// It came to be.
    Claimed,
    /// It was redeemed.
    Redeemed(usize),
    /// A redemption was undone.
    Reversed(usize),
}

/// Two states of which one did not come from the other: coupons are never deleted, and what happened to them stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a coupon's past was rewritten")]
pub struct PastRewritten;

/// What happened between two states of one coupon. Holds, expiry and deactivation are no events of the books.
pub fn events_between(before: Option<&Coupon>, after: &Coupon) -> Result<Vec<CouponEvent>, PastRewritten> {
    let mut events = Vec::new();
    match before {
        None => events.push(CouponEvent::Claimed),
        Some(before) if (before.key, before.lease_id) == (after.key, after.lease_id) => {}
        Some(_) => return Err(PastRewritten),
    }
    let known = before.map_or(&[][..], |before| &before.redemptions);
    if known.len() > after.redemptions.len() {
        return Err(PastRewritten);
    }
    for (index, redemption) in after.redemptions.iter().enumerate() {
        let was_reversed = match known.get(index) {
            Some(known) if known.key != redemption.key || (known.reversal.is_some() && known != redemption) => {
                return Err(PastRewritten);
            }
            Some(known) => known.reversal.is_some(),
            None => {
                events.push(CouponEvent::Redeemed(index));
                false
            }
        };
        if redemption.reversal.is_some() && !was_reversed {
            events.push(CouponEvent::Reversed(index));
        }
    }
    Ok(events)
}

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
        let event_id = event_id.filter(|id| id.len() <= NAME_BYTES_MAX).map(str::to_owned);
        SetAside { event_id, reason: reason.to_owned(), raw }
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
    /// Something happened to a coupon, which is like this now.
    Coupon(Box<Coupon>, Vec<CouponEvent>),
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
    /// Bytes that it takes in a page, at the most: a lease's count, its entries, or what was put aside with its names.
    fn bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(Entry::bytes).sum();
        match &self.content {
            Content::Coupon(..) | Content::Nothing => 32 + entries,
            Content::Unreadable(aside) => aside.raw.len() + aside.reason.len() + 2 * NAME_BYTES_MAX,
        }
    }
}

/// Counts of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Claims, by campaign and lease.
    pub claims: BTreeMap<CampaignNo, BTreeMap<LeaseId, u32>>,
    /// Redemptions and reversals, by campaign.
    pub uses: BTreeMap<CampaignNo, Uses>,
}

/// How often coupons were redeemed, and how often that was undone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// Redemptions, the undone ones included.
    pub redemptions: u32,
    /// Reversals.
    pub reversals: u32,
}

impl Tally {
    /// Counts what a record says.
    pub fn count(&mut self, content: &Content) {
        let Content::Coupon(coupon, events) = content else { return };
        let campaign = coupon.key.campaign;
        for event in events {
            match event {
                CouponEvent::Claimed => {
                    *self.claims.entry(campaign).or_default().entry(coupon.lease_id).or_default() += 1;
                }
                CouponEvent::Redeemed(_) => self.uses.entry(campaign).or_default().redemptions += 1,
                CouponEvent::Reversed(_) => self.uses.entry(campaign).or_default().reversals += 1,
            }
        }
    }

    /// Claims of one lease.
    pub fn claims_of(&self, campaign: CampaignNo, lease: LeaseId) -> u64 {
        let claims = self.claims.get(&campaign).and_then(|leases| leases.get(&lease));
        claims.copied().map_or(0, u64::from)
    }

    /// Both together.
    pub fn add(&mut self, other: &Tally) {
        for (campaign, leases) in &other.claims {
            let sums = self.claims.entry(*campaign).or_default();
            leases.iter().for_each(|(lease, claims)| *sums.entry(*lease).or_default() += claims);
        }
        for (campaign, uses) in &other.uses {
            let sum = self.uses.entry(*campaign).or_default();
            sum.redemptions += uses.redemptions;
            sum.reversals += uses.reversals;
        }
    }
}

/// A page of a shard's journal: never changed once it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its number in the shard, from 1, without gaps.
    pub no: u64,
    /// The last record that it goes up to: the shard's mark.
    pub to: SequenceNumber,
    /// Records in it.
    pub records: u32,
    /// When the earliest of its records was written.
    pub first_at: Timestamp,
    /// When the latest of its records was written.
    pub last_at: Timestamp,
    /// What they come to.
    pub tally: Tally,
    /// The money that they move, in the order of the records.
    pub entries: Vec<Entry>,
    /// The records that could not be read.
    pub aside: Vec<SetAside>,
}

impl Page {
    /// The page of these records; none without records.
    pub fn of<'a>(no: u64, records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let mut records = records.into_iter();
        let first = records.next()?;
        let mut page = Page {
            no,
            to: first.seq.clone(),
            records: 0,
            first_at: first.at,
            last_at: first.at,
            tally: Tally::default(),
            entries: Vec::new(),
            aside: Vec::new(),
        };
        for record in std::iter::once(first).chain(records) {
            page.records += 1;
            page.to = page.to.max(record.seq.clone());
            page.first_at = page.first_at.min(record.at);
            page.last_at = page.last_at.max(record.at);
            page.tally.count(&record.content);
            page.entries.extend(record.entries.iter().cloned());
            if let Content::Unreadable(aside) = &record.content {
                page.aside.push(aside.clone());
            }
        }
        Some(page)
    }

    /// What all its entries come to. It is even.
    pub fn postings(&self) -> Postings {
        let mut postings = Postings::default();
        self.entries.iter().for_each(|entry| postings.post(&entry.postings));
        postings
    }

    /// Records in order, without repetitions, in runs of which each fits a page.
    pub fn runs(mut records: Vec<Record>) -> Vec<Vec<Record>> {
        records.sort_by(|a, b| a.seq.cmp(&b.seq));
        let mut runs: Vec<Vec<Record>> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let of_its_place = runs.last().into_iter().flat_map(|run| run.iter().rev());
            if of_its_place.take_while(|known| known.seq == record.seq).any(|known| *known == record) {
                continue;
            }
            bytes += record.bytes();
            match runs.last_mut() {
                // What has one place stays together: a mark cannot stand between them.
                Some(run) if bytes <= PAGE_BYTES_MAX || run.last().is_some_and(|last| last.seq == record.seq) => {
                    run.push(record);
                }
                _ => {
                    bytes = record.bytes();
                    runs.push(vec![record]);
                }
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests;
