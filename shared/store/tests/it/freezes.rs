//! An environment that nobody asks is frozen: its steady clock stands still while the wall clock goes on. Nothing that it
//! remembers is older than is promised. In these tests the wall clock is set, and the steady one goes on by milliseconds.

use mealticket_domain::{Campaign, CampaignState};
use mealticket_store::{
    catalog::MerchantRecord,
    members::ClaimOutcome,
    stock::{NoUnit, Reserved},
};
use mealticket_support::{World, world::settlement_terms};

/// The promise of `docs/ARCHITECTURE.md`: every environment sees a change of the catalog within this time.
const CATALOG_SECONDS: i64 = 30;

#[tokio::test]
async fn a_pause_and_a_withdrawn_key_are_seen_within_thirty_seconds_of_the_wall_clock() {
    let world = World::new().await;
    let (frozen, elsewhere) = (world.another_environment(), world.another_environment());
    let campaign = world.campaign(1).await;
    let known = frozen.catalog.read_campaign(campaign.no).await.unwrap().unwrap();
    let merchant = frozen.catalog.read_merchant(&campaign.merchant_id).await.unwrap().unwrap();
    frozen.catalog.list_campaigns().await.unwrap();
    frozen.stock.hint_remaining(campaign.no).await.unwrap();

    let paused = Campaign { state: CampaignState::Paused, ..Campaign::clone(&campaign) };
    elsewhere.catalog.put_campaign(&paused, &settlement_terms()).await.unwrap();
    let mut renamed = MerchantRecord::clone(&merchant);
    renamed.merchant.name = "another name".into();
    elsewhere.catalog.put_merchant(&renamed).await.unwrap();
    assert_eq!(frozen.catalog.read_campaign(campaign.no).await.unwrap().unwrap(), known, "it is remembered");

    world.pass_seconds(CATALOG_SECONDS);
    let seen = frozen.catalog.read_campaign(campaign.no).await.unwrap().unwrap();
    assert_eq!(seen.state, CampaignState::Paused);
    assert_eq!(frozen.catalog.list_campaigns().await.unwrap().iter().find(|one| one.no == campaign.no), Some(&seen));
    let seen = frozen.catalog.read_merchant(&campaign.merchant_id).await.unwrap().unwrap();
    assert_eq!(seen.merchant.name, "another name");
    let asked = frozen.for_one_request();
    asked.stock.hint_remaining(campaign.no).await.unwrap();
    assert_eq!(asked.capacity().requests, 1, "units left are counted anew");
}

#[tokio::test]
async fn a_refusal_is_remembered_for_two_seconds_of_the_wall_clock() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 1, 1).await;
    let frozen = world.another_environment();
    let reserve = async || frozen.stock.reserve(&campaign, world.now()).await.unwrap();
    reserve().await.unit().unwrap().spent();
    frozen.stock.return_unspent().await;
    assert!(matches!(reserve().await, Reserved::NoUnit(NoUnit::SoldOut)));
    let asked = async || {
        let tables = frozen.for_one_request();
        tables.stock.reserve(&campaign, world.now()).await.unwrap();
        tables.capacity().requests
    };
    assert_eq!(asked().await, 0, "it is remembered");
    world.pass_seconds(2);
    assert_eq!(asked().await, 1);
}

/// What came in before a freeze is no demand after it: the environment takes one unit, and not 64.
#[tokio::test]
async fn claims_before_a_freeze_are_no_demand_after_it() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10_000, 1).await;
    let frozen = world.another_environment();
    for _ in 0..200 {
        frozen.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap().spent();
    }
    frozen.stock.return_unspent().await;
    world.pass_seconds(3_600);
    frozen.stock.reserve(&campaign, world.now()).await.unwrap().unit().unwrap().spent();
    let leased = world.another_environment().stock.count_leased(campaign.no).await.unwrap();
    assert_eq!(leased, 1);
}

/// An operator changes a limit per day at noon. It counts from then on, with what the day has given out before.
#[tokio::test]
async fn a_changed_limit_of_a_day_counts_within_thirty_seconds() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    let limited = async |version: u32, limit: u64| {
        let mut campaign = Campaign::clone(&campaign);
        (campaign.terms.version, campaign.terms.day_limit) = (version, Some(limit));
        campaign.terms_sha256 = campaign.terms.hash(campaign.no).unwrap();
        world.another_environment().catalog.put_campaign(&campaign, &settlement_terms()).await.unwrap();
    };
    let tables = world.another_environment();
    let claimed = async || {
        world.pass_seconds(CATALOG_SECONDS);
        let campaign = tables.catalog.read_campaign(campaign.no).await.unwrap().unwrap();
        for count in 0.. {
            let request = world.claim(world.member(), 1);
            match tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await.unwrap() {
                ClaimOutcome::Claimed(_) => {}
                ClaimOutcome::NoUnit(NoUnit::DayExhausted | NoUnit::Settling) => return count,
                other => panic!("{other:?}"),
            }
            tables.stock.return_unspent().await;
        }
        unreachable!()
    };
    for (version, (limit, more)) in (2..).zip([(5, 5), (8, 3), (4, 0), (8, 0), (9, 1)]) {
        limited(version, limit).await;
        assert_eq!(claimed().await, more, "a limit of {limit}");
    }
    assert_eq!(tables.stock.count_remaining(campaign.no).await.unwrap(), Some(91));
}
