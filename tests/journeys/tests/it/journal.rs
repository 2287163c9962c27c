//! The first consumer of the stream. Events of coupons are posted once, and units that nobody spent come back.

use mealticket_domain::{
    Campaign, Fingerprint, Reason, Timestamp,
    journal::{StreamShard, Tally},
    stock::{FENCE_SECONDS, HAND_OUT_SECONDS, LEASE_SECONDS},
};
use mealticket_store::{
    Tables,
    members::{ClaimOutcome, ReverseRequest},
};
use mealticket_support::{
    Fate, Faults, World, stream,
    world::{key_hash, streams},
};
use serde_json::{Value, json};
use sweep_stock::{NoProof, SweepError, Swept};

/// Every record of the stream of members so far.
pub(crate) fn records(world: &World) -> Vec<Value> {
    stream::records(world.engine.database(), &world.deps.stack.config.tables.members)
}

pub(crate) fn shard(world: &World) -> StreamShard {
    stream::shard(world.engine.database(), &world.deps.stack.config.tables.members).parse().unwrap()
}

/// Hands a batch to `post-ledger`. Returns the failures that it names.
pub(crate) async fn post(tables: &Tables, shard: &StreamShard, records: &[Value]) -> Vec<Value> {
    let batch = serde_json::from_value(stream::batch(shard.as_str(), records)).unwrap();
    let reply = serde_json::to_value(post_ledger::handle(&tables.narrowed(), batch).await.unwrap()).unwrap();
    reply["batchItemFailures"].as_array().unwrap().clone()
}

/// The sum of all pages. It checks that their numbers have no gaps.
async fn posted(tables: &Tables, shard: &StreamShard) -> Tally {
    let pages = tables.ledger.read_journal(shard, Timestamp::MIN).await.unwrap().pages;
    let mut total = Tally::default();
    for (page, no) in pages.iter().rev().zip(1..) {
        assert_eq!(page.no, no);
        total.add(&page.tally);
    }
    total
}

async fn sweep(world: &World) -> Result<Swept, SweepError> {
    sweep_through(&world.another_environment(), &world.engine.url()).await
}

/// Sweeps in the environment of these handles. It reads the stream through `url`.
async fn sweep_through(tables: &Tables, url: &str) -> Result<Swept, SweepError> {
    sweep_stock::sweep(&tables.narrowed(), &tables.members.stream(streams(url))).await
}

pub(crate) async fn claim(world: &World, tables: &Tables, campaign: &Campaign) -> mealticket_domain::Coupon {
    match tables.members.claim(&tables.catalog, &tables.stock, campaign, &world.claim(world.member(), 1)).await.unwrap()
    {
        ClaimOutcome::Claimed(coupon) => *coupon,
        other => panic!("{other:?}"),
    }
}

/// Twelve claims, eight redemptions and four reversals.
pub(crate) async fn busy_day(world: &World, campaign: &Campaign) {
    let tables = world.tables();
    for number in 0..12 {
        let coupon = claim(world, tables, campaign).await;
        if number % 3 != 0 {
            tables
                .members
                .redeem(&tables.catalog, campaign, coupon.key, coupon.key_version, &world.redemption(number))
                .await
                .unwrap();
        }
        if number % 3 == 1 {
            let (key, reason): (_, Reason) = (key_hash(100 + number), "r".parse().unwrap());
            let request = ReverseRequest { key, fingerprint: Fingerprint([3; 16]), reason, now: world.now() };
            tables.members.reverse(&tables.catalog, coupon.key, 0, &request).await.unwrap();
        }
    }
}

#[tokio::test]
async fn whatever_is_delivered_again_overlapping_or_late_is_counted_once() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    busy_day(&world, &campaign).await;
    let (records, shard) = (records(&world), shard(&world));
    // Two environments. Neither knows what the other posted.
    let environments = [world.another_environment(), world.another_environment()];
    let mut random = fastrand::Rng::with_seed(7);
    let mut done = 0;
    while done < records.len() {
        let end = (done + random.usize(1..=6)).min(records.len());
        // Records that were delivered come again before new ones, in parts of another size, and also afterwards.
        let from = random.usize(..=done);
        let first = from + random.usize(..=end - from);
        for part in [&records[from..first], &records[done..end], &records[from..end]] {
            assert_eq!(post(&environments[random.usize(..2)], &shard, part).await, [Value::Null; 0]);
        }
        done = end;
    }
    assert_eq!(post(&environments[0], &shard, &records).await, [Value::Null; 0]);
    let total = posted(&world.another_environment(), &shard).await;
    let uses = total.uses[&campaign.no];
    assert_eq!(total.claims[&campaign.no].values().sum::<u32>(), 12);
    assert_eq!((uses.redemptions, uses.reversals), (8, 4));
}

#[tokio::test]
async fn a_batch_whose_write_got_no_answer_is_told_from_its_first_record_and_posted_next_time() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    busy_day(&world, &campaign).await;
    let (records, shard) = (records(&world), shard(&world));
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url).giving_up_after(std::time::Duration::from_millis(300));
    // The calls are the campaign, its settlement terms, the mark, and then the page.
    faults.from_nth(3, Fate::LoseAnswer);
    let failed = post(&tables, &shard, &records).await;
    assert_eq!(failed, [json!({ "itemIdentifier": records[0]["dynamodb"]["SequenceNumber"] })]);
    faults.calm();
    // The write was done all the same.
    assert_eq!(post(&tables, &shard, &records).await, [Value::Null; 0]);
    let total = posted(&tables, &shard).await;
    assert_eq!(total.claims[&campaign.no].values().sum::<u32>(), 12);
    assert_eq!(tables.ledger.read_mark(&shard).await.unwrap().unwrap().page, 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside_and_holds_up_nobody() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    busy_day(&world, &campaign).await;
    let good = records(&world);
    let spoil = |change: fn(&mut Value)| {
        let mut record = good[3].clone();
        change(&mut record);
        record
    };
    let bad = [
        spoil(|record| record["dynamodb"]["NewImage"]["schema"] = json!({ "N": "2" })),
        spoil(|record| record["dynamodb"]["NewImage"]["lease_id"] = json!({ "S": "x" })),
        spoil(|record| record["dynamodb"]["NewImage"]["sk"] = json!({ "S": "VOUCHER#1" })),
        spoil(|record| record["dynamodb"]["NewImage"] = Value::Null),
        spoil(|record| record["dynamodb"]["NewImage"] = json!("text")),
        spoil(|record| record["dynamodb"]["OldImage"]["redemptions"] = json!({ "L": [{ "M": {} }] })),
        spoil(|record| {
            record["dynamodb"]["NewImage"]["redemptions"] = json!({ "L": [{ "M": {
            "amount": { "N": "1000000000001" }, "at": { "N": "1795320000" }, "discount": { "N": "500" },
            "key": { "B": "AAAAAAAAAAEHBwcHBwcHBwAAAAAAAAAAAAAAAAAAAAA=" }, "order": { "S": "A-1" },
            "store": { "S": "sto_luckytea01" }, "via": { "S": "api" } } }] })
        }),
        spoil(|record| drop(record["dynamodb"].as_object_mut().unwrap().remove("SequenceNumber"))),
        json!("not a record"),
    ];
    for (place, bad) in bad.iter().enumerate() {
        let world = World::new().await;
        world.campaign_like(1, 500, 100, 1).await;
        let shard = "shardId-1".parse().unwrap();
        let mut batch = good.clone();
        // The bad record takes a good record's place, with its sequence number.
        let at = place.min(batch.len() - 1);
        let mut bad = bad.clone();
        if bad.pointer("/dynamodb/SequenceNumber").is_some() {
            bad["dynamodb"]["SequenceNumber"] = batch[at]["dynamodb"]["SequenceNumber"].clone();
        }
        batch[at] = bad;
        for _ in 0..2 {
            assert_eq!(post(world.tables(), &shard, &batch).await, [Value::Null; 0], "{place}");
        }
        let pages = world.tables().ledger.read_journal(&shard, Timestamp::MIN).await.unwrap().pages;
        let aside: Vec<_> = pages.iter().flat_map(|page| &page.aside).collect();
        assert_eq!((pages.len(), aside.len()), (1, 1), "{place}");
        assert_eq!(serde_json::from_str::<Value>(&aside[0].raw).unwrap(), batch[at]);
        assert!(pages[0].records as usize == good.len() && !aside[0].reason.is_empty());
    }
    // A batch in which no record has a sequence number is refused as a whole: nothing could say that it was posted.
    let batch = stream::batch("shardId-1", &[json!({}), json!(1)]);
    assert!(post_ledger::handle(&world.tables().narrowed(), serde_json::from_value(batch).unwrap()).await.is_err());
    let no_shard = json!({ "Records": good });
    assert!(post_ledger::handle(&world.tables().narrowed(), serde_json::from_value(no_shard).unwrap()).await.is_err());
}

/// When the catalog does not answer, no record is set aside.
#[tokio::test]
async fn a_batch_waits_for_the_catalog() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    busy_day(&world, &campaign).await;
    let (records, shard) = (records(&world), shard(&world));
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url).giving_up_after(std::time::Duration::from_millis(300));
    faults.from_nth(0, Fate::Throttle);
    let batch = || serde_json::from_value(stream::batch(shard.as_str(), &records)).unwrap();
    assert!(post_ledger::handle(&tables.narrowed(), batch()).await.is_err());
    assert_eq!(last_page(&world, &shard).await, None);
    faults.calm();
    post_ledger::handle(&tables.narrowed(), batch()).await.unwrap();
    let pages = world.another_environment().ledger.read_journal(&shard, Timestamp::MIN).await.unwrap().pages;
    assert_eq!((pages.len(), pages[0].aside.len(), pages[0].entries.len()), (1, 0, 12));
}

async fn last_page(world: &World, shard: &StreamShard) -> Option<u64> {
    world.another_environment().ledger.read_mark(shard).await.unwrap().map(|mark| mark.page)
}

/// An environment issues forty coupons and ends without a word. Returns the number of units that it had not spent.
async fn crash(world: &World, campaign: &Campaign) -> u64 {
    let crashed = world.another_environment();
    for _ in 0..40 {
        claim(world, &crashed, campaign).await;
    }
    let remaining = world.another_environment().stock.count_remaining(campaign.no).await.unwrap().unwrap();
    campaign.stock - 40 - remaining
}

#[tokio::test]
async fn units_of_an_environment_that_ended_come_back_after_the_fence_and_not_before() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let unspent = crash(&world, &campaign).await;
    assert!(unspent > 0);
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS - HAND_OUT_SECONDS);
    assert_eq!(sweep(&world).await.unwrap(), Swept::default());
    world.pass_seconds(HAND_OUT_SECONDS);
    // Half of the claims are in the journal. The others are still in the stream.
    let (all, shard) = (records(&world), shard(&world));
    let claims = all.len() - 20;
    post(&world.another_environment(), &shard, &all[..claims]).await;
    let swept = sweep(&world).await.unwrap();
    assert_eq!((swept.units, swept.too_old, swept.disputed), (unspent, 0, 0));
    assert_eq!(world.another_environment().stock.count_remaining(campaign.no).await.unwrap(), Some(2_000 - 40));
    assert_eq!(world.another_environment().stock.count_leased(campaign.no).await.unwrap(), 0);
    assert_eq!(sweep(&world).await.unwrap(), Swept::default(), "nothing is left to settle");
}

/// A record may have no time. The sweep must find everything older all the same.
#[tokio::test]
async fn pages_without_a_time_hide_nothing_from_the_sweep() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let unspent = crash(&world, &campaign).await;
    let (mut all, shard) = (records(&world), shard(&world));
    let later = all.split_off(20);
    post(&world.another_environment(), &shard, &all).await;
    let timeless = later.into_iter().map(|mut record| {
        record["dynamodb"].as_object_mut().unwrap().remove("ApproximateCreationDateTime");
        record
    });
    post(&world.another_environment(), &shard, &timeless.collect::<Vec<_>>()).await;
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
    let swept = sweep(&world).await.unwrap();
    assert_eq!((swept.units, swept.disputed), (unspent, 0));
}

#[tokio::test]
async fn without_proof_a_lease_waits() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let unspent = crash(&world, &campaign).await;
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
    let remaining = world.another_environment().stock.count_remaining(campaign.no).await.unwrap();
    // A record that may be a claim was set aside.
    let (mut records, shard) = (records(&world), shard(&world));
    let last = records.len() - 1;
    records[last]["dynamodb"]["NewImage"]["schema"] = json!({ "N": "9" });
    post(&world.another_environment(), &shard, &records).await;
    let error = sweep(&world).await.unwrap_err();
    assert!(matches!(error, SweepError::NoProof(NoProof::SetAside(_))), "{error:?}");
    assert_eq!(world.another_environment().stock.count_remaining(campaign.no).await.unwrap(), remaining);
    // A lease that is too old for proof from the stream waits too, and the sweep counts it.
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    assert!(crash(&world, &campaign).await > 0 && unspent > 0);
    world.pass_seconds(21 * 3600);
    let swept = sweep(&world).await.unwrap();
    assert!(swept.too_old > 0 && swept.leases == 0, "{swept:?}");
}

/// The mark of a quiet shard has left the stream. The sweep reads from the oldest record that there is.
#[tokio::test]
async fn a_mark_that_has_left_the_stream_does_not_hold_up_the_sweep() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let unspent = crash(&world, &campaign).await;
    let (all, shard) = (records(&world), shard(&world));
    post(&world.another_environment(), &shard, &all[..20]).await;
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
    let faults = Faults::before(&world.engine.url()).await;
    faults.next("GetShardIterator", Fate::Trimmed);
    let swept = sweep_through(&world.tables_at(&faults.url), &faults.url).await.unwrap();
    assert!(faults.all_met());
    assert_eq!((swept.units, swept.disputed), (unspent, 0));
}

/// A record that changed a coupon which existed before is no claim, also when it was set aside.
#[tokio::test]
async fn a_redemption_that_was_put_aside_does_not_hold_up_the_sweep() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let coupon = claim(&world, world.tables(), &campaign).await;
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, coupon.key, coupon.key_version, &world.redemption(1))
        .await
        .unwrap();
    world.tables().stock.return_unspent().await;
    let unspent = crash(&world, &campaign).await - 1;
    let (mut records, shard) = (records(&world), shard(&world));
    let redemption = records.iter().position(|record| record["eventName"] == "MODIFY").unwrap();
    records[redemption]["dynamodb"]["NewImage"]["settlement_version"] = json!({ "N": "99" });
    // Part of the records is in the journal, where the redemption is set aside. The rest is still in the stream.
    post(&world.another_environment(), &shard, &records[..=redemption]).await;
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
    let swept = sweep(&world).await.unwrap();
    assert_eq!((swept.units, swept.disputed), (unspent, 0));
}

/// Claims are counted once, in the journal or in the stream, also when they are posted between any two calls of the
/// sweep. The simulator found this (seeds 533 and 813). The pages were read before the mark, and a page came in
/// between.
#[tokio::test]
async fn a_page_that_comes_in_the_middle_of_a_sweep_is_counted_once() {
    for call in 0.. {
        let world = World::new().await;
        let campaign = world.campaign_like(1, 500, 2_000, 1).await;
        let unspent = crash(&world, &campaign).await;
        world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
        let (records, shard, poster) = (records(&world), shard(&world), world.another_environment());
        let faults = Faults::before(&world.engine.url()).await;
        faults.nth(call, Fate::Hold);
        let tables = world.tables_at(&faults.url);
        let mut sweep = std::pin::pin!(sweep_through(&tables, &faults.url));
        let (swept, is_over) = tokio::select! {
            swept = &mut sweep => (swept.unwrap(), true),
            () = faults.held() => {
                post(&poster, &shard, &records).await;
                faults.let_go();
                (sweep.await.unwrap(), false)
            }
        };
        assert_eq!((swept.units, swept.disputed), (unspent, 0), "posted before call {call}");
        assert_eq!(world.another_environment().stock.count_remaining(campaign.no).await.unwrap(), Some(2_000 - 40));
        if is_over {
            assert!(call > 4, "{call} calls are no sweep");
            break;
        }
    }
}

#[tokio::test]
async fn a_settling_whose_answer_is_lost_is_done_once() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let unspent = crash(&world, &campaign).await;
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
    let faults = Faults::before(&world.engine.url()).await;
    for fate in [Fate::LoseAnswer, Fate::FailAfter, Fate::Throttle, Fate::LoseRequest] {
        faults.next("PutItem", fate);
    }
    let swept = sweep_through(&world.tables_at(&faults.url), &world.engine.url()).await.unwrap();
    assert!(faults.all_met());
    assert_eq!(swept.units, unspent);
    assert_eq!(world.another_environment().stock.count_remaining(campaign.no).await.unwrap(), Some(2_000 - 40));
}

/// An environment thaws after its lease was settled. It can neither spend the lease nor return it.
#[tokio::test]
async fn who_wakes_up_after_the_sweep_gets_nothing_twice() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let frozen = world.another_environment();
    for _ in 0..40 {
        claim(&world, &frozen, &campaign).await;
    }
    world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
    assert!(sweep(&world).await.unwrap().units > 0);
    claim(&world, &frozen, &campaign).await;
    frozen.stock.return_unspent().await;
    let elsewhere = world.another_environment();
    assert_eq!(elsewhere.stock.count_remaining(campaign.no).await.unwrap(), Some(2_000 - 41));
    assert_eq!(elsewhere.stock.count_leased(campaign.no).await.unwrap(), 0);
}
