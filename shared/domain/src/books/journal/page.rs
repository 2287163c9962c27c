//! Pages (日记账页): what a batch of records comes to, and how far it goes.

use super::{Content, Counts, Entry, Record, SequenceNumber, SetAside, StreamShard, Tally};
use crate::{settlement::Postings, timestamp::Timestamp};

/// Bytes that a page holds at the most, counted by `Record::bytes`: three quarters of DynamoDB's 400 KB item.
pub const PAGE_BYTES_MAX: usize = 300_000;
/// A page of a shard's journal. It is written once and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its number in the shard, from 1, without gaps.
    pub no: u64,
    /// The last record that it goes up to: the shard's mark. Records up to it are dropped when they come
    /// again.
    pub to: SequenceNumber,
    /// How many records it was made of, those that say nothing included.
    pub records: u32,
    /// When the earliest of its records was written.
    pub first_at: Timestamp,
    /// When the latest of its records was written.
    pub last_at: Timestamp,
    /// The claims and uses by which stock is settled.
    pub tally: Tally,
    /// The claims and lapses that the sheets count.
    pub counts: Counts,
    /// The money that its records move, in their order.
    pub entries: Vec<Entry>,
    /// The records that could not be read, as they came.
    pub aside: Vec<SetAside>,
}

impl Page {
    /// The page of these records, with this number in its shard; `None` without records.
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
            counts: Counts::default(),
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
            match &record.content {
                Content::Coupon(change) => page.counts.add(&change.counts),
                Content::Nothing => {}
                Content::Unreadable(aside) => page.aside.push(aside.clone()),
            }
        }
        Some(page)
    }

    /// The records that could not be read, each with what names it in the whole journal.
    ///
    /// That is its event's id. When it has none, it is the shard, the page's number and its index there, like
    /// `shard-1.7.0`.
    pub fn asides<'a>(&'a self, shard: &'a StreamShard) -> impl Iterator<Item = (String, &'a SetAside)> {
        self.aside.iter().enumerate().map(move |(index, aside)| {
            let position = || format!("{shard}.{}.{index}", self.no);
            (aside.event_id.clone().unwrap_or_else(position), aside)
        })
    }

    /// The sums of all its entries by account. They are even.
    pub fn postings(&self) -> Postings {
        let mut postings = Postings::default();
        self.entries.iter().for_each(|entry| postings.post(&entry.postings));
        postings
    }

    /// The records in order, without repetitions, in runs that each fit a page.
    ///
    /// Different records with one sequence number stay in one run. A single record may exceed a page's bound
    /// by itself.
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
                // Records of one number stay together: a mark cannot stand between them.
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
