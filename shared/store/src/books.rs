//! The books' items (O1, S1): folds, which say what is folded; sheets, which are what it came to; bills, line by line.
//!
//! The rule is [`mealticket_domain::books`]. A fold is written down before the first sheet is touched, each sheet is changed
//! by compare-and-set on its last fold, and the next fold begins only when this one is done. So whoever folds may be cut off,
//! may be slow, and may not be alone.

mod bills;
pub(crate) mod sheets;

pub use bills::{BillCursor, BillLines};

use crate::{
    Store,
    attributes::{Item, Reader, instant, item, number, text},
    calls::Write,
    clauses::IS_NEW,
    error::StoreError,
    keys,
    stream::ReadError,
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    ProvinceDay, Timestamp,
    books::Fold,
    journal::{Content, Entry, Page, Record, SetAside, StreamShard},
};
use std::collections::BTreeMap;

/// A record that was put aside, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAside {
    /// Names it: the event's id, or its place when it has none.
    pub id: String,
    /// Its shard.
    pub shard: StreamShard,
    /// Its page.
    pub page: u64,
    /// What is wrong with it.
    pub reason: String,
    /// When its page's newest record was written.
    pub at: Timestamp,
    /// When it was posted all the same, and who had it posted.
    pub posted: Option<(Timestamp, String)>,
}

/// What posting a record that was put aside came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostedAside {
    /// It is in the journal, once: the record as it came.
    Posted(serde_json::Value),
    /// There is none of that id.
    NotFound,
    /// It still cannot be read, for this reason.
    StillUnreadable(String),
}

impl Store {
    /// The newest fold, strongly consistent.
    pub async fn newest_fold(&self) -> Result<Option<Fold>, StoreError> {
        let call = self.query_partition(&self.tables.ledger, keys::FOLDS.to_owned());
        let call = call.scan_index_forward(false).consistent_read(true).limit(1);
        self.query(call).await?.items.first().map(read_fold).transpose()
    }

    /// The newest day that is closed.
    pub async fn closed_day(&self) -> Result<Option<ProvinceDay>, StoreError> {
        Ok(self.newest_fold().await?.and_then(|fold| fold.closed_by_now()))
    }

    /// Writes a fold down. `false` when somebody was first.
    pub async fn begin_fold(&self, fold: &Fold) -> Result<bool, StoreError> {
        let call = self.client.put_item().table_name(&self.tables.ledger);
        let call = call.set_item(Some(fold_item(fold))).condition_expression(IS_NEW);
        Ok(matches!(self.put(call).await?, Write::Done(_)))
    }

    /// Writes down that a fold is done. All of it must be in the sheets.
    pub async fn end_fold(&self, fold: &Fold) -> Result<(), StoreError> {
        let done = Fold { is_done: true, ..fold.clone() };
        let call = self.client.put_item().table_name(&self.tables.ledger);
        self.put(call.set_item(Some(fold_item(&done)))).await.map(drop)
    }

    /// How far a shard is folded: its last page that is in the sheets; 0 for none.
    pub async fn folded_mark(&self, shard: &StreamShard) -> Result<u64, StoreError> {
        let call = self.client.get_item().table_name(&self.tables.ledger).consistent_read(true);
        let item = self.get(call.set_key(Some(keys::folded_mark(shard).attributes()))).await?;
        item.map_or(Ok(0), |item| Reader::new(&item, "folded mark").number("page"))
    }

    /// Moves a shard's mark forward; one that is further stays.
    pub async fn mark_folded(&self, shard: &StreamShard, page: u64) -> Result<(), StoreError> {
        let call = self.client.put_item().table_name(&self.tables.ledger);
        let call = call.set_item(Some(keys::folded_mark(shard).with(item([("page", Some(number(page)))]))));
        // IS_NEW_OR_BEHIND: a fold that is done again moves nothing back.
        let call = call.condition_expression("attribute_not_exists(pk) OR page < :page");
        self.put(call.expression_attribute_values(":page", number(page))).await.map(drop)
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

    /// Lists a record that was put aside. Safe to repeat.
    pub async fn list_aside(&self, listed: &ListedAside) -> Result<(), StoreError> {
        let call = self.client.put_item().table_name(&self.tables.ledger);
        self.put(call.set_item(Some(aside_item(listed))).condition_expression(IS_NEW)).await.map(drop)
    }

    /// The records that were put aside, by their ids, at most `limit` after `after`.
    pub async fn set_asides(&self, after: Option<&str>, limit: usize) -> Result<Vec<ListedAside>, StoreError> {
        let call = self.query_partition(&self.tables.ledger, keys::SET_ASIDE.to_owned());
        let call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let call = call.set_exclusive_start_key(after.map(|id| keys::set_aside(id).attributes()));
        self.query(call).await?.items.iter().map(read_aside).collect()
    }

    /// A record that was put aside, with the record itself.
    pub async fn set_aside(&self, id: &str) -> Result<Option<(ListedAside, SetAside)>, StoreError> {
        let call = self.client.get_item().table_name(&self.tables.ledger).consistent_read(true);
        let Some(item) = self.get(call.set_key(Some(keys::set_aside(id).attributes()))).await? else { return Ok(None) };
        let listed = read_aside(&item)?;
        let before = listed.page.saturating_sub(1);
        let pages = self.pages_after(&listed.shard, before, Some(listed.page), 1).await?;
        let found = pages.iter().flat_map(|page| page.asides(&listed.shard)).find(|(known, _)| known == id);
        let aside = found.map(|(_, aside)| aside.clone());
        Ok(aside.map(|aside| (listed, aside)))
    }

    /// The page of a record that was put aside and is posted.
    pub async fn posted_aside(&self, id: &str) -> Result<Option<Page>, StoreError> {
        let Some(shard) = SetAside::own_shard(id) else { return Ok(None) };
        Ok(self.pages_after(&shard, 0, None, 1).await?.into_iter().next())
    }

    /// Posts a record that was put aside, now that it can be read. Safe to repeat: it has a shard of its own, with one page.
    /// Who asked first stands.
    pub async fn post_aside(&self, id: &str, by: &str, now: Timestamp) -> Result<PostedAside, StoreError> {
        let Some(shard) = SetAside::own_shard(id) else { return Ok(PostedAside::NotFound) };
        let Some((listed, aside)) = self.set_aside(id).await? else { return Ok(PostedAside::NotFound) };
        let raw = [serde_json::from_str(&aside.raw).unwrap_or_default()];
        let records = match self.read_batch(&raw).await {
            Ok(records) => records,
            Err(ReadError::NoPlace) => return Ok(PostedAside::StillUnreadable("no sequence number".to_owned())),
            Err(ReadError::Catalog(error)) => return Err(error),
        };
        if let Some(Content::Unreadable(aside)) = records.first().map(|record| &record.content) {
            return Ok(PostedAside::StillUnreadable(aside.reason.clone()));
        }
        self.post(&shard, records).await.map_err(|not_posted| not_posted.source)?;
        if listed.posted.is_none() {
            let posted = ListedAside { posted: Some((now, by.to_owned())), ..listed };
            let call = self.client.put_item().table_name(&self.tables.ledger);
            // NOT_POSTED: two who ask at once are one.
            let call = call.set_item(Some(aside_item(&posted))).condition_expression("attribute_not_exists(posted_at)");
            self.put(call).await?;
        }
        let [raw] = raw;
        Ok(PostedAside::Posted(raw))
    }
}

fn day_number(day: ProvinceDay) -> AttributeValue {
    number(day.number())
}

pub(crate) fn read_day(read: &Reader<'_>, attribute: &'static str) -> Result<ProvinceDay, StoreError> {
    ProvinceDay::from_number(read.number(attribute)?).ok_or_else(|| read.corrupt(attribute))
}

fn fold_item(fold: &Fold) -> Item {
    let pages = fold.pages.iter().map(|(shard, (first, last))| {
        (shard.as_str().to_owned(), AttributeValue::L(vec![number(first), number(last)]))
    });
    keys::fold(fold.no).with(item([
        ("pages", Some(AttributeValue::M(pages.collect()))),
        ("closed", fold.closed.map(day_number)),
        ("closes", fold.closes.map(day_number)),
        ("planned_at", Some(instant(fold.planned_at))),
        ("look_from", Some(day_number(fold.look_from))),
        ("is_done", Some(AttributeValue::Bool(fold.is_done))),
    ]))
}

fn read_fold(item: &Item) -> Result<Fold, StoreError> {
    let read = Reader::new(item, "fold");
    let mut pages = BTreeMap::new();
    for (shard, range) in read.map("pages")? {
        let numbers: Option<Vec<u64>> =
            range.as_l().ok().map(|list| list.iter().filter_map(|n| n.as_n().ok()?.parse().ok()).collect());
        let Some([first, last]) = numbers.as_deref() else { return Err(read.corrupt("pages")) };
        pages.insert(shard.parse().map_err(|_| read.corrupt("pages"))?, (*first, *last));
    }
    Ok(Fold {
        no: read.str("sk")?.parse().map_err(|_| read.corrupt("sk"))?,
        pages,
        closed: read.optional("closed", read_day)?,
        closes: read.optional("closes", read_day)?,
        planned_at: read.instant("planned_at")?,
        look_from: read_day(&read, "look_from")?,
        is_done: read.flag("is_done")?,
    })
}

fn aside_item(listed: &ListedAside) -> Item {
    keys::set_aside(&listed.id).with(item([
        ("shard", Some(text(listed.shard.as_str()))),
        ("page", Some(number(listed.page))),
        ("reason", Some(text(&listed.reason))),
        ("at", Some(instant(listed.at))),
        ("posted_at", listed.posted.as_ref().map(|(at, _)| instant(*at))),
        ("posted_by", listed.posted.as_ref().map(|(_, by)| text(by))),
    ]))
}

fn read_aside(item: &Item) -> Result<ListedAside, StoreError> {
    let read = Reader::new(item, "listed record");
    Ok(ListedAside {
        id: read.str("sk")?.to_owned(),
        shard: read.parsed("shard")?,
        page: read.number("page")?,
        reason: read.str("reason")?.to_owned(),
        at: read.instant("at")?,
        posted: match read.optional("posted_at", |read, name| read.instant(name))? {
            Some(at) => Some((at, read.str("posted_by")?.to_owned())),
            None => None,
        },
    })
}
