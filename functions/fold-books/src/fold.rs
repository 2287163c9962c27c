//! One fold: planned, written down, done.

use mealticket_domain::{
    CampaignNo, MerchantId, Timestamp,
    books::{Fold, additions, day_to_close},
    journal::{Page, StreamShard},
};
use mealticket_store::{Store, StoreError, books::ListedAside};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pages of one fold: 100 of a thousand entries are some 50 MB when they are read, of the function's 256.
const PAGES_MAX: usize = 100;

/// Pages with the shards that they are of.
pub(crate) type Pages = Vec<(StreamShard, Page)>;

/// The next fold after `last`, with its pages; none when there is nothing to do.
pub(crate) async fn plan(store: &Store, last: Option<&Fold>) -> Result<Option<(Fold, Pages)>, StoreError> {
    let now = store.clock().now();
    let mut pages = Pages::new();
    for shard in active_shards(store, last).await? {
        let room = PAGES_MAX - pages.len();
        if room == 0 {
            break;
        }
        let after = store.folded_mark(&shard).await?;
        let found = store.pages_after(&shard, after, None, room).await?;
        // Without gaps from the mark: what is behind a gap waits.
        let next = found.into_iter().zip(after + 1..).take_while(|(page, no)| page.no == *no);
        pages.extend(next.map(|(page, _)| (shard.clone(), page)));
    }
    let closed = last.and_then(Fold::closed_by_now);
    // A day is closed when what there is of it is in: not while pages wait for a later fold.
    let closes = day_to_close(now, closed).filter(|_| pages.len() < PAGES_MAX);
    if pages.is_empty() && closes.is_none() {
        return Ok(None);
    }
    let mut ranges: BTreeMap<StreamShard, (u64, u64)> = BTreeMap::new();
    for (shard, page) in &pages {
        let range = ranges.entry(shard.clone()).or_insert((page.no, page.no));
        range.1 = page.no;
    }
    let no = last.map_or(1, |last| last.no + 1);
    let fold = Fold { no, pages: ranges, closed, closes, planned_at: now, is_done: false };
    Ok(Some((fold, pages)))
}

/// The shards that may have pages after those of the last fold. A shard is noted on each day on which it is posted to, before
/// the page is there, by a clock that may be off by a little: a day more on both sides.
async fn active_shards(store: &Store, last: Option<&Fold>) -> Result<BTreeSet<StreamShard>, StoreError> {
    let today = store.clock().now().province_day();
    let first = last.map_or(Timestamp::MIN.province_day(), |last| last.planned_at.province_day().plus_days(-1));
    store.active_shards(first, today.plus_days(1)).await
}

/// The pages of a fold that was written down.
pub(crate) async fn pages_of(store: &Store, fold: &Fold) -> Result<Pages, StoreError> {
    let mut pages = Pages::new();
    for (shard, (first, last)) in &fold.pages {
        let found = store.pages_after(shard, first.saturating_sub(1), Some(*last), usize::MAX).await?;
        pages.extend(found.into_iter().map(|page| (shard.clone(), page)));
    }
    Ok(pages)
}

/// Brings a fold into the sheets and bills. Safe to repeat, and safe beside itself.
pub(crate) async fn fold(store: &Store, fold: &Fold, pages: &Pages) -> Result<(), StoreError> {
    let merchants = merchants(store, pages).await?;
    let merchant_of = |campaign: CampaignNo| merchants.get(&campaign).cloned();
    for (sheet, addition) in additions(pages.iter().map(|(_, page)| page), fold.closed, merchant_of) {
        store.add_to_bill(&sheet, fold.no, &addition.entries).await?;
        store.add_to_sheet(&sheet, fold.no, addition.cells).await?;
    }
    for (shard, page) in pages {
        for (id, aside) in page.asides(shard) {
            let listed = ListedAside {
                id,
                shard: shard.clone(),
                page: page.no,
                reason: aside.reason.clone(),
                at: page.last_at,
                posted_at: None,
            };
            store.list_aside(&listed).await?;
        }
    }
    for (shard, (_, last)) in &fold.pages {
        store.mark_folded(shard, *last).await?;
    }
    for month in fold.months_closed() {
        store.month_is_due(month, fold.no).await?;
    }
    store.end_fold(fold).await
}

/// The merchants of the campaigns that are counted. Asked one by one: a directory could be older than the campaign.
async fn merchants(store: &Store, pages: &Pages) -> Result<HashMap<CampaignNo, MerchantId>, StoreError> {
    let counted: BTreeSet<CampaignNo> =
        pages.iter().flat_map(|(_, page)| page.counts.iter().map(|(key, _)| key.campaign)).collect();
    let mut merchants = HashMap::new();
    for no in counted {
        match store.campaign(no).await? {
            Some(campaign) => drop(merchants.insert(no, campaign.merchant_id.clone())),
            // Nobody deletes campaigns. No money is in a count, so the rest of the books goes on.
            None => tracing::error!(campaign = %no, "counted, and not in the catalog"),
        }
    }
    Ok(merchants)
}
