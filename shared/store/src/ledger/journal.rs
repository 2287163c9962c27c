//! The journal's pages (S2): one plain conditional put for each, and no transaction.
//!
//! The rule is [`mealticket_domain::journal`]. Page n + 1 of a shard begins after the mark of page n, so whoever posts a
//! batch that was posted before, wholly or in part, adds what is new and nothing else.

use crate::{
    Ledger,
    ledger::{
        keys,
        pages::{page_item, read_page, read_tally},
    },
    table::{
        attributes::{Item, Reader},
        calls::Write,
        clauses::IS_NEW,
        error::StoreError,
    },
};
use mealticket_domain::{
    ProvinceDay, Timestamp,
    journal::{Content, Entry, Page, Record, SequenceNumber, StreamShard},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

/// The largest number of a page that its key can hold.
const PAGE_NO_MAX: u64 = 999_999_999_999;

/// How far a shard is posted: the last page's number and record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The last page.
    pub page: u64,
    /// Its last record.
    pub to: SequenceNumber,
}

impl Mark {
    fn of(page: &Page) -> Self {
        Mark { page: page.no, to: page.to.clone() }
    }
}

/// A shard's newest pages, and how far they go: read as one, so that nothing is between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// How far the shard is posted, however long ago that was; `None` when it has no page.
    pub mark: Option<Mark>,
    /// The pages up to the mark, the newest first.
    pub pages: Vec<Page>,
}

/// What one execution environment remembers of the shards that it posts.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<StreamShard, Posting>>);

#[derive(Clone, Default)]
struct Posting {
    /// How far the shard is posted.
    mark: Option<Mark>,
    /// The day on which the shard was last noted as one that is posted to.
    noted: Option<ProvinceDay>,
}

impl Marks {
    fn with<T>(&self, body: impl FnOnce(&mut HashMap<StreamShard, Posting>) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Shards whose marks are remembered: a stream has a few at once and new ones every four hours.
const MARKS_MAX: usize = 1_000;

/// A batch that was not posted to its end.
#[derive(Debug, thiserror::Error)]
#[error("posted up to, and not with, {from}")]
pub struct NotPosted {
    /// The first record that is not posted.
    pub from: SequenceNumber,
    /// Why.
    #[source]
    pub source: StoreError,
}

impl Ledger {
    /// Appends a batch to its shard's journal: what comes after the mark. Gives the pages that were added. Safe to repeat,
    /// and safe beside itself.
    pub async fn post(&self, shard: &StreamShard, records: Vec<Record>) -> Result<Vec<Page>, NotPosted> {
        let Posting { mut mark, mut noted } = self.marks.with(|marks| marks.get(shard).cloned()).unwrap_or_default();
        let mut is_fresh = false;
        let mut added = Vec::new();
        for run in Page::runs(records) {
            let Some(first) = run.first() else { continue };
            let failed = |source| NotPosted { from: first.seq.clone(), source };
            loop {
                if mark.is_none() && !is_fresh {
                    mark = self.read_mark(shard).await.map_err(failed)?;
                    is_fresh = true;
                }
                let new = run.iter().filter(|record| mark.as_ref().is_none_or(|mark| record.seq > mark.to));
                let Some(page) = Page::of(mark.as_ref().map_or(1, |mark| mark.page + 1), new) else { break };
                // Whoever folds looks for pages where shards are noted: no page may be there before the note.
                let today = self.table.clock().now().province_day();
                if noted != Some(today) {
                    self.note_active(shard, today).await.map_err(failed)?;
                    noted = Some(today);
                }
                if self.put_page(shard, &page).await.map_err(failed)? {
                    mark = Some(Mark::of(&page));
                    added.push(page);
                    break;
                }
                // Somebody came first: ourselves perhaps, when an answer was lost. Where does the shard stand now?
                mark = None;
                is_fresh = false;
            }
        }
        self.marks.with(|marks| {
            if marks.len() >= MARKS_MAX {
                marks.clear();
            }
            marks.insert(shard.clone(), Posting { mark, noted });
        });
        Ok(added)
    }

    /// Posts an adjustment under a name of its own, once however often it is asked. `false` when the name cannot be one.
    pub async fn post_adjustment(&self, name: &str, entry: &Entry) -> Result<bool, StoreError> {
        let (Ok(shard), Ok(seq)) = (format!("accepted-{name}").parse::<StreamShard>(), "1".parse()) else {
            return Ok(false);
        };
        let record = Record { seq, at: entry.at, content: Content::Nothing, entries: vec![entry.clone()] };
        self.post(&shard, vec![record]).await.map_err(|not_posted| not_posted.source)?;
        Ok(true)
    }

    async fn note_active(&self, shard: &StreamShard, day: ProvinceDay) -> Result<(), StoreError> {
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(keys::active_shard(day, shard).attributes()))).await.map(drop)
    }

    /// The shards that were posted to from day to day, both included.
    pub async fn list_active_shards(
        &self,
        first: ProvinceDay,
        last: ProvinceDay,
    ) -> Result<BTreeSet<StreamShard>, StoreError> {
        let call = self.table.query_between(
            keys::ACTIVE_SHARDS,
            keys::active_shards_of(first),
            keys::active_shards_of(last.plus_days(1)),
        );
        let mut shards = BTreeSet::new();
        let mut from = None;
        loop {
            let found = self.table.query(call.clone().set_exclusive_start_key(from)).await?;
            for item in &found.items {
                let read = Reader::new(item, "active shard");
                shards.insert(keys::read_active_shard(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?);
            }
            from = found.next;
            if from.is_none() {
                return Ok(shards);
            }
        }
    }

    /// Every shard that was ever posted to.
    pub async fn list_all_shards(&self) -> Result<BTreeSet<StreamShard>, StoreError> {
        let (first, last) = (Timestamp::MIN.province_day(), Timestamp::MAX.province_day());
        self.list_active_shards(first, last.plus_days(-1)).await
    }

    /// The pages of a shard after page `after`, oldest first, at most `limit` of them; up to and with `last`, if given.
    pub async fn read_pages_after(
        &self,
        shard: &StreamShard,
        after: u64,
        last: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Page>, StoreError> {
        let (first, last) =
            (keys::journal_page(shard, after + 1), keys::journal_page(shard, last.unwrap_or(PAGE_NO_MAX)));
        let call = self.table.query_between(first.pk, first.sk, last.sk);
        let mut pages = Vec::new();
        let mut from = None;
        loop {
            let wanted = i32::try_from(limit - pages.len()).unwrap_or(i32::MAX);
            let found = self.table.query(call.clone().limit(wanted).set_exclusive_start_key(from)).await?;
            for item in &found.items {
                pages.push(read_page(item)?);
            }
            from = found.next;
            if from.is_none() || pages.len() >= limit {
                return Ok(pages);
            }
        }
    }

    async fn put_page(&self, shard: &StreamShard, page: &Page) -> Result<bool, StoreError> {
        let call = self.table.put_item();
        let call = call.set_item(Some(page_item(shard, page)?)).condition_expression(IS_NEW);
        Ok(matches!(self.table.put(call).await?, Write::Done(_)))
    }

    /// How far a shard is posted, strongly consistent; `None` when it has no page.
    pub async fn read_mark(&self, shard: &StreamShard) -> Result<Option<Mark>, StoreError> {
        let call = self.pages_backwards(shard).limit(1);
        let page = self.table.query(call).await?.items.first().map(read_page).transpose()?;
        Ok(page.as_ref().map(Mark::of))
    }

    /// The same without the money and the sheets' counts, which are most of it: what the sweep reads.
    pub async fn read_tallies(&self, shard: &StreamShard, since: Timestamp) -> Result<Journal, StoreError> {
        let names = "pk, sk, #schema, to_seq, #records, first_at, last_at, claims, uses, aside";
        let call = self.pages_backwards(shard).projection_expression(names);
        let call =
            call.expression_attribute_names("#schema", "schema").expression_attribute_names("#records", "records");
        self.read_pages_since(call, since, read_tally).await
    }

    /// A shard's pages from its mark back to the first that has a record written at `since` or later. What is posted
    /// meanwhile is after the mark, and not among the pages.
    pub async fn read_journal(&self, shard: &StreamShard, since: Timestamp) -> Result<Journal, StoreError> {
        self.read_pages_since(self.pages_backwards(shard), since, read_page).await
    }

    async fn read_pages_since(
        &self,
        call: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        since: Timestamp,
        read: fn(&Item) -> Result<Page, StoreError>,
    ) -> Result<Journal, StoreError> {
        let mut journal = Journal { mark: None, pages: Vec::new() };
        let mut from = None;
        loop {
            let found = self.table.query(call.clone().set_exclusive_start_key(from)).await?;
            for item in &found.items {
                let page = read(item)?;
                journal.mark.get_or_insert_with(|| Mark::of(&page));
                if page.last_at < since {
                    return Ok(journal);
                }
                journal.pages.push(page);
            }
            from = found.next;
            if from.is_none() {
                return Ok(journal);
            }
        }
    }

    fn pages_backwards(&self, shard: &StreamShard) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let call = self.table.query_partition(keys::journal_partition(shard));
        call.scan_index_forward(false).consistent_read(true)
    }
}
