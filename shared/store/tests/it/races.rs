use mealticket_domain::{Campaign, CouponKey};
use mealticket_store::{
    Store,
    claim::{ClaimOutcome, ClaimRequest},
    redeem::RedeemOutcome,
    stock::NoUnit,
};
use mealticket_testing::World;
use std::sync::Arc;

/// Rounds in a run of the tests.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_tills_at_once_spend_a_coupon_exactly_once() {
    let world = Arc::new(World::new().await);
    let campaign = world.campaign(1).await;
    let stores: Vec<Store> = (0..4).map(|_| world.another_environment()).collect();
    for round in 0..ROUNDS {
        let claim = world.claim(world.member(), 1);
        world.store().claim(&campaign, &claim).await.unwrap();
        let place = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        let mut tasks = Vec::new();
        for till in 0..64 {
            let (store, campaign) = (stores[till % 4].clone(), campaign.clone());
            let request = world.redemption(u64::try_from(till).unwrap());
            tasks.push(tokio::spawn(async move { store.redeem(&campaign, place, 1, &request).await.unwrap() }));
        }
        let (mut redeemed, mut refused) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                RedeemOutcome::Redeemed(..) => redeemed += 1,
                RedeemOutcome::Refused(..) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((redeemed, refused), (1, 63), "round {round}");
        let coupon = world.store().coupon(place).await.unwrap().unwrap();
        assert_eq!((coupon.redemptions.len(), coupon.uses_left), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_members_at_once_get_exactly_the_hundred_that_there_are() {
    let world = Arc::new(World::new().await);
    let stores: Vec<Store> = (0..4).map(|_| world.another_environment()).collect();
    for round in 0..u32::try_from(ROUNDS).unwrap() {
        let campaign = world.campaign_like(1, 700 + round, 100, 1).await;
        let mut tasks = Vec::new();
        for member in 0..500 {
            let (store, campaign) = (stores[member % 4].clone(), campaign.clone());
            let request = world.claim(world.member(), 1);
            tasks.push(tokio::spawn(async move { store.claim(&campaign, &request).await.unwrap() }));
        }
        let (mut claimed, mut refused) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                ClaimOutcome::Claimed(_) => claimed += 1,
                // The last units may still be on their way to their coupons.
                ClaimOutcome::NoUnit(NoUnit::SoldOut | NoUnit::Settling) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((claimed, refused), (100, 400), "round {round}");
        for store in &stores {
            store.return_unspent().await;
        }
        assert_eq!(world.store().remaining(campaign.no).await.unwrap(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_with_many_keys_at_once_gets_the_limit_and_no_more() {
    let world = Arc::new(World::new().await);
    for (no, limit) in [(700, 1), (701, 5)] {
        let campaign = world.campaign_like(1, no, 1_000, limit).await;
        let member = world.member();
        let stores: Vec<Store> = (0..8).map(|_| world.another_environment()).collect();
        let mut tasks = Vec::new();
        for key in 0..64u64 {
            let (store, campaign) = (stores[key as usize % 8].clone(), campaign.clone());
            tasks.push(tokio::spawn(claim_and_return(store, campaign, world.claim(member, key))));
        }
        let mut claimed = 0;
        for task in tasks {
            match task.await.unwrap() {
                ClaimOutcome::Claimed(_) => claimed += 1,
                ClaimOutcome::LimitReached(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(claimed, limit);
        assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(1_000 - u64::from(limit)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_claim_sixteen_times_at_once_has_one_effect() {
    let world = Arc::new(World::new().await);
    for (no, limit) in [(700, 1), (701, 5)] {
        let campaign = world.campaign_like(1, no, 1_000, limit).await;
        let member = world.member();
        let mut tasks = Vec::new();
        for _ in 0..16 {
            let (store, campaign, request) = (world.another_environment(), campaign.clone(), world.claim(member, 1));
            tasks.push(tokio::spawn(claim_and_return(store, campaign, request)));
        }
        let mut coupons = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                ClaimOutcome::Claimed(coupon) | ClaimOutcome::Replayed(coupon) => coupons.push(coupon),
                other => panic!("{other:?}"),
            }
        }
        coupons.dedup();
        assert_eq!(coupons.len(), 1);
        assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(999));
    }
}

/// An environment with one request in its life.
async fn claim_and_return(store: Store, campaign: Arc<Campaign>, request: ClaimRequest) -> ClaimOutcome {
    let outcome = store.claim(&campaign, &request).await.unwrap();
    store.return_unspent().await;
    outcome
}
