//! The journal's pages (S2): one plain conditional put for each, and no transaction.
//!
//! The rule is [`mealticket_domain::journal`]. Page n + 1 of a shard begins after the mark of page n. So a batch that
//! comes again, as a whole or in part, adds what is new and nothing else.

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
    /// The number of the last page, from 1.
    pub page: u64,
    /// The last record that the page goes up to.
    pub to: SequenceNumber,
}

impl Mark {
    fn of(page: &Page) -> Self {
        Mark { page: page.no, to: page.to.clone() }
    }
}

/// A shard's newest pages, and how far they go. They are read as one, so nothing is between the mark and the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// How far the shard is posted, however long ago that was; `None` when it has no page.
    pub mark: Option<Mark>,
    /// The pages up to the mark, the newest first.
    pub pages: Vec<Page>,
}

/// What one execution environment remembers of the shards that it posts. It may be old: then a put is refused,
/// and the mark is read anew.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<StreamShard, Posting>>);

#[derive(Clone, Default)]
struct Posting {
    /// How far the shard is posted.
    mark: Option<Mark>,
    /// The day on which this environment last noted the shard as active.
    noted: Option<ProvinceDay>,
}

impl Marks {
    fn with<T>(&self, body: impl FnOnce(&mut HashMap<StreamShard, Posting>) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Shards whose marks are remembered. A stream has a few at once, and new ones every four hours.
const MARKS_MAX: usize = 1_000;

/// A batch that was not posted to its end. What comes before `from` is posted and stays so.
#[derive(Debug, thiserror::Error)]
#[error("posted up to, and not with, {from}")]
pub struct NotPosted {
    /// The first record that is not posted. The caller asks for the batch again from there.
    pub from: SequenceNumber,
    /// Why. `Unavailable` leaves open whether the page is there; posting again finds out.
    #[source]
    pub source: StoreError,
}

impl Ledger {
    /// Appends a batch to its shard's journal: what comes after the mark. It returns the pages that this call added.
    ///
    /// Every record is in exactly one page, however often a batch comes, in halves or from two readers at once. Of two
    /// puts of one page number the first stands; the other caller reads the mark and puts what is left into the next
    /// page. A page that was added is durable.
    ///
    /// Cost: 1 PutItem, 1 W for each KB of page. The first batch of an environment costs 1 Query of the last page more,
    /// and the first of a day 1 PutItem, 1 W.
    ///
    /// Errors: [`NotPosted`] names the first record that is not posted, with the error of the call.
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
                // A fold searches for pages where shards are noted. So no page may be there before the note.
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
                // Another put came first. It may be our own, when an answer was lost. Where does the shard stand now?
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

    /// Posts an adjustment under a name of its own, once, however often it is asked. False when the
    /// name cannot be a shard's.
    ///
    /// Cost: as [`post`](Ledger::post), in a shard of its own.
    pub async fn post_adjustment(&self, name: &str, entry: &Entry) -> Result<bool, StoreError> {
        let (Ok(shard), Ok(seq)) = (format!("accepted-{name}").parse::<StreamShard>(), "1".parse()) else {
            return Ok(false);
        };
        let record = Record { seq, at: entry.at, content: Content::Nothing, entries: vec![entry.clone()] };
        self.post(&shard, vec![record]).await.map_err(|not_posted| not_posted.source)?;
        Ok(true)
    }

    /// Notes that a shard is posted to on a day. A repeat writes the same.
    async fn note_active(&self, shard: &StreamShard, day: ProvinceDay) -> Result<(), StoreError> {
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(keys::active_shard(day, shard).attributes()))).await.map(drop)
    }

    /// The shards that were posted to from day to day, both included. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB.
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

    /// Every shard that was ever posted to, those of adjustments and of records posted after all included.
    ///
    /// Cost: 1 Query for each MB of notes, 1 R for each 4 KB.
    pub async fn list_all_shards(&self) -> Result<BTreeSet<StreamShard>, StoreError> {
        let (first, last) = (Timestamp::MIN.province_day(), Timestamp::MAX.province_day());
        self.list_active_shards(first, last.plus_days(-1)).await
    }

    /// The pages of a shard after page `after`, oldest first, at most `limit` of them. With `last`, up to that page and
    /// no further. Strongly consistent.
    ///
    /// There may be gaps: page numbers are the caller's to check. Cost: 1 Query for each MB, 1 R for each 4 KB.
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

    /// Puts a page where none is. False when one is there.
    async fn put_page(&self, shard: &StreamShard, page: &Page) -> Result<bool, StoreError> {
        let call = self.table.put_item();
        let call = call.set_item(Some(page_item(shard, page)?)).condition_expression(IS_NEW);
        Ok(matches!(self.table.put(call).await?, Write::Done(_)))
    }

    /// How far a shard is posted; `None` when it has no page. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB of the last page.
    pub async fn read_mark(&self, shard: &StreamShard) -> Result<Option<Mark>, StoreError> {
        let call = self.pages_backwards(shard).limit(1);
        let page = self.table.query(call).await?.items.first().map(read_page).transpose()?;
        Ok(page.as_ref().map(Mark::of))
    }

    /// A shard's pages as [`read_journal`](Ledger::read_journal) gives them, without the money and the sheets' counts,
    /// which are most of it. The sweep reads this.
    ///
    /// The table still reads whole items, so the cost is the same.
    pub async fn read_tallies(&self, shard: &StreamShard, since: Timestamp) -> Result<Journal, StoreError> {
        let names = "pk, sk, #schema, to_seq, #records, first_at, last_at, claims, uses, aside";
        let call = self.pages_backwards(shard).projection_expression(names);
        let call =
            call.expression_attribute_names("#schema", "schema").expression_attribute_names("#records", "records");
        self.read_pages_since(call, since, read_tally).await
    }

    /// A shard's pages from its mark back to the first that has a record written at `since` or
    /// later. Strongly consistent.
    ///
    /// What is posted meanwhile comes after the mark, and is not among the pages. Cost: 1 Query for
    /// each MB, 1 R for each 4 KB.
    pub async fn read_journal(&self, shard: &StreamShard, since: Timestamp) -> Result<Journal, StoreError> {
        self.read_pages_since(self.pages_backwards(shard), since, read_page).await
    }

    /// Reads pages backwards until one has nothing of `since` or later.
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

    /// A query of a shard's pages, the newest first, strongly consistent.
    fn pages_backwards(&self, shard: &StreamShard) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let call = self.table.query_partition(keys::journal_partition(shard));
        call.scan_index_forward(false).consistent_read(true)
    }
}
