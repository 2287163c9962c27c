//! Reports in any order: a reversal that comes before its redemption.

use super::{merchant, queue, queue_all, records};
use crate::attempt::Attempt;
use mealticket_domain::{Coupon, CouponKey};
use mealticket_store::{members::ClaimOutcome, messages::Discrepancy};
use mealticket_support::World;
use serde_json::{Value, json};

const ORDER: &str = "N-1";

async fn claimed(world: &World) -> Coupon {
    let campaign = world.campaign(1).await;
    match world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(world.member(), 1))
        .await
        .unwrap()
    {
        ClaimOutcome::Claimed(coupon) => *coupon,
        other => panic!("{other:?}"),
    }
}

async fn report(world: &World, kind: &str, id: &str, data: Value) {
    let now = world.now();
    let body = json!({ "type": kind, "timestamp": now.to_string(), "data": data });
    let mut attempt = Attempt::post("/v1/merchants/mch_luckytea/callbacks", &body);
    for (name, value) in world.keys.merchant("mch_luckytea").unwrap().sign(id, now, attempt.body.as_bytes()).unwrap() {
        attempt = attempt.header(name, &value);
    }
    attempt.send(&world.deps).await.expect(202);
}

/// Reports that the guest gave the drink back. The report names the coupon by its id, and the redemption by its order.
async fn reversed(world: &World, coupon_key: CouponKey, id: &str) {
    let coupon_id = world.deps.stack.ids.coupon_id(coupon_key);
    report(world, "coupon.reversed", id, json!({ "coupon_id": coupon_id, "order_no": ORDER, "reason": "退单" })).await;
}

async fn redeemed(world: &World, coupon_key: CouponKey, id: &str) {
    let codes = &world.deps.stack.codes;
    let code = codes.code(coupon_key, codes.newest_version()).unwrap().expose();
    let order = json!({ "order_no": ORDER, "amount_fen": 2_500 });
    let data = json!({ "code": code, "store_id": "sto_luckytea01", "order": order,
        "redeemed_at": world.now().to_string() });
    report(world, "coupon.redeemed", id, data).await;
}

async fn discrepancies(world: &World) -> Vec<Discrepancy> {
    world.tables().messages.list_discrepancies(&merchant(), None, 100).await.unwrap().0
}

/// How often a coupon was redeemed, and how often that was undone.
async fn uses(world: &World, coupon_key: CouponKey) -> (usize, usize) {
    let redemptions = world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap().redemptions;
    (redemptions.len(), redemptions.iter().filter(|spent| spent.reversal.is_some()).count())
}

/// Makes a world in which a reversal waits. Returns the records of the redemption that it waits for.
pub(crate) async fn undone_too_early(world: &World) -> Vec<Value> {
    let coupon_key = claimed(world).await.key;
    reversed(world, coupon_key, "msg_undone").await;
    redeemed(world, coupon_key, "msg_redeemed").await;
    records(world)
}

#[tokio::test]
async fn a_reversal_that_comes_first_waits_and_is_done_once_when_its_redemption_comes() {
    let world = World::new().await;
    let coupon_key = claimed(&world).await.key;
    for _ in 0..2 {
        reversed(&world, coupon_key, "msg_1").await;
    }
    assert_eq!(uses(&world, coupon_key).await, (0, 0));
    let [open] = &discrepancies(&world).await[..] else { panic!() };
    assert_eq!((open.reason.as_str(), open.settled_at), ("redemption_not_found", None));
    redeemed(&world, coupon_key, "msg_2").await;
    assert_eq!(uses(&world, coupon_key).await, (1, 0));
    for _ in 0..2 {
        queue_all(&world).await;
        assert_eq!(uses(&world, coupon_key).await, (1, 1));
    }
    assert_eq!(discrepancies(&world).await[0].settled_at, Some(world.now()));
    assert!(world.tables().messages.list_waiting(coupon_key).await.unwrap().is_empty());
    // Both reports again, under other ids. The redemption stays undone.
    redeemed(&world, coupon_key, "msg_3").await;
    reversed(&world, coupon_key, "msg_4").await;
    queue_all(&world).await;
    assert_eq!(uses(&world, coupon_key).await, (1, 1));
}

#[tokio::test]
async fn it_waits_for_a_redemption_by_api_as_well_and_for_one_that_is_named_by_its_number() {
    let world = World::new().await;
    let coupon = claimed(&world).await;
    let id = world.deps.stack.ids.redemption_id(coupon.key, 0);
    report(&world, "coupon.reversed", "msg_1", json!({ "redemption_id": id, "reason": "退单" })).await;
    let campaign = world.campaign(1).await;
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, coupon.key, coupon.key_version, &world.redemption(1))
        .await
        .unwrap();
    queue_all(&world).await;
    assert_eq!(uses(&world, coupon.key).await, (1, 1));
}

#[tokio::test]
async fn what_waits_for_another_order_or_another_coupon_goes_on_waiting() {
    let world = World::new().await;
    let (one, other) = (claimed(&world).await, claimed(&world).await);
    let coupon_id = world.deps.stack.ids.coupon_id(one.key);
    let data = json!({ "coupon_id": coupon_id, "order_no": "another", "reason": "退单" });
    report(&world, "coupon.reversed", "msg_1", data).await;
    reversed(&world, other.key, "msg_2").await;
    redeemed(&world, one.key, "msg_3").await;
    queue_all(&world).await;
    assert_eq!((uses(&world, one.key).await, uses(&world, other.key).await), ((1, 0), (0, 0)));
    for coupon_key in [one.key, other.key] {
        assert_eq!(world.tables().messages.list_waiting(coupon_key).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_report_that_names_no_redemption_waits_for_none() {
    let world = World::new().await;
    let coupon_key = claimed(&world).await.key;
    let coupon_id = world.deps.stack.ids.coupon_id(coupon_key);
    for (id, data) in [
        ("msg_1", json!({ "reason": "退单" })),
        ("msg_2", json!({ "coupon_id": coupon_id, "reason": "退单" })),
        ("msg_3", json!({ "coupon_id": "cpn_none", "order_no": ORDER, "reason": "退单" })),
        ("msg_4", json!({ "redemption_id": "rdm_none-1", "reason": "退单" })),
        ("msg_5", json!({ "redemption_id": world.deps.stack.ids.redemption_id(coupon_key, 32), "reason": "退单" })),
    ] {
        report(&world, "coupon.reversed", id, data).await;
    }
    assert_eq!(discrepancies(&world).await.len(), 5);
    assert!(world.tables().messages.list_waiting(coupon_key).await.unwrap().is_empty());
    queue(&world, &records(&world)).await;
}
