//! Limits of a campaign hold exactly, also when many members claim at once.

use mealticket_domain::{
    Campaign, MemberAttributes, Timestamp,
    eligibility::{Eligibility, Explanation},
};
use mealticket_domain::{ClaimRequest, MemberLimit};
use mealticket_store::{Capacity, StoreError, Tables, members::ClaimOutcome, stock::NoUnit};
use mealticket_support::{World, world::settlement_terms};
use std::sync::Arc;

async fn campaign(world: &World, stock: u64, limit: u8, change: impl FnOnce(&mut Campaign)) -> Arc<Campaign> {
    let mut campaign = Campaign::clone(&*world.campaign_like(1, 500, stock, limit).await);
    campaign.terms.version = 2;
    change(&mut campaign);
    campaign.terms_sha256 = campaign.terms.hash(campaign.no).unwrap();
    campaign.check().unwrap();
    world.tables().catalog.put_campaign(&campaign, &settlement_terms()).await.unwrap();
    Arc::new(campaign)
}

fn tomorrow(world: &World) -> Timestamp {
    world.now().province_day().plus_days(1).starts_at()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_the_limit_of_a_day_whoever_asks_at_once_and_again_tomorrow() {
    let world = Arc::new(World::new().await);
    let campaign = campaign(&world, 1_000, 5, |campaign| campaign.terms.per_member_day_limit = Some(2)).await;
    let member = world.member();
    for (day, expected) in [(0, 2), (1, 2), (2, 1), (3, 0)] {
        let environments: Vec<Tables> = (0..4).map(|_| world.another_environment()).collect();
        let tasks: Vec<_> = (0..16u64)
            .map(|key| {
                let (tables, campaign) = (environments[key as usize % 4].clone(), Arc::clone(&campaign));
                let request = world.claim(member, day * 100 + key);
                tokio::spawn(async move {
                    tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await.unwrap()
                })
            })
            .collect();
        let (mut claimed, mut limits) = (0, Vec::new());
        for task in tasks {
            match task.await.unwrap() {
                ClaimOutcome::Claimed(_) => claimed += 1,
                ClaimOutcome::LimitReached(limit) => limits.push(limit),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(claimed, expected, "day {day}");
        let in_all = day >= 2;
        assert!(limits.iter().all(|limit| (*limit == MemberLimit::InAll) == in_all), "day {day}: {limits:?}");
        world.clock().set(tomorrow(&world));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_members_together_get_the_limit_of_a_day_and_not_one_more() {
    let world = Arc::new(World::new().await);
    let campaign = campaign(&world, 4_100, 1, |campaign| campaign.terms.day_limit = Some(50)).await;
    assert!(campaign.stock_shards > 1);
    for day in 0..2 {
        let environments: Vec<Tables> = (0..4).map(|_| world.another_environment()).collect();
        let tasks: Vec<_> = (0..200usize)
            .map(|number| {
                let (tables, campaign) = (environments[number % 4].clone(), Arc::clone(&campaign));
                let request = world.claim(world.member(), 1);
                tokio::spawn(async move {
                    tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await.unwrap()
                })
            })
            .collect();
        let mut claimed = 0;
        for task in tasks {
            match task.await.unwrap() {
                ClaimOutcome::Claimed(_) => claimed += 1,
                ClaimOutcome::NoUnit(NoUnit::DayExhausted | NoUnit::Settling) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(claimed, 50, "day {day}");
        for tables in &environments {
            tables.stock.return_unspent().await;
        }
        let elsewhere = world.another_environment();
        let late = elsewhere
            .members
            .claim(&elsewhere.catalog, &elsewhere.stock, &campaign, &world.claim(world.member(), 1))
            .await
            .unwrap();
        assert!(matches!(late, ClaimOutcome::NoUnit(NoUnit::DayExhausted)), "{late:?}");
        assert_eq!(elsewhere.stock.count_remaining(campaign.no).await.unwrap(), Some(4_050 - day * 50));
        world.clock().set(tomorrow(&world));
    }
}

#[tokio::test]
async fn a_claim_that_midnight_overtakes_counts_to_no_day_and_may_come_again() {
    let world = World::new().await;
    let campaign = campaign(&world, 100, 1, |campaign| campaign.terms.day_limit = Some(5)).await;
    let request = world.claim(world.member(), 1);
    world.clock().set(tomorrow(&world));
    let error = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &request)
        .await
        .unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "{error:?}");
    let again = ClaimRequest { now: world.now(), ..request };
    assert!(matches!(
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &again).await.unwrap(),
        ClaimOutcome::Claimed(_)
    ));
}

fn rule(text: &str) -> Eligibility {
    let words = Explanation { zh: "只限广州客户".into(), en: "Guangzhou only".into() };
    Eligibility { rule: text.into(), explanations: vec![words] }
}

#[tokio::test]
async fn who_is_not_eligible_hears_which_clause_and_costs_one_read() {
    let world = World::new().await;
    let campaign = campaign(&world, 100, 1, |c| c.terms.eligibility = Some(rule("member.city == '广州'"))).await;
    let member = world.member();
    let local = MemberAttributes { city: Some("广州".into()), ..MemberAttributes::default() };
    let request = ClaimRequest { attributes: local, ..world.claim(member, 1) };
    let outcome = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &request)
        .await
        .unwrap();
    assert!(matches!(outcome, ClaimOutcome::Claimed(_)), "{outcome:?}");
    // The member has moved away since. A repeat of the first request returns the first success; a request under another
    // key is refused by the rule.
    let moved = world.claim(member, 1);
    assert!(matches!(
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &moved).await.unwrap(),
        ClaimOutcome::Replayed(_)
    ));
    let tables = world.tables().for_one_request();
    let ClaimOutcome::NotEligible(failed) =
        tables.members.claim(&tables.catalog, &tables.stock, &campaign, &world.claim(member, 2)).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((failed.clause.as_str(), failed.explanation.en.as_str()), ("member.city == '广州'", "Guangzhou only"));
    assert_eq!(tables.capacity(), Capacity { requests: 1, read_tenths: 10, write_tenths: 0 });
}

#[tokio::test]
async fn a_rule_over_the_history_sees_every_coupon_and_only_this_campaigns() {
    let world = World::new().await;
    let member = world.member();
    world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &*world.campaign(2).await, &world.claim(member, 1))
        .await
        .unwrap();
    let campaign = campaign(&world, 100, 3, |c| c.terms.eligibility = Some(rule("history.claimed < 2"))).await;
    for (key, fits) in [(1, true), (2, true), (3, false)] {
        let outcome = world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, key))
            .await
            .unwrap();
        assert_eq!(matches!(outcome, ClaimOutcome::Claimed(_)), fits, "{key} {outcome:?}");
    }
}

#[tokio::test]
async fn a_limit_above_one_costs_one_query_more_and_nothing_else() {
    let world = World::new().await;
    let campaign = campaign(&world, 100_000, 3, |campaign| campaign.terms.per_member_day_limit = Some(3)).await;
    let tables = world.tables();
    for _ in 0..40 {
        tables.members.claim(&tables.catalog, &tables.stock, &campaign, &world.claim(world.member(), 1)).await.unwrap();
    }
    let mut costs = Vec::new();
    for _ in 0..8 {
        let one = tables.for_one_request();
        one.members.claim(&one.catalog, &one.stock, &campaign, &world.claim(world.member(), 1)).await.unwrap();
        costs.push(one.capacity());
    }
    let from_a_lease = Capacity { requests: 2, read_tenths: 10, write_tenths: 10 };
    assert!(costs.iter().filter(|cost| **cost == from_a_lease).count() >= 7, "{costs:?}");
}
