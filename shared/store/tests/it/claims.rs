use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::ClaimRequest;
use mealticket_domain::{ClaimRefusal, Fingerprint, Terms};
use mealticket_store::{StoreError, members::ClaimOutcome, stock::NoUnit};
use mealticket_support::World;

#[tokio::test]
async fn a_claim_spends_one_unit_and_its_repeat_none() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    let member = world.member();
    let ClaimOutcome::Claimed(first) = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, 1))
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(9));
    let ClaimOutcome::Replayed(again) = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, 1))
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(first, again);
    assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(9));
    assert_eq!(world.tables().members.read_coupon(first.key).await.unwrap(), Some(*first));
}

#[tokio::test]
async fn another_key_meets_the_limit_and_gives_its_unit_back() {
    let world = World::new().await;
    for (no, limit) in [(500, 1), (501, 3)] {
        let campaign = world.campaign_like(1, no, 10, limit).await;
        let member = world.member();
        for key in 0..u64::from(limit) {
            let outcome = world
                .tables()
                .members
                .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, key))
                .await
                .unwrap();
            assert!(matches!(outcome, ClaimOutcome::Claimed(_)), "{outcome:?}");
        }
        let outcome = world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, 99))
            .await
            .unwrap();
        assert!(matches!(outcome, ClaimOutcome::LimitReached(_)), "{outcome:?}");
        assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(10 - u64::from(limit)));
        assert_eq!(
            world.tables().members.list_coupons_of_campaign(member, campaign.no).await.unwrap().len(),
            usize::from(limit)
        );
    }
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_reused_under_any_limit() {
    let world = World::new().await;
    for (no, limit) in [(500, 1), (501, 3)] {
        let campaign = world.campaign_like(1, no, 10, limit).await;
        let member = world.member();
        world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, 1))
            .await
            .unwrap();
        let other = ClaimRequest { fingerprint: Fingerprint([1; 16]), ..world.claim(member, 1) };
        let outcome = world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &campaign, &other)
            .await
            .unwrap();
        assert!(matches!(outcome, ClaimOutcome::KeyReused), "{outcome:?}");
        assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(9));
    }
}

#[tokio::test]
async fn a_refusal_by_the_campaign_comes_after_a_replay() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    let member = world.member();
    world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, 1))
        .await
        .unwrap();
    let mut over = mealticket_domain::Campaign::clone(&campaign);
    over.terms = Terms { ends_at: world.now(), ..over.terms };
    let replay = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &over, &world.claim(member, 1))
        .await
        .unwrap();
    assert!(matches!(replay, ClaimOutcome::Replayed(_)), "{replay:?}");
    let other = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &over, &world.claim(member, 2))
        .await
        .unwrap();
    assert!(matches!(other, ClaimOutcome::Refused(ClaimRefusal::Ended)), "{other:?}");
}

#[tokio::test]
async fn an_empty_stock_is_sold_out_for_strangers_and_a_replay_for_the_owner() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 1, 1).await;
    let (owner, stranger) = (world.member(), world.member());
    world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(owner, 1))
        .await
        .unwrap();
    let replay = world
        .another_environment()
        .members
        .claim(
            &world.another_environment().catalog,
            &world.another_environment().stock,
            &campaign,
            &world.claim(owner, 1),
        )
        .await
        .unwrap();
    assert!(matches!(replay, ClaimOutcome::Replayed(_)), "{replay:?}");
    let limit = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(owner, 2))
        .await
        .unwrap();
    assert!(matches!(limit, ClaimOutcome::LimitReached(_)), "{limit:?}");
    let sold_out = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(stranger, 1))
        .await
        .unwrap();
    assert!(matches!(sold_out, ClaimOutcome::NoUnit(NoUnit::SoldOut)), "{sold_out:?}");
}

#[tokio::test]
async fn every_shard_is_emptied_before_a_campaign_is_sold_out() {
    let world = World::new().await;
    let mut campaign = mealticket_domain::Campaign::clone(&*world.campaign(1).await);
    campaign.no = 500u32.try_into().unwrap();
    campaign.stock = 10;
    campaign.stock_shards = 4;
    world.tables().stock.lay_out_stock(&campaign).await.unwrap();
    for claimed in 0..12 {
        let outcome = world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(world.member(), 1))
            .await
            .unwrap();
        assert_eq!(matches!(outcome, ClaimOutcome::Claimed(_)), claimed < 10, "{claimed} {outcome:?}");
    }
    world.tables().stock.lay_out_stock(&campaign).await.unwrap();
    assert_eq!(world.remaining(campaign.no).await.unwrap(), Some(0), "a second layout adds nothing");
}

/// What the catalog should not hold is one campaign's trouble, and not the province's.
#[tokio::test]
async fn a_campaign_that_cannot_be_read_is_left_out_of_the_directory() {
    let world = World::new().await;
    let all = world.another_environment().catalog.list_campaigns().await.unwrap().len();
    let nonsense = AttributeValue::S("{\"version\":".to_owned());
    let catalog = &world.deps.stack.config.tables.catalog;
    world.overwrite(catalog, ("CAMPAIGNS", "CAMPAIGN#0000001"), "document", nonsense).await.unwrap();
    let readable = world.another_environment().catalog.list_campaigns().await.unwrap();
    assert_eq!(readable.len(), all - 1);
    assert!(readable.iter().all(|campaign| campaign.no.get() != 1));
    // Its stock alone is just as little the trouble of others.
    let stock = &world.deps.stack.config.tables.stock;
    let nonsense = AttributeValue::S("many".to_owned());
    world.overwrite(stock, ("CAMPAIGN#2", "SHARD#000"), "remaining", nonsense).await.unwrap();
    assert_eq!(world.another_environment().stock.hint_remaining(2.try_into().unwrap()).await.unwrap(), 0);
    let error = world.another_environment().catalog.read_campaign(1.try_into().unwrap()).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}
