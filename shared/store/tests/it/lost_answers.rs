use mealticket_domain::ClaimRequest;
use mealticket_domain::{CouponKey, Fingerprint, HoldRequest, HoldTag, KeyHash, Reason};
use mealticket_store::{
    StoreError, Tables, WasApplied,
    members::{ClaimOutcome, HoldOutcome, RedeemOutcome, ReverseOutcome, ReverseRequest},
    stock::NoUnit,
};
use mealticket_support::{Fate, Faults, World};
use std::time::Duration;

async fn through_faults(world: &World) -> (Faults, Tables) {
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url).giving_up_after(Duration::from_secs(2));
    (faults, tables)
}

/// Every way in which the answer to a put can go wrong, whether the put was done or not.
const FATES: [Fate; 5] =
    [Fate::LoseAnswer, Fate::FailAfter, Fate::Throttle, Fate::LoseRequest, Fate::LandLate(Duration::from_millis(300))];

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_claimed_once_and_spends_one_unit() {
    for fate in FATES {
        let world = World::new().await;
        let campaign = world.campaign_like(1, 500, 10, 1).await;
        let (faults, tables) = through_faults(&world).await;
        // The lease, then the coupon.
        faults.next("PutItem", fate);
        faults.next("PutItem", Fate::Pass);
        faults.next("PutItem", fate);
        let outcome = tables
            .members
            .claim(&tables.catalog, &tables.stock, &campaign, &world.claim(world.member(), 1))
            .await
            .unwrap();
        assert!(matches!(outcome, ClaimOutcome::Claimed(_)), "{fate:?} {outcome:?}");
        assert!(faults.all_met());
        tokio::time::sleep(Duration::from_millis(400)).await;
        tables.stock.return_unspent().await;
        assert_eq!(world.tables().stock.count_remaining(campaign.no).await.unwrap(), Some(9), "{fate:?}");
        // The coupon that stands there could also come from the same request, sent twice at once. So the tables count
        // the unit as leased until the sweep.
        let kept = u64::from(matches!(fate, Fate::LoseAnswer | Fate::FailAfter));
        assert_eq!(world.tables().stock.count_leased(campaign.no).await.unwrap(), kept, "{fate:?}");
    }
}

#[tokio::test]
async fn a_redemption_whose_answer_is_lost_is_redeemed_once() {
    for fate in FATES {
        let world = World::new().await;
        let campaign = world.campaign(1).await;
        let claim = world.claim(world.member(), 1);
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &claim).await.unwrap();
        let coupon_key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        let (faults, tables) = through_faults(&world).await;
        faults.next("UpdateItem", fate);
        let outcome =
            tables.members.redeem(&tables.catalog, &campaign, coupon_key, 1, &world.redemption(1)).await.unwrap();
        assert!(matches!(outcome, RedeemOutcome::Redeemed(_, 0) | RedeemOutcome::Replayed(_, 0)), "{fate:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let coupon = world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap();
        assert_eq!(coupon.redemptions.len(), 1, "{fate:?}");
    }
}

#[tokio::test]
async fn a_reversal_whose_answer_is_lost_gives_one_unit_back() {
    for fate in FATES {
        let world = World::new().await;
        let campaign = world.campaign(1).await;
        let claim = world.claim(world.member(), 1);
        world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &claim).await.unwrap();
        let coupon_key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        world
            .tables()
            .members
            .redeem(&world.tables().catalog, &campaign, coupon_key, 1, &world.redemption(1))
            .await
            .unwrap();
        let (faults, tables) = through_faults(&world).await;
        faults.next("UpdateItem", fate);
        let reason: Reason = "r".parse().unwrap();
        let request = ReverseRequest {
            key: mealticket_support::world::key_hash(2),
            fingerprint: mealticket_domain::Fingerprint([1; 16]),
            reason,
            now: world.now(),
        };
        let outcome = tables.members.reverse(&tables.catalog, coupon_key, 0, &request).await.unwrap();
        assert!(matches!(outcome, ReverseOutcome::Reversed(_) | ReverseOutcome::Replayed(_)), "{fate:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap().uses_left, 1, "{fate:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_retried_after_sell_out_gets_its_coupon() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 1, 1).await;
    let (faults, tables) = through_faults(&world).await;
    let member = world.member();
    // The put is done, and no answer arrives until patience ends.
    faults.next("PutItem", Fate::Pass);
    faults.next("PutItem", Fate::LoseAnswer);
    for _ in 0..200 {
        faults.next("PutItem", Fate::LoseRequest);
    }
    let error =
        tables.members.claim(&tables.catalog, &tables.stock, &campaign, &world.claim(member, 1)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let stranger = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(world.member(), 1))
        .await
        .unwrap();
    assert!(matches!(stranger, ClaimOutcome::NoUnit(NoUnit::Settling)), "{stranger:?}");
    let again = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(member, 1))
        .await
        .unwrap();
    assert!(matches!(again, ClaimOutcome::Replayed(_)), "{again:?}");
}

#[tokio::test]
async fn silence_and_throttling_are_unavailable_and_what_was_not_done_is_given_back() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    for (fate, applied, left) in [(Fate::Throttle, WasApplied::No, 10), (Fate::LoseRequest, WasApplied::Unknown, 9)] {
        let (faults, tables) = through_faults(&world).await;
        faults.next("PutItem", Fate::Pass);
        for _ in 0..200 {
            faults.next("PutItem", fate);
        }
        let error = tables
            .members
            .claim(&tables.catalog, &tables.stock, &campaign, &world.claim(world.member(), 1))
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { applied: a, .. } if a == applied), "{fate:?} {error:?}");
        faults.calm();
        tables.stock.return_unspent().await;
        assert_eq!(world.tables().stock.count_remaining(campaign.no).await.unwrap(), Some(left), "{fate:?}");
        assert_eq!(
            world.tables().stock.count_leased(campaign.no).await.unwrap(),
            10 - left,
            "its lease waits for the sweep"
        );
    }
}

#[tokio::test]
async fn a_read_that_is_lost_is_read_again() {
    let world = World::new().await;
    let (faults, tables) = through_faults(&world).await;
    for operation in ["GetItem", "Query"] {
        for fate in [Fate::Throttle, Fate::LoseAnswer, Fate::FailAfter] {
            faults.next(operation, fate);
        }
    }
    let member = world.member();
    assert_eq!(tables.members.read_profile(member).await.unwrap(), None);
    assert!(tables.members.list_coupons(member, None, 10).await.unwrap().coupons.is_empty());
    assert!(faults.all_met());
    assert_eq!(faults.seen().len(), 8);
}

/// One environment gets two requests at once, under one key and with different payloads. The request whose coupon is
/// there succeeds. The other is refused because its key is used, also when its own first attempt got no answer.
#[tokio::test]
async fn a_key_that_another_payload_has_used_meanwhile_is_no_success_of_ones_own() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 2_000, 1).await;
    let (faults, tables) = through_faults(&world).await;
    // There is so much demand that the lease has a unit for each request.
    for _ in 0..4 {
        tables.members.claim(&tables.catalog, &tables.stock, &campaign, &world.claim(world.member(), 9)).await.unwrap();
    }
    let first = world.claim(world.member(), 1);
    let second = ClaimRequest { fingerprint: Fingerprint([7; 16]), ..first.clone() };
    faults.next("PutItem", Fate::LoseRequest);
    faults.next("PutItem", Fate::Hold);
    let mut late = std::pin::pin!(tables.members.claim(&tables.catalog, &tables.stock, &campaign, &second));
    tokio::select! {
        early = &mut late => panic!("{early:?}"),
        () = faults.held() => {}
    }
    let ClaimOutcome::Claimed(coupon) =
        tables.members.claim(&tables.catalog, &tables.stock, &campaign, &first).await.unwrap()
    else {
        panic!("no coupon")
    };
    faults.let_go();
    let outcome = late.await.unwrap();
    assert!(matches!(outcome, ClaimOutcome::KeyReused), "{outcome:?}");
    assert_eq!(coupon.claim_fingerprint, first.fingerprint);
    tables.stock.return_unspent().await;
    assert_eq!(world.tables().stock.count_remaining(campaign.no).await.unwrap(), Some(2_000 - 5));
    assert_eq!(world.tables().stock.count_leased(campaign.no).await.unwrap(), 0);
}

/// A release that lands late ends the hold that it saw, and not a newer hold of the same order.
#[tokio::test]
async fn a_release_that_lands_late_leaves_a_newer_hold_alone() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let claim = world.claim(world.member(), 1);
    world.tables().members.claim(&world.tables().catalog, &world.tables().stock, &campaign, &claim).await.unwrap();
    let coupon_key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
    let hold = |key: u64| {
        let mut redemption = world.redemption(key);
        redemption.order.order_no = "MINE".parse().unwrap();
        HoldRequest { redemption, seconds: 600 }
    };
    let tag = HoldTag::of(KeyHash::of_order(&"MINE".parse().unwrap()));
    assert!(matches!(
        world.tables().members.hold(&world.tables().catalog, coupon_key, 1, &hold(1)).await.unwrap(),
        HoldOutcome::Held(_)
    ));
    let (faults, tables) = through_faults(&world).await;
    faults.next("UpdateItem", Fate::LandLate(Duration::from_millis(300)));
    assert!(tables.members.release(coupon_key, tag, world.now()).await.unwrap());
    assert!(matches!(
        world.tables().members.hold(&world.tables().catalog, coupon_key, 1, &hold(2)).await.unwrap(),
        HoldOutcome::Held(_)
    ));
    tokio::time::sleep(Duration::from_millis(400)).await;
    let coupon = world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap();
    assert!(coupon.live_hold(world.now()).is_some(), "{:?}", coupon.hold);
}
