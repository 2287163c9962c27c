use mealticket_domain::{
    Coupon, CouponKey, CouponStatus, Fingerprint, Hold, KeyHash, LeaseId, Redemption, Reversal, Share, TermsHash,
    Timestamp,
    coupon::RedemptionSource,
    limits::{AMOUNT_FEN_MAX, REDEMPTIONS_MAX},
};
use mealticket_store::members::item_bytes;
use mealticket_support::World;

/// Kept free for what coupons will carry: a time step of a dynamic code, the clerk who assisted, and the reason of a
/// deactivation.
const KEPT_FREE_BYTES: usize = 96;

/// The largest coupon with one redemption and one reversal that the rules allow. It was reversed, held again, and then
/// deactivated. Its free texts are in Chinese.
fn largest() -> Coupon {
    let reversal = Reversal {
        at: Timestamp::MAX,
        key: KeyHash([1; 16]),
        fingerprint: Fingerprint([2; 16]),
        reason: "错".repeat(15).parse().unwrap(),
        status: CouponStatus::Deactivated,
        redemptions_before: 1,
    };
    let redemption = Redemption {
        at: Timestamp::MAX,
        key: KeyHash([3; 16]),
        fingerprint: Fingerprint([4; 16]),
        source: RedemptionSource::Callback,
        store_id: format!("sto_{}", "a".repeat(24)).parse().unwrap(),
        order_no: "9".repeat(64).parse().unwrap(),
        amount: AMOUNT_FEN_MAX.try_into().unwrap(),
        discount: AMOUNT_FEN_MAX.try_into().unwrap(),
        cashier: Some("收".repeat(16).parse().unwrap()),
        reversal: Some(reversal),
    };
    Coupon {
        key: CouponKey {
            member: ((1u64 << 34) - 1).try_into().unwrap(),
            campaign: ((1u32 << 20) - 1).try_into().unwrap(),
            ordinal: 63u8.try_into().unwrap(),
        },
        claimed_at: Timestamp::MAX,
        claim_key: KeyHash([5; 16]),
        claim_fingerprint: Fingerprint([6; 16]),
        channel: Some("c".repeat(32).parse().unwrap()),
        share: Some(Share::Unverified("s".repeat(32).parse().unwrap())),
        lease_id: LeaseId([7; 16]),
        terms_version: 99_999,
        terms_sha256: TermsHash([8; 32]),
        settlement_version: 99_999,
        key_version: u16::MAX,
        valid_from: Timestamp::MAX,
        valid_until: Timestamp::MAX,
        uses_total: 32,
        uses_left: 32,
        deactivated_at: Some(Timestamp::MAX),
        hold: Some(Hold {
            order: KeyHash([9; 16]),
            key: KeyHash([10; 16]),
            fingerprint: Fingerprint([11; 16]),
            at: Timestamp::MAX,
            until: Timestamp::MAX,
            ended: false,
        }),
        redemptions: vec![redemption],
    }
}

#[test]
fn a_coupon_with_one_redemption_and_one_reversal_costs_one_write_unit_with_its_longest_texts() {
    let bytes = item_bytes(&largest());
    assert!(bytes <= 1_024 - KEPT_FREE_BYTES, "{bytes} bytes");
}

/// The size that the comment on `REDEMPTIONS_MAX` states.
#[test]
fn a_coupon_that_was_redeemed_and_reversed_as_often_as_can_be_stays_below_16_kilobytes() {
    let one = largest();
    let redemptions = vec![one.redemptions[0].clone(); REDEMPTIONS_MAX];
    let bytes = item_bytes(&Coupon { redemptions, ..one });
    assert!((8 * 1_024..16 * 1_024).contains(&bytes), "{bytes} bytes");
}

/// The longest order number and store id and the largest amount, with ordinary names, as the engine itself counts.
#[tokio::test]
async fn the_engine_counts_one_unit_for_the_longest_order_and_cashier() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let tables = world.tables().for_one_request();
    let claim = world.claim(world.member(), 1);
    tables.members.claim(&tables.catalog, &tables.stock, &campaign, &claim).await.unwrap();
    let key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
    let mut request = world.redemption(1);
    request.order.order_no = "9".repeat(64).parse().unwrap();
    request.cashier = Some("收".repeat(16).parse().unwrap());
    let metered = tables.for_one_request();
    metered.members.redeem(&metered.catalog, &campaign, key, 1, &request).await.unwrap();
    assert_eq!(metered.capacity().write_tenths, 10, "{}", metered.capacity());
}
