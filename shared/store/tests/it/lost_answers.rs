use mealticket_domain::{CouponKey, Reason};
use mealticket_store::{
    Store, StoreError, WasApplied,
    claim::ClaimOutcome,
    redeem::RedeemOutcome,
    reverse::{ReverseOutcome, ReverseRequest},
    stock::NoUnit,
};
use mealticket_testing::{Fate, Faults, World};
use std::time::Duration;

async fn through_faults(world: &World) -> (Faults, Store) {
    let faults = Faults::before(&world.engine.url()).await;
    let store = world.store_at(&faults.url).giving_up_after(Duration::from_secs(2));
    (faults, store)
}

/// Every way for the answer to a put to go wrong and the put to have been done or not.
const FATES: [Fate; 5] =
    [Fate::LoseAnswer, Fate::FailAfter, Fate::Throttle, Fate::LoseRequest, Fate::LandLate(Duration::from_millis(300))];

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_claimed_once_and_spends_one_unit() {
    for fate in FATES {
        let world = World::new().await;
        let campaign = world.campaign_like(1, 500, 10, 1).await;
        let (faults, store) = through_faults(&world).await;
        // The lease, then the coupon.
        faults.next("PutItem", fate);
        faults.next("PutItem", Fate::Pass);
        faults.next("PutItem", fate);
        let outcome = store.claim(&campaign, &world.claim(world.member(), 1)).await.unwrap();
        assert!(matches!(outcome, ClaimOutcome::Claimed(_)), "{fate:?} {outcome:?}");
        assert!(faults.all_met());
        tokio::time::sleep(Duration::from_millis(400)).await;
        store.return_unspent().await;
        assert_eq!(world.store().remaining(campaign.no).await.unwrap(), Some(9), "{fate:?}");
        // What stands there could also be the same request's, sent twice at once: the books keep the unit until the sweep.
        let kept = u64::from(matches!(fate, Fate::LoseAnswer | Fate::FailAfter));
        assert_eq!(world.store().leased(campaign.no).await.unwrap(), kept, "{fate:?}");
    }
}

#[tokio::test]
async fn a_redemption_whose_answer_is_lost_is_redeemed_once() {
    for fate in FATES {
        let world = World::new().await;
        let campaign = world.campaign(1).await;
        let claim = world.claim(world.member(), 1);
        world.store().claim(&campaign, &claim).await.unwrap();
        let place = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        let (faults, store) = through_faults(&world).await;
        faults.next("UpdateItem", fate);
        let outcome = store.redeem(&campaign, place, 1, &world.redemption(1)).await.unwrap();
        assert!(matches!(outcome, RedeemOutcome::Redeemed(_, 0) | RedeemOutcome::Replayed(_, 0)), "{fate:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let coupon = world.store().coupon(place).await.unwrap().unwrap();
        assert_eq!(coupon.redemptions.len(), 1, "{fate:?}");
    }
}

#[tokio::test]
async fn a_reversal_whose_answer_is_lost_gives_one_unit_back() {
    for fate in FATES {
        let world = World::new().await;
        let campaign = world.campaign(1).await;
        let claim = world.claim(world.member(), 1);
        world.store().claim(&campaign, &claim).await.unwrap();
        let place = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        world.store().redeem(&campaign, place, 1, &world.redemption(1)).await.unwrap();
        let (faults, store) = through_faults(&world).await;
        faults.next("UpdateItem", fate);
        let reason: Reason = "r".parse().unwrap();
        let request = ReverseRequest {
            key: mealticket_testing::world::key_hash(2),
            fingerprint: mealticket_domain::Fingerprint([1; 16]),
            reason,
            now: world.now(),
        };
        let outcome = store.reverse(place, 0, &request).await.unwrap();
        assert!(matches!(outcome, ReverseOutcome::Reversed(_) | ReverseOutcome::Replayed(_)), "{fate:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(world.store().coupon(place).await.unwrap().unwrap().uses_left, 1, "{fate:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_retried_after_sell_out_gets_its_coupon() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 1, 1).await;
    let (faults, store) = through_faults(&world).await;
    let member = world.member();
    // The put is done, and nothing is heard until patience ends.
    faults.next("PutItem", Fate::Pass);
    faults.next("PutItem", Fate::LoseAnswer);
    for _ in 0..200 {
        faults.next("PutItem", Fate::LoseRequest);
    }
    let error = store.claim(&campaign, &world.claim(member, 1)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let stranger = world.store().claim(&campaign, &world.claim(world.member(), 1)).await.unwrap();
    assert!(matches!(stranger, ClaimOutcome::NoUnit(NoUnit::Settling)), "{stranger:?}");
    let again = world.store().claim(&campaign, &world.claim(member, 1)).await.unwrap();
    assert!(matches!(again, ClaimOutcome::Replayed(_)), "{again:?}");
}

#[tokio::test]
async fn silence_and_throttling_are_unavailable_and_what_was_not_done_is_given_back() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 10, 1).await;
    for (fate, applied, left) in [(Fate::Throttle, WasApplied::No, 10), (Fate::LoseRequest, WasApplied::Unknown, 9)] {
        let (faults, store) = through_faults(&world).await;
        faults.next("PutItem", Fate::Pass);
        for _ in 0..200 {
            faults.next("PutItem", fate);
        }
        let error = store.claim(&campaign, &world.claim(world.member(), 1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { applied: a, .. } if a == applied), "{fate:?} {error:?}");
        faults.calm();
        store.return_unspent().await;
        assert_eq!(world.store().remaining(campaign.no).await.unwrap(), Some(left), "{fate:?}");
        assert_eq!(world.store().leased(campaign.no).await.unwrap(), 10 - left, "its lease waits for the sweep");
    }
}

#[tokio::test]
async fn a_read_that_is_lost_is_read_again() {
    let world = World::new().await;
    let (faults, store) = through_faults(&world).await;
    for operation in ["GetItem", "Query"] {
        for fate in [Fate::Throttle, Fate::LoseAnswer, Fate::FailAfter] {
            faults.next(operation, fate);
        }
    }
    let member = world.member();
    assert_eq!(store.profile(member).await.unwrap(), None);
    assert!(store.coupons(member, None, 10).await.unwrap().coupons.is_empty());
    assert!(faults.all_met());
    assert_eq!(faults.seen().len(), 8);
}
