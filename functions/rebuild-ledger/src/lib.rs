//! 重建账本: makes the books anew from the coupons alone, and compares them with the journal, entry
//! by entry, to the fen (S3).
//!
//! It changes nothing, and is invoked by hand, or by whoever audits. It reads both sides as they stand: the coupons
//! first, so that the journal has had the longer time. What happened in the last quarter of an hour may still be on its
//! way through the stream, and does not count as a difference.

#![warn(clippy::wildcard_enum_match_arm)]

use mealticket_domain::{
    Timestamp,
    journal::{CountKey, Counts, Entry, EntryKind},
    rebuild::{Comparison, Difference, Side, TOLD_MAX, bucket_of},
    settlement::Postings,
};
use mealticket_store::{StoreError, catalog::Priced};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog, ledger: Ledger }
}

/// Parts of the members' table that are read at once. A megabyte of each is under way.
const SEGMENTS: u16 = 8;
/// Pages that are read at once. Twenty pages of a thousand entries are some ten megabytes.
const PAGES: usize = 20;
/// Seconds in which what happened may still be on its way to the journal.
const UNDER_WAY_SECONDS: i64 = 900;

/// How the journal compares with the coupons.
#[derive(Debug, Default, Serialize)]
pub struct Rebuilt {
    /// Coupons that were read.
    pub coupons: u64,
    /// Entries that the coupons come to.
    pub entries: u64,
    /// Entries of the journal, without adjustments, which have no redemption.
    pub journal_entries: u64,
    /// Pages that hold them.
    pub pages: u64,
    /// Records that were set aside and are not posted.
    pub set_aside: u64,
    /// Fen by account: the journal's less the coupons'. Empty when they agree.
    pub difference_fen: BTreeMap<String, i64>,
    /// The differences, one by one; at most a thousand.
    pub differences: Vec<ListedDifference>,
    /// How many differences there are, also those beyond the thousand.
    pub differences_in_all: u64,
    /// Differences of what happened in the last quarter of an hour, which may still be on its way.
    pub under_way: u64,
    /// How many counts differ: claims and lapses of a campaign, channel and day.
    pub counts_that_differ: u64,
    /// Whether nothing was posted in the last quarter of an hour. Only then do counts have to agree.
    pub is_quiet: bool,
    /// Coupons that cannot be read, by their keys, and coupons without sound settlement terms; at most a thousand.
    pub unreadable: Vec<String>,
    /// How many of them there are, also those beyond the thousand.
    pub unreadable_in_all: u64,
}

/// One difference, as the answer shows it.
#[derive(Debug, Serialize)]
pub struct ListedDifference {
    /// `missing` (the journal lacks it), `unfounded` (no coupon has it), `different` or `repeated`.
    pub kind: &'static str,
    /// Which redemption: member, campaign, ordinal, redemption from 0. ` reversed` follows when it is its reversal.
    pub event: String,
    /// When the redemption or reversal was.
    pub at: String,
    /// The merchant whose books differ.
    pub merchant_id: String,
    /// The merchant's order.
    pub order_no: String,
    /// Fen by account that the journal should have and has not.
    pub missing_fen: BTreeMap<String, i64>,
}

impl Rebuilt {
    /// Whether the books are what the coupons say: no difference, nothing unreadable, and equal counts
    /// when the journal is quiet.
    pub fn agrees(&self) -> bool {
        let counts_agree = self.counts_that_differ == 0 || !self.is_quiet;
        self.differences_in_all == 0 && counts_agree && self.unreadable_in_all == 0
    }

    /// Notes a coupon that cannot be compared.
    fn unreadable(&mut self, what: String) {
        self.unreadable_in_all += 1;
        if self.unreadable.len() < TOLD_MAX {
            self.unreadable.push(what);
        }
    }
}

/// Reads every coupon and every page, and compares them.
///
/// It reads both sides once, and once more for each group of members in which they differ. It writes nothing, so it may
/// be repeated. Cost: 1 R for each 4 KB of `members` and of the journal, each time.
///
/// Errors: a `StoreError` ends it without an answer. A coupon that cannot be read is counted; a page that
/// cannot be read is `Corrupt`.
pub async fn rebuild(tables: &Handles) -> Result<Rebuilt, StoreError> {
    let now = tables.ledger.clock().now();
    let mut rebuilt = Rebuilt { is_quiet: true, ..Rebuilt::default() };
    let mut coupons = Side::default();
    for_every_coupon(tables, &mut rebuilt, |entries, counts| {
        entries.iter().for_each(|entry| coupons.add(entry));
        coupons.counts.add(counts);
    })
    .await?;
    let mut journal = Side::default();
    for_every_page(tables, Some(&mut rebuilt), |entries, counts| {
        entries.iter().filter(has_coupon).for_each(|entry| journal.add(entry));
        journal.counts.add(counts);
    })
    .await?;
    let (own, theirs) = (coupons.total(), journal.total());
    (rebuilt.entries, rebuilt.journal_entries) = (own.0, theirs.0);
    rebuilt.difference_fen = amounts(&less(&theirs.1, &own.1));
    rebuilt.counts_that_differ = differing(&coupons.counts, &journal.counts);
    for buckets in coupons.differing(&journal) {
        compare(tables, &buckets.into_iter().collect(), now, &mut rebuilt).await?;
    }
    tracing::info!(
        coupons = rebuilt.coupons,
        entries = rebuilt.entries,
        differences = rebuilt.differences_in_all,
        "rebuilt"
    );
    Ok(rebuilt)
}

/// Compares the entries of some buckets of members one by one.
async fn compare(
    tables: &Handles,
    buckets: &BTreeSet<usize>,
    now: Timestamp,
    rebuilt: &mut Rebuilt,
) -> Result<(), StoreError> {
    let concerned = |entry: &&Entry| buckets.contains(&bucket_of(entry.event.coupon.member));
    let mut comparison = Comparison::default();
    for_every_coupon(tables, &mut Rebuilt::default(), |entries, _| {
        entries.iter().filter(concerned).for_each(|entry| comparison.of_coupons(entry.clone()));
    })
    .await?;
    for_every_page(tables, None, |entries, _| {
        let concerned = entries.iter().filter(has_coupon).filter(concerned);
        concerned.for_each(|entry| comparison.of_journal(entry.clone()));
    })
    .await?;
    for difference in comparison.differences() {
        let listed = listed(&difference);
        let is_new = |entry: &Entry| now.seconds_since(entry.at) < UNDER_WAY_SECONDS;
        match &difference {
            Difference::Missing(entry) | Difference::Unfounded(entry) if is_new(entry) => rebuilt.under_way += 1,
            Difference::Missing(_)
            | Difference::Unfounded(_)
            | Difference::Repeated(_)
            | Difference::Different { .. } => {
                rebuilt.differences_in_all += 1;
                if rebuilt.differences.len() < TOLD_MAX {
                    rebuilt.differences.push(listed);
                }
            }
        }
    }
    Ok(())
}

/// Whether an entry is of a redemption. An adjustment that an operator accepted is not; its decision
/// stands beside the discrepancy.
fn has_coupon(entry: &&Entry) -> bool {
    entry.event.kind != EntryKind::Adjustment
}

/// Hands over the entries and counts of every coupon, from eight parts of the table at once.
async fn for_every_coupon(
    tables: &Handles,
    rebuilt: &mut Rebuilt,
    mut take: impl FnMut(&[Entry], &Counts),
) -> Result<(), StoreError> {
    let scan = |segment, from| {
        let tables = tables.clone();
        async move { (segment, tables.members.scan_coupons(segment, SEGMENTS, from).await) }
    };
    let mut scanning = JoinSet::new();
    (0..SEGMENTS).for_each(|segment| drop(scanning.spawn(scan(segment, None))));
    while let Some(scanned) = scanning.join_next().await {
        let Ok((segment, scanned)) = scanned else { continue };
        let scanned = scanned?;
        if let Some(next) = scanned.next {
            scanning.spawn(scan(segment, Some(next)));
        }
        scanned.unreadable.into_iter().for_each(|key| rebuilt.unreadable(key));
        for coupon in &scanned.coupons {
            rebuilt.coupons += 1;
            match tables.catalog.read_all_entries(coupon).await? {
                Priced::Entries(entries) => take(&entries, &Counts::between(None, coupon)),
                Priced::Unpriced(reason) => rebuilt.unreadable(format!("{:?}: {reason}", coupon.key)),
            }
        }
    }
    Ok(())
}

/// Hands over the entries and counts of every page, shard by shard. `rebuilt` gets the page's own figures.
async fn for_every_page(
    tables: &Handles,
    mut rebuilt: Option<&mut Rebuilt>,
    mut take: impl FnMut(&[Entry], &Counts),
) -> Result<(), StoreError> {
    let now = tables.ledger.clock().now();
    for shard in tables.ledger.list_all_shards().await? {
        let mut after = 0;
        loop {
            let pages = tables.ledger.read_pages_after(&shard, after, None, PAGES).await?;
            let Some(last) = pages.last() else { break };
            after = last.no;
            for page in &pages {
                take(&page.entries, &page.counts);
                let Some(rebuilt) = rebuilt.as_deref_mut() else { continue };
                rebuilt.pages += 1;
                rebuilt.is_quiet &= now.seconds_since(page.last_at) >= UNDER_WAY_SECONDS;
                for (id, _) in page.asides(&shard) {
                    rebuilt.set_aside += u64::from(tables.ledger.read_posted_aside(&id).await?.is_none());
                }
            }
        }
    }
    Ok(())
}

/// How many keys the two count differently.
fn differing(one: &Counts, two: &Counts) -> u64 {
    let (one, two): (BTreeMap<&CountKey, _>, BTreeMap<&CountKey, _>) = (one.iter().collect(), two.iter().collect());
    let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != two.get(*key)).count() as u64
}

/// One side's postings without the other's.
fn less(postings: &Postings, other: &Postings) -> Postings {
    let mut difference = postings.clone();
    difference.post(&other.reversed());
    difference
}

/// Fen by account.
fn amounts(postings: &Postings) -> BTreeMap<String, i64> {
    postings.amounts().map(|(account, fen)| (account.to_string(), fen)).collect()
}

/// A difference as the answer shows it.
fn listed(difference: &Difference) -> ListedDifference {
    let (kind, entry, missing) = match difference {
        Difference::Missing(entry) => ("missing", entry, entry.postings.clone()),
        Difference::Unfounded(entry) => ("unfounded", entry, entry.postings.reversed()),
        Difference::Repeated(entry) => ("repeated", entry, entry.postings.reversed()),
        Difference::Different { coupons, journal } => {
            ("different", coupons, less(&coupons.postings, &journal.postings))
        }
    };
    let (event, coupon) = (entry.event, entry.event.coupon);
    let reversal = if event.kind == EntryKind::Reversal { " reversed" } else { "" };
    ListedDifference {
        kind,
        event: format!(
            "{}/{}/{}/{}{reversal}",
            coupon.member.get(),
            coupon.campaign,
            coupon.ordinal.get(),
            event.index
        ),
        at: entry.at.to_string(),
        merchant_id: entry.merchant.to_string(),
        order_no: entry.order_no.to_string(),
        missing_fen: amounts(&missing),
    }
}
