//! The books at size. A month of redemptions is made up for many merchants, and posted as badly as a stream may deliver
//! it. It is folded, closed and rebuilt, and compared with what was made up. Counts and units are exact; times are this
//! machine's, on one thread.

mod made;

use crate::wire::Network;
use made::{Made, Owed};
use mealticket_domain::{
    Campaign, ProvinceMonth, Timestamp,
    books::{CLOSE_AFTER_SECONDS, Cell, Sum},
    settlement::SettlementTerms,
    statement::{StatementId, due},
};
use mealticket_local::{template::Template, workspace};
use mealticket_store::{Clock, Tables};
use mealticket_support::{stream, world::seeded};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Shards of the stream.
const SHARDS: usize = 16;
/// Stores of each merchant.
const STORES: u64 = 10;
/// Channels through which coupons were claimed.
const CHANNELS: [&str; 3] = ["app", "hall", "h5"];
/// The most records in one batch.
const BATCH: usize = 1_000;
/// One of so many redemptions is undone.
const UNDONE: u64 = 10;
/// The month that is made up.
const MONTH: &str = "2026-11";

/// What was measured of the books.
#[derive(Debug, Clone, Default)]
pub struct Ledgered {
    /// How many merchants there are.
    pub merchants: u32,
    /// How many redemptions there are.
    pub redemptions: u64,
    /// Records of the stream that were delivered.
    pub delivered: u64,
    /// Delivered records that had been delivered before.
    pub repeated: u64,
    /// Pages of the journal.
    pub pages: u64,
    /// Write units of posting, for each redemption. Its claim and its reversal are included.
    pub posting_writes: f64,
    /// Records posted per second.
    pub posted_per_second: f64,
    /// Write units of folding, for each redemption.
    pub folding_writes: f64,
    /// Read units of folding, for each redemption.
    pub folding_reads: f64,
    /// How many folds were made.
    pub folds: u64,
    /// How many statements were made.
    pub statements: u64,
    /// How long closing the month took.
    pub closing: Duration,
    /// How long the rebuild took.
    pub rebuilding: Duration,
    /// Merchants whose statement differs from what was made up.
    pub wrong_statements: u64,
    /// Differences between the rebuild and the journal.
    pub differences: u64,
    /// Fen by which the journal, the coupons and what was made up differ.
    pub difference_fen: i64,
    /// Kilobytes of memory in use when a fifth was posted, and at the end. The tables are included.
    pub memory_kb: (u64, u64),
}

impl Ledgered {
    /// Whether the books equal what was made up.
    pub fn holds(&self) -> bool {
        self.wrong_statements + self.differences == 0 && self.difference_fen == 0
    }
}

/// How much is made up.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Merchants. Each has a campaign, ten stores and three channels.
    pub merchants: u32,
    /// Redemptions. Each has its claim, and one in ten is undone.
    pub redemptions: u64,
    /// Seconds from the first redemption to the last.
    pub span_seconds: u64,
    /// Seconds between two folds, by the clock of what is made up.
    pub fold_seconds: u64,
}

impl Plan {
    /// A month that is folded four times a day. The sums do not depend on how often it is folded.
    pub fn month(merchants: u32, redemptions: u64) -> Self {
        Plan { merchants, redemptions, span_seconds: 30 * 86_400, fold_seconds: 6 * 3_600 }
    }

    /// Twenty minutes at a hundred redemptions a second, folded every five minutes.
    pub fn busy(merchants: u32) -> Self {
        Plan { merchants, redemptions: 120_000, span_seconds: 1_200, fold_seconds: 300 }
    }
}

/// Makes the month up, posts it, folds it, closes it and rebuilds it. `say` prints a line before a step that takes
/// time.
pub fn measure(plan: Plan, say: impl Fn(&str)) -> Ledgered {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let like = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(seeded()).config.tables.clone()
    });
    let tables = like.join().unwrap();
    fastrand::seed(11);
    runtime.block_on(async {
        let made = Made::new(plan);
        let database = dynoxide::Database::memory().unwrap();
        for table in Template::read(&workspace::template()).unwrap().tables().unwrap() {
            let mut create = table.create;
            // Nobody reads this stream: the records are made up.
            create.as_object_mut().unwrap().remove("StreamSpecification");
            database.create_table(serde_json::from_value(create).unwrap()).unwrap();
        }
        let clock = Clock::standing_at(Timestamp::from_unix_seconds(made.at(0)).unwrap());
        let network = Network::new(database, tables, 1, BTreeMap::new()).with_delay(Duration::ZERO);
        let environment = || Tables::new(network.client(0, &clock), network.tables().clone(), clock.clone());
        let (merchants, redemptions) = (plan.merchants, plan.redemptions);
        let mut books = Ledgered { merchants, redemptions, ..Ledgered::default() };
        say("catalog and coupons");
        lay_out(&environment(), &made).await;
        put_coupons(&network, &made);
        say("posting and folding");
        let folder = environment();
        post(&mut books, &made, plan.fold_seconds, [environment(), environment()], &folder, &clock).await;
        books.memory_kb.1 = memory_kb();
        say("closing the month");
        close(&mut books, &made, &folder, &clock).await;
        say("rebuilding");
        rebuild(&mut books, &made, &environment()).await;
        books
    })
}

async fn lay_out(tables: &Tables, made: &Made) {
    let seed = mealticket_local::seed::Seed::read(&workspace::seed()).unwrap();
    let like = seed.campaigns().unwrap().into_iter().next().unwrap();
    let terms: SettlementTerms = serde_json::from_str(
        r#"{ "funded_by": { "province": 50, "city:广州": 16.67, "merchant": 33.33 }, "pays_merchant": "discount" }"#,
    )
    .unwrap();
    for merchant in 0..made.merchants {
        let mut campaign = Campaign::clone(&like);
        campaign.no = Made::campaign(merchant);
        campaign.merchant_id = Made::merchant(merchant);
        campaign.settlement_version = 1;
        campaign.terms_sha256 = campaign.terms.hash(campaign.no).unwrap();
        tables.catalog.put_campaign(&campaign, &terms).await.unwrap();
    }
}

/// Writes the coupons as they are at the end. The rebuild reads them.
fn put_coupons(network: &Network, made: &Made) {
    for coupon in 0..made.redemptions {
        let last = made.records(coupon, 0).pop().unwrap();
        let put = json!({ "TableName": network.tables().members, "Item": last["dynamodb"]["NewImage"] });
        network.database().put_item(serde_json::from_value(put).unwrap()).unwrap();
    }
}

/// A shard that is being delivered: its next coupon, its last sequence number, and the records that wait.
#[derive(Default)]
struct Shard {
    next: u64,
    seq: u64,
    waiting: VecDeque<Value>,
    past: VecDeque<Value>,
}

/// Delivers every shard in turn, at random, in batches of any size. One batch in ten begins with records that were
/// delivered before. One in twenty is followed by the whole batch before it. Folds as often as the schedule would.
async fn post(
    books: &mut Ledgered,
    made: &Made,
    fold_seconds: u64,
    posters: [Tables; 2],
    folder: &Tables,
    clock: &Clock,
) {
    let mut shards: Vec<Shard> = (0..SHARDS).map(|number| Shard { next: number as u64, ..Shard::default() }).collect();
    let before = posters.each_ref().map(|tables| tables.capacity().write_tenths);
    let mut spent = Duration::ZERO;
    let mut next_fold = clock.now().plus_seconds(i64::try_from(fold_seconds).unwrap());
    loop {
        let open: Vec<usize> =
            (0..SHARDS).filter(|n| shards[*n].next < made.redemptions || !shards[*n].waiting.is_empty()).collect();
        let Some(number) = fastrand::choice(open) else { break };
        let shard = &mut shards[number];
        let wanted = fastrand::usize(1..=BATCH);
        while shard.waiting.len() < wanted && shard.next < made.redemptions {
            let records = made.records(shard.next, shard.seq + 1);
            shard.seq += records.len() as u64;
            shard.next += SHARDS as u64;
            shard.waiting.extend(records);
        }
        let fresh: Vec<Value> = shard.waiting.drain(..wanted.min(shard.waiting.len())).collect();
        let again = if fastrand::u8(..10) == 0 { fastrand::usize(..=shard.past.len()) } else { 0 };
        let mut batch: Vec<Value> = shard.past.range(shard.past.len() - again..).cloned().collect();
        batch.extend(fresh.iter().cloned());
        books.repeated += again as u64;
        shard.past.extend(fresh);
        shard.past.drain(..shard.past.len().saturating_sub(BATCH));
        let at = made.at(shard.next.saturating_sub(SHARDS as u64).min(made.redemptions - 1));
        clock.set(clock.now().max(Timestamp::from_unix_seconds(at).unwrap()));
        let late: Vec<Value> = if fastrand::u8(..20) == 0 { shard.past.iter().cloned().collect() } else { Vec::new() };
        books.repeated += late.len() as u64;
        let name = format!("shardId-{number}");
        for batch in [batch, late].iter().filter(|batch| !batch.is_empty()) {
            let event = serde_json::from_value(stream::batch(&name, batch)).unwrap();
            let began = Instant::now();
            post_ledger::handle(&posters[fastrand::usize(..2)].narrowed(), event).await.unwrap();
            spent += began.elapsed();
            books.delivered += batch.len() as u64;
        }
        if clock.now() >= next_fold {
            next_fold = clock.now().plus_seconds(i64::try_from(fold_seconds).unwrap());
            fold(books, folder).await;
        }
        if books.memory_kb.0 == 0 && shards.iter().all(|shard| shard.next > made.redemptions / 5) {
            books.memory_kb.0 = memory_kb();
        }
    }
    fold(books, folder).await;
    let after = posters.each_ref().map(|tables| tables.capacity().write_tenths);
    let written: u64 = after.iter().zip(before).map(|(after, before)| after - before).sum();
    books.posting_writes = tenths(written) / made.redemptions as f64;
    books.posted_per_second = books.delivered as f64 / spent.as_secs_f64();
    let folded = folder.capacity();
    books.folding_writes = tenths(folded.write_tenths) / made.redemptions as f64;
    books.folding_reads = tenths(folded.read_tenths) / made.redemptions as f64;
}

fn tenths(units: u64) -> f64 {
    units as f64 / 10.0
}

async fn fold(books: &mut Ledgered, folder: &Tables) {
    let worked = fold_books::work(&folder.narrowed()).await.unwrap();
    books.folds += worked.folds;
    books.pages += worked.pages;
    assert_eq!(worked.set_aside, 0);
}

async fn close(books: &mut Ledgered, made: &Made, folder: &Tables, clock: &Clock) {
    let month: ProvinceMonth = MONTH.parse().unwrap();
    clock.set(month.next().first_day().starts_at().plus_seconds(CLOSE_AFTER_SECONDS));
    let began = Instant::now();
    loop {
        let worked = fold_books::work(&folder.narrowed()).await.unwrap();
        books.statements += worked.statements;
        if !worked.unfinished {
            break;
        }
    }
    books.closing = began.elapsed();
    for (merchant, owed) in made.owed().into_iter().enumerate() {
        let id = StatementId { merchant: Made::merchant(merchant as u64), month };
        let head = folder.ledger.read_statement(&id).await.unwrap();
        let said = head.as_ref().map(|head| {
            let total = head.statement.total();
            let own_share = total.discount - due(&total.postings);
            (
                Owed { redeemed: total.redeemed, reversed: total.reversed, discount: total.discount, own_share },
                head.closing,
            )
        });
        if said != Some((owed, owed.discount - owed.own_share)) {
            books.wrong_statements += 1;
        }
    }
}

async fn rebuild(books: &mut Ledgered, made: &Made, tables: &Tables) {
    let began = Instant::now();
    let rebuilt = rebuild_ledger::rebuild(&tables.narrowed()).await.unwrap();
    books.rebuilding = began.elapsed();
    books.differences = rebuilt.differences_in_all + rebuilt.counts_that_differ + rebuilt.unreadable_in_all;
    let of_accounts: i64 = rebuilt.difference_fen.values().map(|fen| fen.abs()).sum();
    let mut journal = Cell::default();
    for merchant in 0..made.merchants {
        let (first, last) = ("2026-01-01".parse().unwrap(), "2027-12-31".parse().unwrap());
        let sheets = tables.ledger.read_sheets(&Made::merchant(merchant), first, last).await.unwrap();
        sheets.values().flat_map(|sheet| sheet.values()).for_each(|cell| journal.add(cell));
    }
    let truth: i64 = made.owed().iter().map(|owed| owed.discount - owed.own_share).sum();
    books.difference_fen = of_accounts + (due(&journal.postings) - truth).abs() + journal.postings.balance().abs();
}

/// Memory that this process uses, as Linux counts it; 0 on other systems.
fn memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
