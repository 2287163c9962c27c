//! Discrepancies show what both sides say, and finance decides them.

use super::merchant;
use crate::{
    attempt::Attempt,
    books::{fold, post_all},
};
use mealticket_api::auth::operator::Role;
use mealticket_domain::{ProvinceDay, books::Cell, journal::EntryKind};
use mealticket_store::members::ClaimOutcome;
use mealticket_support::World;
use serde_json::{Value, json};

/// Redeems a coupon. Then reports another order on it, or the same order with another amount. Returns the discrepancy's
/// id.
async fn reported(world: &World, order_no: &str, amount: u64) -> String {
    let campaign = world.campaign(1).await;
    let claimed = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(world.member(), 1))
        .await
        .unwrap();
    let ClaimOutcome::Claimed(coupon) = claimed else { panic!("{claimed:?}") };
    let coupon_id = world.deps.stack.ids.coupon_id(coupon.key);
    report(world, &coupon_id, "msg_1", "N-1", 2_500).await;
    report(world, &coupon_id, "msg_2", order_no, amount).await;
    "dsc_luckytea_msg_2".to_owned()
}

/// Sends a signed report of a redemption, with the coupon's code.
async fn report(world: &World, coupon_id: &str, id: &str, order_no: &str, amount: u64) {
    let stack = &world.deps.stack;
    let code = stack.codes.code(stack.ids.coupon(coupon_id).unwrap(), stack.codes.newest_version()).unwrap().expose();
    let data = json!({ "code": code, "store_id": "sto_luckytea01", "redeemed_at": world.now().to_string(),
        "order": { "order_no": order_no, "amount_fen": amount } });
    let body = json!({ "type": "coupon.redeemed", "timestamp": world.now().to_string(), "data": data });
    let mut attempt = Attempt::post("/v1/merchants/mch_luckytea/callbacks", &body);
    let keys = world.keys.merchant("mch_luckytea").unwrap();
    for (name, value) in keys.sign(id, world.now(), attempt.body.as_bytes()).unwrap() {
        attempt = attempt.header(name, &value);
    }
    attempt.send(&world.deps).await.expect(202);
}

async fn ask(world: &World, attempt: Attempt) -> crate::attempt::Reply {
    attempt.bearer(&world.operator_token(&[Role::Finance])).send(&world.deps).await
}

async fn decide(world: &World, id: &str, verb: &str) -> crate::attempt::Reply {
    ask(world, Attempt::post(format!("/v1/admin/discrepancies/{id}/{verb}"), &json!({}))).await
}

async fn listed(world: &World) -> Value {
    let attempt = Attempt::get("/v1/admin/discrepancies").query("merchant_id", "mch_luckytea");
    ask(world, attempt).await.expect(200).json["items"][0].clone()
}

/// The sum of the merchant's books.
async fn owed(world: &World) -> Cell {
    post_all(world).await;
    fold(world).await;
    let (first, last): (ProvinceDay, ProvinceDay) = ("2026-01-01".parse().unwrap(), "2030-01-01".parse().unwrap());
    let mut total = Cell::default();
    for sheet in world.tables().ledger.read_sheets(&merchant(), first, last).await.unwrap().values() {
        sheet.values().for_each(|cell| mealticket_domain::books::Sum::add(&mut total, cell));
    }
    total
}

#[tokio::test]
async fn both_sides_facts_are_shown() {
    let world = World::new().await;
    reported(&world, "N-2", 3_000).await;
    let shown = listed(&world).await;
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("open"), &json!("code_already_redeemed")));
    assert_eq!((&shown["reported"]["order_no"], &shown["reported"]["amount_fen"]), (&json!("N-2"), &json!(3_000)));
    assert_eq!(shown["known"]["status"], "redeemed");
    assert_eq!(shown["known"]["redemptions"][0]["order_no"], "N-1");
}

#[tokio::test]
async fn an_accepted_report_is_paid_once_to_the_fen_and_the_coupon_stays_as_it_is() {
    let world = World::new().await;
    let id = reported(&world, "N-2", 3_000).await;
    let before = owed(&world).await;
    let first = decide(&world, &id, "accept").await.expect(200);
    world.pass_seconds(3_600);
    for _ in 0..3 {
        assert_eq!(decide(&world, &id, "accept").await.expect(200).text, first.text);
    }
    decide(&world, &id, "reject").await.refused(409, "discrepancy_decided");
    let after = owed(&world).await;
    assert_eq!((after.discount - before.discount, after.redeemed - before.redeemed), (500, 0));
    assert_eq!(after.postings.balance(), 0);
    assert_eq!(listed(&world).await["state"], "accepted");
    let day = world.now().province_day();
    let lines = world.tables().ledger.read_bill(&merchant(), day, None, 100).await.unwrap().lines;
    let adjustments: Vec<_> = lines.iter().filter(|entry| entry.event.kind == EntryKind::Adjustment).collect();
    assert_eq!(adjustments.len(), 1);
    assert_eq!(adjustments[0].order_no.as_str(), "N-2");
    // The coupons do not show the adjustment, and the rebuild does not look for it there.
    world.pass_seconds(86_400);
    let rebuilt = rebuild_ledger::rebuild(&world.tables().narrowed()).await.unwrap();
    assert!(rebuilt.agrees(), "{rebuilt:?}");
}

#[tokio::test]
async fn an_order_that_is_reported_under_two_names_is_paid_once() {
    let world = World::new().await;
    let id = reported(&world, "N-2", 3_000).await;
    let coupon_id = listed(&world).await["reported"]["coupon_id"].as_str().unwrap().to_owned();
    report(&world, &coupon_id, "msg_3", "N-2", 4_000).await;
    let before = owed(&world).await;
    for id in [id.as_str(), "dsc_luckytea_msg_3"] {
        decide(&world, id, "accept").await.expect(200);
        world.pass_seconds(60);
    }
    assert_eq!(owed(&world).await.discount - before.discount, 500);
}

#[tokio::test]
async fn a_rejected_report_is_not_paid() {
    let world = World::new().await;
    let id = reported(&world, "N-2", 3_000).await;
    let before = owed(&world).await;
    decide(&world, &id, "reject").await.expect(200);
    decide(&world, &id, "accept").await.refused(409, "discrepancy_decided");
    assert_eq!(owed(&world).await, before);
    assert_eq!(listed(&world).await["state"], "rejected");
}

#[tokio::test]
async fn of_an_order_that_was_paid_the_difference_is_paid_and_never_less_than_nothing() {
    for (amount, acceptable) in [(9_000, true), (2_400, false)] {
        let world = World::new().await;
        let id = reported(&world, "N-1", amount).await;
        assert_eq!(listed(&world).await["reason"], "amount_mismatch");
        let before = owed(&world).await;
        let reply = decide(&world, &id, "accept").await;
        assert_eq!(reply.status == 200, acceptable, "{}", reply.text);
        let after = owed(&world).await;
        // The benefit is five yuan off, whatever the order. The discount was paid in full.
        assert_eq!(after.discount, before.discount);
        assert_eq!(after.order_value - before.order_value, if acceptable { 6_500 } else { 0 });
    }
}

#[tokio::test]
async fn an_order_that_was_undone_or_whose_coupon_can_still_be_redeemed_is_not_paid() {
    let world = World::new().await;
    let id = reported(&world, "N-1", 9_000).await;
    let campaign = world.campaign(1).await;
    let coupons =
        world.tables().members.list_coupons_of_campaign(world_member(&world).await, campaign.no).await.unwrap();
    let reason = "退单".parse().unwrap();
    let key = mealticket_support::world::key_hash(9);
    let fingerprint = mealticket_domain::Fingerprint([3; 16]);
    let request = mealticket_store::members::ReverseRequest { key, fingerprint, reason, now: world.now() };
    world.tables().members.reverse(&world.tables().catalog, coupons[0].key, 0, &request).await.unwrap();
    decide(&world, &id, "accept").await.refused(409, "discrepancy_not_acceptable");
    decide(&world, &id, "reject").await.expect(200);
}

/// The member whose coupon the report was about.
async fn world_member(world: &World) -> mealticket_domain::MemberNo {
    let id = listed(world).await["reported"]["coupon_id"].as_str().unwrap().to_owned();
    world.deps.stack.ids.coupon(&id).unwrap().member
}
