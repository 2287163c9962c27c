//! Leased stock: what it costs, who may spend it, and how it comes back.

use mealticket_domain::{
    Campaign,
    stock::{HAND_OUT_SECONDS, LEASE_SECONDS, LEASE_UNITS_MAX},
};
use mealticket_store::{Capacity, StoreError, Tables, WasApplied, members::ClaimOutcome, stock::NoUnit};
use mealticket_support::{Fate, Faults, World};
use std::{sync::Arc, time::Duration};

async fn stock_of(world: &World, campaign: &Campaign) -> (u64, u64) {
    let elsewhere = world.another_environment();
    (
        elsewhere.stock.count_remaining(campaign.no).await.unwrap().unwrap(),
        elsewhere.stock.count_leased(campaign.no).await.unwrap(),
    )
}

async fn claim(world: &World, tables: &Tables, campaign: &Campaign) -> ClaimOutcome {
    tables.members.claim(&tables.catalog, &tables.stock, campaign, &world.claim(world.member(), 1)).await.unwrap()
}

#[tokio::test]
async fn ten_thousand_claims_cost_one_request_and_little_more_than_one_unit_each() {
    const CLAIMS: u64 = 10_000;
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10_000_000, 1).await;
    let tables = world.tables().for_one_request();
    // Each claim has handles of its own, because the deadline of a request is not meant for ten thousand claims.
    let mut total = Capacity::default();
    for _ in 0..CLAIMS {
        let one = tables.for_one_request();
        assert!(matches!(claim(&world, &one, &campaign).await, ClaimOutcome::Claimed(_)));
        let cost = one.capacity();
        total.requests += cost.requests;
        total.read_tenths += cost.read_tenths;
        total.write_tenths += cost.write_tenths;
    }
    assert!(total.requests * 100 <= CLAIMS * 105, "{total}");
    assert!(total.write_tenths * 100 <= CLAIMS * 10 * 105, "{total}");
    assert!(total.read_tenths <= 100, "{total}");
}

#[tokio::test]
async fn an_idle_environment_holds_one_unit_and_a_busy_one_two_seconds_of_claims() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let tables = world.another_environment();
    claim(&world, &tables, &campaign).await;
    assert_eq!(stock_of(&world, &campaign).await, (1_999, 1));
    for _ in 0..100 {
        claim(&world, &tables, &campaign).await;
    }
    let (remaining, leased) = stock_of(&world, &campaign).await;
    assert!((1..=LEASE_UNITS_MAX).contains(&leased), "{leased}");
    assert!(remaining + leased <= 2_000 && remaining >= 2_000 - 101 - LEASE_UNITS_MAX, "{remaining} {leased}");
    tables.stock.return_unspent().await;
    assert_eq!(stock_of(&world, &campaign).await, (2_000 - 101, 0));
}

#[tokio::test]
async fn the_last_units_settle_before_they_are_sold_out() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2, 1).await;
    let (here, there) = (world.another_environment(), world.another_environment());
    claim(&world, &here, &campaign).await;
    claim(&world, &there, &campaign).await;
    // The other environment's lease is open: its unit could still come back.
    let outcome = claim(&world, &here, &campaign).await;
    assert!(matches!(outcome, ClaimOutcome::NoUnit(NoUnit::Settling)), "{outcome:?}");
    there.stock.return_unspent().await;
    let outcome = claim(&world, &world.another_environment(), &campaign).await;
    assert!(matches!(outcome, ClaimOutcome::NoUnit(NoUnit::SoldOut)), "{outcome:?}");
}

#[tokio::test]
async fn sold_out_is_answered_from_memory_with_one_look_at_ones_own() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 1, 1).await;
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url);
    claim(&world, &tables, &campaign).await;
    claim(&world, &tables, &campaign).await;
    faults.seen();
    for _ in 0..5 {
        let one = tables.for_one_request();
        let outcome = claim(&world, &one, &campaign).await;
        assert!(matches!(outcome, ClaimOutcome::NoUnit(NoUnit::SoldOut)), "{outcome:?}");
        assert_eq!(one.capacity(), Capacity { requests: 1, read_tenths: 10, write_tenths: 0 });
    }
    let stock = faults.seen().into_iter().filter(|seen| seen.table.ends_with("-stock")).count();
    assert_eq!(stock, 0);
}

#[tokio::test(start_paused = true)]
async fn units_come_back_when_their_lease_runs_out_though_nobody_claims() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let tables = world.another_environment();
    for _ in 0..40 {
        claim(&world, &tables, &campaign).await;
    }
    assert!(stock_of(&world, &campaign).await.1 > 0);
    world.pass_seconds(HAND_OUT_SECONDS);
    for _ in 0..40 {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    while stock_of(&world, &campaign).await != (1_960, 0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A freeze stops one of the two clocks and not the other. Either clock is enough.
#[tokio::test(start_paused = true)]
async fn a_lease_is_dead_as_soon_as_either_clock_says_so() {
    for by_the_wall in [true, false] {
        let world = World::new().await;
        let campaign = world.campaign_like(1, 500, 2_000, 1).await;
        let tables = world.another_environment();
        let unit = tables.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap();
        let coupon_of = unit.lease_id();
        unit.give_back();
        if by_the_wall {
            world.pass_seconds(HAND_OUT_SECONDS);
        } else {
            tokio::time::advance(Duration::from_secs(HAND_OUT_SECONDS.unsigned_abs())).await;
        }
        let next = tables.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap();
        assert_ne!(next.lease_id(), coupon_of, "by the wall: {by_the_wall}");
        next.spent();
    }
}

#[tokio::test]
async fn a_put_is_not_signed_when_its_lease_is_dead() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url).giving_up_after(Duration::from_secs(60));
    faults.next("PutItem", Fate::Pass);
    for _ in 0..200 {
        faults.next("PutItem", Fate::Throttle);
    }
    let request = world.claim(world.member(), 1);
    let freeze = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.pass_seconds(LEASE_SECONDS);
    };
    let (claimed, ()) = tokio::join!(tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request), freeze);
    let error = claimed.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { applied: WasApplied::No, .. }), "{error:?}");
    assert!(!faults.all_met(), "it stopped of itself");
    faults.calm();
    tables.stock.return_unspent().await;
    assert_eq!(stock_of(&world, &campaign).await, (10, 0));
}

#[tokio::test]
async fn a_lease_of_unknown_outcome_is_never_spent_and_waits_for_the_sweep() {
    for (fate, leased) in [(Fate::LoseAnswer, 1), (Fate::LoseRequest, 0)] {
        let world = World::new().await;
        let campaign = world.campaign_like(1, 500, 10, 1).await;
        let faults = Faults::before(&world.engine.url()).await;
        let tables = world.tables_at(&faults.url).giving_up_after(Duration::from_millis(300));
        for _ in 0..200 {
            faults.next("PutItem", fate);
        }
        let error = tables
            .members
            .claim(&tables.catalog, &tables.stock, &campaign, &world.claim(world.member(), 1))
            .await
            .unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        faults.calm();
        assert_eq!(stock_of(&world, &campaign).await, (10 - leased, leased), "{fate:?}");
        assert!(matches!(claim(&world, &tables, &campaign).await, ClaimOutcome::Claimed(_)));
        tables.stock.return_unspent().await;
        assert_eq!(stock_of(&world, &campaign).await, (9 - leased, leased), "{fate:?}");
    }
}

#[tokio::test]
async fn a_return_whose_answer_is_lost_returns_once() {
    for fate in [Fate::LoseAnswer, Fate::FailAfter, Fate::Throttle, Fate::LoseRequest] {
        let world = World::new().await;
        let campaign = world.campaign_like(1, 500, 2_000, 1).await;
        let faults = Faults::before(&world.engine.url()).await;
        let tables = world.tables_at(&faults.url);
        tables.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap().give_back();
        faults.next("PutItem", fate);
        tables.stock.return_unspent().await;
        tables.stock.return_unspent().await;
        assert_eq!(stock_of(&world, &campaign).await, (2_000, 0), "{fate:?}");
    }
}

#[tokio::test]
async fn a_reservation_that_is_dropped_stays_spent() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    let tables = world.another_environment();
    drop(tables.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap());
    tables.stock.return_unspent().await;
    assert_eq!(stock_of(&world, &campaign).await, (9, 1));
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_known_again_after_others_have_leased() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url);
    faults.next("PutItem", Fate::LoseAnswer);
    (0..6).for_each(|_| faults.next("PutItem", Fate::Throttle));
    let asked = tokio::spawn({
        let (tables, campaign, now) = (tables.clone(), campaign.clone(), world.now());
        async move { tables.stock.reserve(&campaign, now).await.unwrap().unit().unwrap() }
    });
    while stock_of(&world, &campaign).await.1 == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The shard has changed by now: it holds both leases.
    let elsewhere = world.another_environment();
    elsewhere.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap().spent();
    asked.await.unwrap().spent();
    assert!(faults.all_met());
    tables.stock.return_unspent().await;
    elsewhere.stock.return_unspent().await;
    assert_eq!(stock_of(&world, &campaign).await, (98, 0));
}

#[tokio::test]
async fn nothing_is_signed_for_a_unit_whose_lease_is_dead() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url);
    // The first put is the lease. Every other put is throttled for as long as the lease lives.
    faults.from_nth(2, Fate::Throttle);
    let request = world.claim(world.member(), 1);
    let asked = tokio::spawn({
        let (tables, campaign, request) = (tables.clone(), campaign.clone(), request.clone());
        async move { tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await }
    });
    while stock_of(&world, &campaign).await.1 == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.pass_seconds(LEASE_SECONDS);
    faults.calm();
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { applied: WasApplied::No, .. }), "{error:?}");
    assert!(world.tables().members.list_coupons_of_campaign(request.member, campaign.no).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_environments_with_many_requests_each_keep_the_books() {
    let world = Arc::new(World::new().await);
    let campaign = world.campaign_like(1, 500, 3_000, 1).await;
    let environments: Vec<Tables> = (0..6).map(|_| world.another_environment()).collect();
    let mut tasks = Vec::new();
    for number in 0..600 {
        let (world, tables, campaign) = (Arc::clone(&world), environments[number % 6].clone(), campaign.clone());
        tasks.push(tokio::spawn(async move { claim(&world, &tables, &campaign).await }));
    }
    for task in tasks {
        assert!(matches!(task.await.unwrap(), ClaimOutcome::Claimed(_)));
    }
    for tables in &environments {
        tables.stock.return_unspent().await;
    }
    assert_eq!(stock_of(&world, &campaign).await, (2_400, 0));
}

/// The environment has an old view of every shard. It loses a race for one shard, which shows it that shard's state. It
/// does not ask the other shards in turn.
#[tokio::test]
async fn an_environment_that_has_seen_nothing_of_late_loses_one_race_and_no_more() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 882, 64_000, 1).await;
    assert_eq!(campaign.stock_shards, 32);
    let tables = world.another_environment();
    claim(&world, &tables, &campaign).await;
    // Others take leases until every shard has changed.
    while world.tables().stock.read_shards(campaign.no).await.unwrap().values().any(|shard| shard.seq < 2) {
        for _ in 0..32 {
            claim(&world, &world.another_environment(), &campaign).await;
        }
    }
    let before = tables.capacity().requests;
    claim(&world, &tables, &campaign).await;
    // One race that is lost, the lease, and the coupon.
    assert!(tables.capacity().requests - before <= 3, "{} requests", tables.capacity().requests - before);
}

/// How a flash sale begins. Hundreds of processes that hold no lease ask at one moment, for a stock of 32 shards and
/// for a stock of one.
///
/// They do not give up here. The test shows that each of them is served and that no unit is lost, and not how fast this
/// machine is: with other work beside it, two minutes were not enough.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_environments_that_start_at_one_moment_are_all_served() {
    const ENVIRONMENTS: u64 = 256;
    for (no, stock) in [(880, 64_000), (881, 1_000)] {
        let world = Arc::new(World::new().await);
        let campaign = world.campaign_like(1, no, stock, 1).await;
        let tasks = (0..ENVIRONMENTS).map(|_| {
            let tables = world.another_environment().giving_up_after(Duration::from_secs(3_600));
            let (campaign, request) = (Arc::clone(&campaign), world.claim(world.member(), 1));
            tokio::spawn(async move {
                let outcome = tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await;
                tables.stock.return_unspent().await;
                outcome
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            let outcome = task.await.unwrap();
            assert!(matches!(outcome, Ok(ClaimOutcome::Claimed(_))), "{stock}: {outcome:?}");
        }
        assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(stock - ENVIRONMENTS), "{stock}");
    }
}
