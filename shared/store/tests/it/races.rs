use mealticket_domain::ClaimRequest;
use mealticket_domain::{Benefit, Campaign, CouponKey, Fingerprint, Reason};
use mealticket_store::{
    Tables,
    members::{ClaimOutcome, RedeemOutcome, ReverseOutcome, ReverseRequest},
    stock::NoUnit,
};
use mealticket_support::{
    World,
    world::{key_hash, settlement_terms},
};
use std::sync::Arc;

/// How often each race is run.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_tills_at_once_spend_a_coupon_exactly_once() {
    let world = Arc::new(World::new().await);
    let campaign = world.campaign(1).await;
    let environments: Vec<Tables> = (0..4).map(|_| world.another_environment()).collect();
    for round in 0..ROUNDS {
        let claim = world.claim(world.member(), 1);
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &claim).await.unwrap();
        let coupon_key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        let mut tasks = Vec::new();
        for till in 0..64 {
            let (tables, campaign) = (environments[till % 4].clone(), campaign.clone());
            let request = world.redemption(u64::try_from(till).unwrap());
            tasks.push(tokio::spawn(async move {
                tables.members.redeem(&tables.catalog, &campaign, coupon_key, 1, &request).await.unwrap()
            }));
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
        let coupon = world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap();
        assert_eq!((coupon.redemptions.len(), coupon.uses_left), (1, 0));
    }
}

fn reversal(world: &World, key: u64) -> ReverseRequest {
    let reason: Reason = "r".parse().unwrap();
    ReverseRequest { key: key_hash(key), fingerprint: Fingerprint([3; 16]), reason, now: world.now() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_redemption_is_undone_once_by_however_many_at_once() {
    let world = Arc::new(World::new().await);
    let campaign = world.campaign(1).await;
    for _ in 0..ROUNDS {
        let claim = world.claim(world.member(), 1);
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &claim).await.unwrap();
        let coupon_key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        world
            .tables()
            .members
            .redeem(&world.tables().catalog, &campaign, coupon_key, 1, &world.redemption(1))
            .await
            .unwrap();
        let tasks = (0..16).map(|clerk| {
            let (tables, request) = (world.another_environment(), reversal(&world, 100 + clerk));
            tokio::spawn(async move { tables.members.reverse(&tables.catalog, coupon_key, 0, &request).await.unwrap() })
        });
        let mut reversed = 0;
        for task in tasks.collect::<Vec<_>>() {
            reversed += usize::from(matches!(task.await.unwrap(), ReverseOutcome::Reversed(_)));
        }
        let coupon = world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap();
        assert_eq!((reversed, coupon.uses_left), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_tells_the_truth_of_its_moment_while_others_redeem() {
    let world = Arc::new(World::new().await);
    // Two uses: one is undone while the other is spent.
    let mut like = Campaign::clone(&*world.campaign_like(1, 790, 100, 1).await);
    let value_fen = 500u64.try_into().unwrap();
    like.terms.benefit = Benefit::MultiUse { item: "洗车".into(), uses: 2, value_fen };
    like.terms.version += 1;
    like.terms_sha256 = like.terms.hash(like.no).unwrap();
    let like = Arc::new(like);
    world.tables().catalog.put_campaign(&like, &settlement_terms()).await.unwrap();
    for round in 0..30 {
        let claim = world.claim(world.member(), 1);
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &like, &claim).await.unwrap();
        let coupon_key = CouponKey { member: claim.member, campaign: like.no, ordinal: 0u8.try_into().unwrap() };
        let redeemed = world
            .tables()
            .members
            .redeem(&world.tables().catalog, &like, coupon_key, 1, &world.redemption(1))
            .await
            .unwrap();
        assert!(matches!(redeemed, RedeemOutcome::Redeemed(..)), "{redeemed:?}");
        let undone = tokio::spawn({
            let (tables, request) = (world.another_environment(), reversal(&world, 100 + round));
            async move { tables.members.reverse(&tables.catalog, coupon_key, 0, &request).await.unwrap() }
        });
        let spent = tokio::spawn({
            let (tables, request, like) = (world.another_environment(), world.redemption(2), like.clone());
            async move { tables.members.redeem(&tables.catalog, &like, coupon_key, 1, &request).await.unwrap() }
        });
        let ReverseOutcome::Reversed(coupon) = undone.await.unwrap() else { panic!("not undone") };
        assert!(matches!(spent.await.unwrap(), RedeemOutcome::Redeemed(..)));
        let before = coupon.redemptions[0].reversal.as_ref().unwrap().redemptions_before;
        assert_eq!(before, coupon.redemptions.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_members_at_once_get_exactly_the_hundred_that_there_are() {
    let world = Arc::new(World::new().await);
    let environments: Vec<Tables> = (0..4).map(|_| world.another_environment()).collect();
    for round in 0..u32::try_from(ROUNDS).unwrap() {
        let campaign = world.campaign_like(1, 700 + round, 100, 1).await;
        let mut tasks = Vec::new();
        for member in 0..500 {
            let (tables, campaign) = (environments[member % 4].clone(), campaign.clone());
            let request = world.claim(world.member(), 1);
            tasks.push(tokio::spawn(async move {
                tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await.unwrap()
            }));
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
        for tables in &environments {
            tables.stock.return_unspent().await;
        }
        assert_eq!(world.tables().stock.count_remaining(campaign.no).await.unwrap(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_with_many_keys_at_once_gets_the_limit_and_no_more() {
    let world = Arc::new(World::new().await);
    for (no, limit) in [(700, 1), (701, 5)] {
        let campaign = world.campaign_like(1, no, 1_000, limit).await;
        let member = world.member();
        let environments: Vec<Tables> = (0..8).map(|_| world.another_environment()).collect();
        let mut tasks = Vec::new();
        for key in 0..64u64 {
            let (tables, campaign) = (environments[key as usize % 8].clone(), campaign.clone());
            tasks.push(tokio::spawn(claim_and_return(tables, campaign, world.claim(member, key))));
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
            let (tables, campaign, request) = (world.another_environment(), campaign.clone(), world.claim(member, 1));
            tasks.push(tokio::spawn(claim_and_return(tables, campaign, request)));
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

/// Claims in an environment that has one request in its life.
async fn claim_and_return(tables: Tables, campaign: Arc<Campaign>, request: ClaimRequest) -> ClaimOutcome {
    let outcome = tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await.unwrap();
    tables.stock.return_unspent().await;
    outcome
}
