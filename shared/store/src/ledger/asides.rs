//! Records that were set aside because they could not be read: listed, and posted once they can be read.

use crate::{
    Catalog, Ledger,
    catalog::ReadError,
    ledger::keys,
    table::{
        attributes::{Item, Reader, instant, item, number, text},
        clauses::IS_NEW,
        error::StoreError,
    },
};
use mealticket_domain::{
    Timestamp,
    journal::{Content, Page, SetAside, StreamShard},
};

/// A record that was set aside, as it is listed. The record itself is in its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAside {
    /// Names it: the event's id. A record without one has its shard, its page and its position there.
    pub id: String,
    /// The shard of the stream from which it came.
    pub shard: StreamShard,
    /// The page of that shard's journal that holds it.
    pub page: u64,
    /// Why it could not be read, in words for operators.
    pub reason: String,
    /// When its page's newest record was written.
    pub at: Timestamp,
    /// When it was posted after all, and the operator who asked for it first.
    pub posted: Option<(Timestamp, String)>,
}

/// What posting a record that was set aside came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostedAside {
    /// It is in the journal, once, by this call or an earlier one. This is the record as it came.
    Posted(serde_json::Value),
    /// No record of this id was set aside.
    NotFound,
    /// It still cannot be read, for this reason.
    StillUnreadable(String),
}

impl Ledger {
    /// Lists a record that was set aside. Safe to repeat: an entry that is there stays, with its mark of posting.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn list_aside(&self, listed: &ListedAside) -> Result<(), StoreError> {
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(aside_item(listed))).condition_expression(IS_NEW)).await.map(drop)
    }

    /// The records that were set aside, by their ids, at most `limit` after `after`. Eventually consistent.
    ///
    /// Cost: 1 Query, ½ R for each 4 KB.
    pub async fn list_set_asides(&self, after: Option<&str>, limit: usize) -> Result<Vec<ListedAside>, StoreError> {
        let call = self.table.query_partition(keys::SET_ASIDE.to_owned());
        let call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let call = call.set_exclusive_start_key(after.map(|id| keys::set_aside(id).attributes()));
        self.table.query(call).await?.items.iter().map(read_aside).collect()
    }

    /// A listed record with the record itself; `None` when it is not listed, or not in its page. Strongly consistent.
    ///
    /// Cost: 1 GetItem, 1 R, and 1 Query, 1 R for each 4 KB of its page.
    pub async fn read_set_aside(&self, id: &str) -> Result<Option<(ListedAside, SetAside)>, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let Some(item) = self.table.get(call.set_key(Some(keys::set_aside(id).attributes()))).await? else {
            return Ok(None);
        };
        let listed = read_aside(&item)?;
        let before = listed.page.saturating_sub(1);
        let pages = self.read_pages_after(&listed.shard, before, Some(listed.page), 1).await?;
        let found = pages.iter().flat_map(|page| page.asides(&listed.shard)).find(|(known, _)| known == id);
        let aside = found.map(|(_, aside)| aside.clone());
        Ok(aside.map(|aside| (listed, aside)))
    }

    /// The page under which a record that was set aside was posted after all; `None` when it was
    /// not. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB of the page.
    pub async fn read_posted_aside(&self, id: &str) -> Result<Option<Page>, StoreError> {
        let Some(shard) = SetAside::own_shard(id) else { return Ok(None) };
        Ok(self.read_pages_after(&shard, 0, None, 1).await?.into_iter().next())
    }

    /// Posts a record that was set aside, now that it can be read.
    ///
    /// It is in the journal once, however often and by how many it is asked: it has a shard of its own, with one page.
    /// The list keeps the operator who asked first.
    ///
    /// Cost: 2 Query and 1 GetItem, 3 R; the page as [`post`](Ledger::post); 1 PutItem, 1 W.
    ///
    /// Errors: `Unavailable` also when the catalog does not answer. A repeat finishes what was begun.
    pub async fn post_aside(
        &self,
        catalog: &Catalog,
        id: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<PostedAside, StoreError> {
        let Some(shard) = SetAside::own_shard(id) else { return Ok(PostedAside::NotFound) };
        let Some((listed, aside)) = self.read_set_aside(id).await? else { return Ok(PostedAside::NotFound) };
        let raw = [serde_json::from_str(&aside.raw).unwrap_or_default()];
        let records = match catalog.read_batch(&raw).await {
            Ok(records) => records,
            Err(ReadError::NoSequenceNumber) => {
                return Ok(PostedAside::StillUnreadable("no sequence number".to_owned()));
            }
            Err(ReadError::Catalog(error)) => return Err(error),
        };
        if let Some(Content::Unreadable(aside)) = records.first().map(|record| &record.content) {
            return Ok(PostedAside::StillUnreadable(aside.reason.clone()));
        }
        self.post(&shard, records).await.map_err(|not_posted| not_posted.source)?;
        if listed.posted.is_none() {
            let posted = ListedAside { posted: Some((now, by.to_owned())), ..listed };
            let call = self.table.put_item();
            // NOT_POSTED: of two operators who ask at once, the list keeps one.
            let call = call.set_item(Some(aside_item(&posted))).condition_expression("attribute_not_exists(posted_at)");
            self.table.put(call).await?;
        }
        let [raw] = raw;
        Ok(PostedAside::Posted(raw))
    }
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
