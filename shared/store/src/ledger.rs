//! The journal's pages (S2): one plain conditional put for each, and no transaction.
//!
//! The rule is [`mealticket_domain::journal`]. Page n + 1 of a shard begins after the mark of page n, so whoever posts a
//! batch that was posted before, wholly or in part, adds what is new and nothing else.

mod counts;
pub(crate) mod entries;
pub(crate) mod packing;

use crate::{
    Store,
    attributes::{Item, Reader, binary, instant, item, number, text},
    calls::Write,
    clauses::IS_NEW,
    error::StoreError,
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    CampaignNo, LeaseId, ProvinceDay, Timestamp,
    journal::{Counts, Page, Record, SequenceNumber, SetAside, StreamShard, Tally, Uses},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

/// The page's version; readers of a newer one must not guess.
const SCHEMA: u8 = 1;

/// The largest number of a page that its key can hold.
const PAGE_NO_MAX: u64 = 999_999_999_999;

/// Bytes of a lease's count in a page: its id and four more.
const CLAIMS_BYTES: usize = 20;

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

impl Store {
    /// The table whose stream the journal is about.
    pub fn stream_table(&self) -> &str {
        &self.tables.members
    }

    /// Appends a batch to its shard's journal: what comes after the mark. Gives the pages that were added. Safe to repeat,
    /// and safe beside itself.
    pub async fn post(&self, shard: &StreamShard, records: Vec<Record>) -> Result<Vec<Page>, NotPosted> {
        let Posting { mut mark, mut noted } =
            self.shared.marks.with(|marks| marks.get(shard).cloned()).unwrap_or_default();
        let mut is_fresh = false;
        let mut added = Vec::new();
        for run in Page::runs(records) {
            let Some(first) = run.first() else { continue };
            let failed = |source| NotPosted { from: first.seq.clone(), source };
            loop {
                if mark.is_none() && !is_fresh {
                    mark = self.mark(shard).await.map_err(failed)?;
                    is_fresh = true;
                }
                let new = run.iter().filter(|record| mark.as_ref().is_none_or(|mark| record.seq > mark.to));
                let Some(page) = Page::of(mark.as_ref().map_or(1, |mark| mark.page + 1), new) else { break };
                // Whoever folds looks for pages where shards are noted: no page may be there before the note.
                let today = self.clock.now().province_day();
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
        self.shared.marks.with(|marks| {
            if marks.len() >= MARKS_MAX {
                marks.clear();
            }
            marks.insert(shard.clone(), Posting { mark, noted });
        });
        Ok(added)
    }

    async fn note_active(&self, shard: &StreamShard, day: ProvinceDay) -> Result<(), StoreError> {
        let call = self.client.put_item().table_name(&self.tables.ledger);
        self.put(call.set_item(Some(keys::active_shard(day, shard).attributes()))).await.map(drop)
    }

    /// The shards that were posted to from day to day, both included.
    pub async fn active_shards(
        &self,
        first: ProvinceDay,
        last: ProvinceDay,
    ) -> Result<BTreeSet<StreamShard>, StoreError> {
        let call = self.query_between(
            keys::ACTIVE_SHARDS,
            keys::active_shards_of(first),
            keys::active_shards_of(last.plus_days(1)),
        );
        let mut shards = BTreeSet::new();
        let mut from = None;
        loop {
            let found = self.query(call.clone().set_exclusive_start_key(from)).await?;
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

    /// A strongly consistent query of the ledger, from sort key to sort key, both included.
    pub(crate) fn query_between(
        &self,
        pk: impl Into<String>,
        first: impl Into<String>,
        last: impl Into<String>,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let call = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        call.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(last))
    }

    /// The pages of a shard after page `after`, oldest first, at most `limit` of them; up to and with `last`, if given.
    pub async fn pages_after(
        &self,
        shard: &StreamShard,
        after: u64,
        last: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Page>, StoreError> {
        let (first, last) =
            (keys::journal_page(shard, after + 1), keys::journal_page(shard, last.unwrap_or(PAGE_NO_MAX)));
        let call = self.query_between(first.pk, first.sk, last.sk);
        let mut pages = Vec::new();
        let mut from = None;
        loop {
            let wanted = i32::try_from(limit - pages.len()).unwrap_or(i32::MAX);
            let found = self.query(call.clone().limit(wanted).set_exclusive_start_key(from)).await?;
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
        let call = self.client.put_item().table_name(&self.tables.ledger);
        let call = call.set_item(Some(page_item(shard, page)?)).condition_expression(IS_NEW);
        Ok(matches!(self.put(call).await?, Write::Done(_)))
    }

    /// How far a shard is posted, strongly consistent; `None` when it has no page.
    pub async fn mark(&self, shard: &StreamShard) -> Result<Option<Mark>, StoreError> {
        let call = self.pages_backwards(shard).limit(1);
        let page = self.query(call).await?.items.first().map(read_page).transpose()?;
        Ok(page.as_ref().map(Mark::of))
    }

    /// The same without the money and the sheets' counts, which are most of it: what the sweep reads.
    pub async fn tallies(&self, shard: &StreamShard, since: Timestamp) -> Result<Journal, StoreError> {
        let names = "pk, sk, #schema, to_seq, #records, first_at, last_at, claims, uses, aside";
        let call = self.pages_backwards(shard).projection_expression(names);
        let call =
            call.expression_attribute_names("#schema", "schema").expression_attribute_names("#records", "records");
        self.pages_since(call, since, read_tally).await
    }

    /// A shard's pages from its mark back to the first that has a record written at `since` or later. What is posted
    /// meanwhile is after the mark, and not among the pages.
    pub async fn journal(&self, shard: &StreamShard, since: Timestamp) -> Result<Journal, StoreError> {
        self.pages_since(self.pages_backwards(shard), since, read_page).await
    }

    async fn pages_since(
        &self,
        call: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        since: Timestamp,
        read: fn(&Item) -> Result<Page, StoreError>,
    ) -> Result<Journal, StoreError> {
        let mut journal = Journal { mark: None, pages: Vec::new() };
        let mut from = None;
        loop {
            let found = self.query(call.clone().set_exclusive_start_key(from)).await?;
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
        let call = self.query_partition(&self.tables.ledger, keys::journal_partition(shard));
        call.scan_index_forward(false).consistent_read(true)
    }
}

fn page_item(shard: &StreamShard, page: &Page) -> Result<Item, StoreError> {
    let unpackable = |attribute| StoreError::Corrupt { item: "journal page", attribute };
    let entries = entries::pack(&page.entries).ok_or_else(|| unpackable("entries"))?;
    let counts = counts::pack(&page.counts).ok_or_else(|| unpackable("counts"))?;
    let claims = page.tally.claims.iter().map(|(campaign, leases)| (campaign.get().to_string(), claims_blob(leases)));
    let uses = page.tally.uses.iter().map(|(campaign, uses)| {
        let counts = vec![number(uses.redemptions), number(uses.reversals)];
        (campaign.get().to_string(), AttributeValue::L(counts))
    });
    Ok(keys::journal_page(shard, page.no).with(item([
        ("schema", Some(number(SCHEMA))),
        ("to_seq", Some(text(page.to.as_str()))),
        ("records", Some(number(page.records))),
        ("first_at", Some(instant(page.first_at))),
        ("last_at", Some(instant(page.last_at))),
        ("claims", Some(AttributeValue::M(claims.collect()))),
        ("uses", Some(AttributeValue::M(uses.collect()))),
        ("counts", Some(binary(&counts))),
        ("entries", Some(binary(&entries))),
        ("aside", Some(AttributeValue::L(page.aside.iter().map(aside_map).collect()))),
    ])))
}

/// A campaign's claims: each lease's id and its count, one after the other. Names would cost three times as much.
fn claims_blob(leases: &BTreeMap<LeaseId, u32>) -> AttributeValue {
    let bytes: Vec<u8> =
        leases.iter().flat_map(|(lease, claims)| [&lease.0[..], &claims.to_be_bytes()].concat()).collect();
    binary(&bytes)
}

fn aside_map(aside: &SetAside) -> AttributeValue {
    AttributeValue::M(item([
        ("event_id", aside.event_id.as_ref().map(text)),
        ("reason", Some(text(&aside.reason))),
        ("raw", Some(text(&aside.raw))),
    ]))
}

fn read_page(item: &Item) -> Result<Page, StoreError> {
    let read = Reader::new(item, "journal page");
    Ok(Page {
        counts: counts::unpack(read.bytes("counts")?).ok_or_else(|| read.corrupt("counts"))?,
        entries: entries::unpack(read.bytes("entries")?).ok_or_else(|| read.corrupt("entries"))?,
        ..read_tally(item)?
    })
}

/// A page without its entries and its counts.
fn read_tally(item: &Item) -> Result<Page, StoreError> {
    let read = Reader::new(item, "journal page");
    if read.number::<u8>("schema")? != SCHEMA {
        return Err(read.corrupt("schema"));
    }
    let mut tally = Tally::default();
    for (name, value) in read.map("claims")? {
        let leases = value.as_b().ok().and_then(|blob| read_claims(blob.as_ref()));
        tally.claims.insert(campaign(name, &read)?, leases.ok_or_else(|| read.corrupt("claims"))?);
    }
    for (name, value) in read.map("uses")? {
        let counts: Option<Vec<u32>> =
            value.as_l().ok().map(|list| list.iter().filter_map(|n| n.as_n().ok()?.parse().ok()).collect());
        let Some([redemptions, reversals]) = counts.as_deref() else { return Err(read.corrupt("uses")) };
        let uses = Uses { redemptions: *redemptions, reversals: *reversals };
        tally.uses.insert(campaign(name, &read)?, uses);
    }
    Ok(Page {
        no: keys::read_journal_page(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?,
        to: read.parsed("to_seq")?,
        records: read.number("records")?,
        first_at: read.instant("first_at")?,
        last_at: read.instant("last_at")?,
        tally,
        counts: Counts::default(),
        entries: Vec::new(),
        aside: read.maps("aside")?.into_iter().map(read_aside).collect::<Result<_, _>>()?,
    })
}

fn campaign(name: &str, read: &Reader<'_>) -> Result<CampaignNo, StoreError> {
    let no = name.parse::<u32>().ok().and_then(|no| CampaignNo::try_from(no).ok());
    no.ok_or_else(|| read.corrupt("campaign"))
}

fn read_claims(bytes: &[u8]) -> Option<BTreeMap<LeaseId, u32>> {
    let (entries, rest) = bytes.as_chunks::<CLAIMS_BYTES>();
    let entry = |entry: &[u8; CLAIMS_BYTES]| {
        let (lease, claims) = entry.split_first_chunk::<16>()?;
        Some((LeaseId(*lease), u32::from_be_bytes(claims.try_into().ok()?)))
    };
    if rest.is_empty() { entries.iter().map(entry).collect() } else { None }
}

fn read_aside(map: &Item) -> Result<SetAside, StoreError> {
    let read = Reader::new(map, "record put aside");
    Ok(SetAside {
        event_id: read.optional("event_id", |read, name| read.str(name).map(str::to_owned))?,
        reason: read.str("reason")?.to_owned(),
        raw: read.str("raw")?.to_owned(),
    })
}
