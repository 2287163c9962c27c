//! One fold: planned, written down, done.

use crate::Handles;
use mealticket_domain::{
    CampaignNo, MerchantId, ProvinceDay, Timestamp,
    books::{Fold, additions, day_to_close},
    journal::{Page, StreamShard},
};
use mealticket_store::{StoreError, ledger::ListedAside};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pages of one fold. 100 pages of a thousand entries are some 70 MB when they are read, and as much again when they
/// are sorted into sheets. The function has 1 024 MB.
const PAGES_MAX: usize = 100;

/// The merchant to whom counts go whose campaign the catalog does not have, or has in a form of the
/// future. No money is in them.
const UNKNOWN_MERCHANT: &str = "mch_unknown";

/// Pages with the shards that they are of.
pub(crate) type Pages = Vec<(StreamShard, Page)>;

/// The next fold after `last`, with its pages; `None` when there is nothing to do. It only reads.
///
/// A day is closed six hours after its end, and only when no page waits for a later fold.
pub(crate) async fn plan(tables: &Handles, last: Option<&Fold>) -> Result<Option<(Fold, Pages)>, StoreError> {
    let now = tables.ledger.clock().now();
    let today = now.province_day();
    // A day after yesterday is that of a clock that was ahead, and says nothing: then every shard is looked at again.
    let known = last.map(|last| last.look_from).filter(|day| *day <= yesterday(today));
    let look_from = known.unwrap_or(Timestamp::MIN.province_day());
    let mut pages = Pages::new();
    // A shard is noted on each day on which it is posted to, by a clock that may be a little ahead.
    for shard in tables.ledger.list_active_shards(look_from, today.plus_days(1)).await? {
        let room = PAGES_MAX - pages.len();
        if room == 0 {
            break;
        }
        let after = tables.ledger.read_folded_mark(&shard).await?;
        let found = tables.ledger.read_pages_after(&shard, after, None, room).await?;
        // Without gaps from the mark: pages behind a gap wait.
        let next = found.into_iter().zip(after + 1..).take_while(|(page, no)| page.no == *no);
        pages.extend(next.map(|(page, _)| (shard.clone(), page)));
    }
    let is_all = pages.len() < PAGES_MAX;
    let closed = last.and_then(Fold::closed_by_now);
    // A day is closed when all that there is of it is in, and not while pages wait for a later fold.
    let closes = day_to_close(now, closed).filter(|_| is_all);
    if pages.is_empty() && closes.is_none() {
        return Ok(None);
    }
    let mut ranges: BTreeMap<StreamShard, (u64, u64)> = BTreeMap::new();
    for (shard, page) in &pages {
        let range = ranges.entry(shard.clone()).or_insert((page.no, page.no));
        range.1 = page.no;
    }
    let no = last.map_or(1, |last| last.no + 1);
    let look_from = if is_all { look_from.max(yesterday(today)) } else { look_from };
    let fold = Fold { no, pages: ranges, closed, closes, planned_at: now, look_from, is_done: false };
    Ok(Some((fold, pages)))
}

/// The day before: a clock that notes shards may be a little behind.
fn yesterday(today: ProvinceDay) -> ProvinceDay {
    today.plus_days(-1)
}

/// The pages of a fold that another run, or an earlier one, has written down.
pub(crate) async fn pages_of(tables: &Handles, fold: &Fold) -> Result<Pages, StoreError> {
    let mut pages = Pages::new();
    for (shard, (first, last)) in &fold.pages {
        let found = tables.ledger.read_pages_after(shard, first.saturating_sub(1), Some(*last), usize::MAX).await?;
        pages.extend(found.into_iter().map(|page| (shard.clone(), page)));
    }
    Ok(pages)
}

/// Brings a fold into the sheets and bills, and marks it done. Safe to repeat, and safe beside itself.
///
/// It writes bills, sheets and lapses, lists the records that were set aside, moves the marks of the shards, and notes
/// the months that are due. Last, it marks the fold done.
pub(crate) async fn fold(tables: &Handles, fold: &Fold, pages: &Pages) -> Result<(), StoreError> {
    let merchants = merchants(tables, pages).await?;
    let merchant_of = |campaign: CampaignNo| merchants.of(campaign);
    let additions = additions(pages.iter().map(|(_, page)| page), fold.closed, merchant_of);
    for (sheet, addition) in additions.sheets {
        tables.ledger.add_to_bill(&sheet, fold.no, &addition.entries).await?;
        tables.ledger.add_to_sheet(&sheet, fold.no, addition.cells).await?;
    }
    for (month, lapses) in additions.lapses {
        tables.ledger.add_to_lapses(&month, fold.no, lapses).await?;
    }
    for (shard, page) in pages {
        for (id, aside) in page.asides(shard) {
            let listed = ListedAside {
                id,
                shard: shard.clone(),
                page: page.no,
                reason: aside.reason.clone(),
                at: page.last_at,
                posted: None,
            };
            tables.ledger.list_aside(&listed).await?;
        }
    }
    for (shard, (_, last)) in &fold.pages {
        tables.ledger.mark_folded(shard, *last).await?;
    }
    let is_first_close = fold.closes.is_some() && fold.closed.is_none();
    let first_booked = if is_first_close { tables.ledger.find_first_booked_day().await? } else { None };
    for month in fold.months_closed(first_booked) {
        tables.ledger.note_month_due(month, fold.no).await?;
    }
    tables.ledger.end_fold(fold).await
}

/// The merchants of the campaigns that a fold counts.
struct Merchants {
    known: HashMap<CampaignNo, MerchantId>,
    unknown: MerchantId,
}

impl Merchants {
    fn of(&self, campaign: CampaignNo) -> MerchantId {
        self.known.get(&campaign).unwrap_or(&self.unknown).clone()
    }
}

/// The merchants of the campaigns that are counted. It asks for each campaign, because a directory in the cache could
/// be older than the campaign. A campaign that cannot be read is logged as an error.
async fn merchants(tables: &Handles, pages: &Pages) -> Result<Merchants, StoreError> {
    let unknown = UNKNOWN_MERCHANT.parse();
    let unknown = unknown.map_err(|_| StoreError::Corrupt { item: "merchant", attribute: "sk" })?;
    let mut merchants = Merchants { known: HashMap::new(), unknown };
    let counted: BTreeSet<CampaignNo> =
        pages.iter().flat_map(|(_, page)| page.counts.iter().map(|(key, _)| key.campaign)).collect();
    for no in counted {
        match tables.catalog.read_campaign(no).await {
            Ok(Some(campaign)) => drop(merchants.known.insert(no, campaign.merchant_id.clone())),
            Ok(None) | Err(StoreError::Corrupt { .. }) => {
                tracing::error!(campaign = %no, "counted, and not in the catalog in a form that can be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(merchants)
}
