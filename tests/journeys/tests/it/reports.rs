//! Reports of merchants' systems. They are confirmed, done, or recorded as discrepancies, and they meet tills and each
//! other.

mod proofs;

use crate::{
    attempt::{Attempt, Reply},
    story::{TEA, redeem, samples},
};
use mealticket_domain::{Timestamp, terms::sha256};
use mealticket_local::samples::Samples;
use mealticket_store::messages::{Discrepancy, Receipt, Received};
use mealticket_support::World;
use serde_json::{Value, json};

struct Report<'a> {
    world: &'a World,
    kind: &'static str,
    data: Value,
}

impl Report<'_> {
    /// Writes the receipt, as a delivery does that is cut off before the report's effect.
    async fn arrive(&self, id: &str, received_at: Timestamp) -> Received {
        let receipt = Receipt {
            merchant: &TEA.parse().unwrap(),
            webhook_id: id,
            event_type: self.kind,
            body_sha256: sha256(self.body().to_string().as_bytes()),
            body_sealed: vec![0; 64],
            received_at,
        };
        self.world.tables().messages.receive(&receipt).await.unwrap()
    }

    fn body(&self) -> Value {
        json!({ "type": self.kind, "timestamp": self.world.now().to_string(), "data": self.data })
    }

    async fn send(&self, id: &str) -> Reply {
        let mut attempt = Attempt::post(format!("/v1/merchants/{TEA}/callbacks"), &self.body());
        let headers =
            self.world.keys.merchant(TEA).unwrap().sign(id, self.world.now(), attempt.body.as_bytes()).unwrap();
        for (name, value) in headers {
            attempt = attempt.header(name, &value);
        }
        attempt.send(&self.world.deps).await
    }
}

fn report<'a>(world: &'a World, code: &str, order: &str, change: impl FnOnce(&mut Value)) -> Report<'a> {
    let mut data = json!({ "code": code, "store_id": "sto_luckytea01", "redeemed_at": world.now().to_string(),
        "order": { "order_no": order, "amount_fen": 2_350 } });
    change(&mut data);
    Report { world, kind: "coupon.redeemed", data }
}

async fn reasons(world: &World) -> Vec<String> {
    let merchant = TEA.parse().unwrap();
    let mut found: Vec<String> = world
        .tables()
        .messages
        .list_discrepancies(&merchant, None, 100)
        .await
        .unwrap()
        .0
        .into_iter()
        .map(|found| found.reason)
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_report_of_what_came_in_by_api_is_a_confirmation() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    redeem(&world, &code, "N-1").send(&world.deps).await.expect(201);
    for id in ["msg_1", "msg_1", "msg_2"] {
        report(&world, &code, "N-1", |_| {}).send(id).await.expect(202);
    }
    assert!(reasons(&world).await.is_empty());
    let coupon = world.deps.stack.ids.coupon(&samples.fill("{{active_coupon_id}}")).unwrap();
    assert_eq!(world.tables().members.read_coupon(coupon).await.unwrap().unwrap().redemptions.len(), 1);
}

fn reversal<'a>(world: &'a World, redemption_id: &str, change: impl FnOnce(&mut Value)) -> Report<'a> {
    let mut data = json!({ "redemption_id": redemption_id, "reason": "顾客退货" });
    change(&mut data);
    Report { world, kind: "coupon.reversed", data }
}

#[tokio::test]
async fn a_reported_reversal_undoes_its_redemption_once_and_confirms_what_was_undone_by_api() {
    let world = World::new().await;
    let code = samples(&world).await.fill("{{active_code}}");
    let redeemed = redeem(&world, &code, "N-1").send(&world.deps).await.expect(201);
    let id = redeemed.json["redemption_id"].as_str().unwrap().to_owned();
    for webhook in ["msg_1", "msg_1", "msg_2"] {
        reversal(&world, &id, |_| {}).send(webhook).await.expect(202);
    }
    // With another reason it is the same reversal. By API, the redemption was undone before.
    reversal(&world, &id, |data| data["reason"] = json!("other words")).send("msg_3").await.expect(202);
    let undo = |id: &str, key: &str| {
        Attempt::post(format!("/v1/redemptions/{id}/reversals"), &json!({ "reason": "r" }))
            .bearer(&world.merchant_token(TEA))
            .key(key)
    };
    undo(&id, "till-1-undo-again-1").send(&world.deps).await.refused(409, "already_reversed");
    let (coupon_key, _) = world.deps.stack.ids.redemption(&id).unwrap();
    let coupon = world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap();
    assert_eq!((coupon.uses_left, coupon.redemptions[0].reversal.is_some()), (1, true));
    // The other way round: undone by API, and then reported.
    let again = redeem(&world, &code, "N-2").key("till-1-order-N-2-key").send(&world.deps).await.expect(201);
    let second = again.json["redemption_id"].as_str().unwrap().to_owned();
    undo(&second, "till-1-undo-second-1").send(&world.deps).await.expect(201);
    reversal(&world, &second, |_| {}).send("msg_4").await.expect(202);
    assert!(reasons(&world).await.is_empty());
    assert_eq!(world.tables().members.read_coupon(coupon_key).await.unwrap().unwrap().uses_left, 1);
}

#[tokio::test]
async fn a_reported_reversal_that_breaks_a_rule_is_recorded_and_changes_nothing() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    let redeemed = redeem(&world, &code, "N-1").send(&world.deps).await.expect(201);
    let id = redeemed.json["redemption_id"].as_str().unwrap().to_owned();
    let before = world.tables().members.read_coupon(world.deps.stack.ids.redemption(&id).unwrap().0).await.unwrap();
    let beyond = id.replace("-1", "-2");
    let others = samples.fill("{{redemption_id}}");
    reversal(&world, &beyond, |_| {}).send("msg_1").await.expect(202);
    reversal(&world, &others, |_| {}).send("msg_2").await.expect(202);
    reversal(&world, "nonsense", |_| {}).send("msg_3").await.expect(202);
    reversal(&world, &id, |data| data["reason"] = json!(" ")).send("msg_4").await.expect(202);
    reversal(&world, &id, |data| *data = json!(["a", "b"])).send("msg_5").await.expect(202);
    reversal(&world, &id, |data| data["merchant_id"] = json!("mch_yuehui")).send("msg_6").await.expect(202);
    world.pass_seconds(4 * 86_400);
    reversal(&world, &id, |_| {}).send("msg_7").await.expect(202);
    let missing = "redemption_not_found";
    let found = reasons(&world).await;
    let malformed = "malformed_request";
    assert_eq!(found, [malformed, malformed, "other_merchant", missing, missing, missing, "reversal_window_closed"]);
    assert_eq!(world.tables().members.read_coupon(before.as_ref().unwrap().key).await.unwrap(), before);
}

#[tokio::test]
async fn a_report_that_breaks_a_rule_is_accepted_recorded_and_changes_no_coupon() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    let coupon = world.deps.stack.ids.coupon(&samples.fill("{{active_coupon_id}}")).unwrap();
    let before = world.tables().members.read_coupon(coupon).await.unwrap();
    let now = world.now();
    let at = move |seconds: i64| json!(now.plus_seconds(seconds).to_string());
    type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;
    let cases: Vec<(&str, Change<'_>)> = vec![
        ("code_not_found", Box::new(|d| d["code"] = json!(samples.fill("{{unknown_code}}")))),
        ("code_not_found", Box::new(|d| d["code"] = json!(samples.fill("{{redeemed_code}}")))),
        ("code_not_found", Box::new(|d| d["code"] = json!("nonsense"))),
        ("in_the_future", Box::new(|d| d["redeemed_at"] = at(301))),
        ("malformed_request", Box::new(|d| d["redeemed_at"] = json!("yesterday"))),
        ("malformed_request", Box::new(|d| d["order"]["amount_fen"] = json!(0))),
        ("minimum_spend_not_met", Box::new(|d| d["order"]["amount_fen"] = json!(1_999))),
        ("not_yet_valid", Box::new(|d| d["redeemed_at"] = at(-1))),
        ("other_merchant", Box::new(|d| d["merchant_id"] = json!("mch_yuehui"))),
        ("other_province", Box::new(|d| d["code"] = json!(samples.fill("{{foreign_code}}")))),
        ("store_not_found", Box::new(|d| d["store_id"] = json!("sto_yuehui01"))),
        ("too_late", Box::new(|d| d["redeemed_at"] = at(-72 * 3_600 - 1))),
    ];
    let expected: Vec<&str> = cases.iter().map(|(reason, _)| *reason).collect();
    for (number, (_, change)) in cases.into_iter().enumerate() {
        report(&world, &code, "N-1", change).send(&format!("msg_{number}")).await.expect(202);
    }
    assert_eq!(reasons(&world).await, expected);
    assert_eq!(world.tables().members.read_coupon(coupon).await.unwrap(), before);
}

#[tokio::test]
async fn a_report_after_another_order_or_another_amount_is_a_discrepancy() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    report(&world, &code, "N-1", |_| {}).send("msg_1").await.expect(202);
    report(&world, &code, "N-1", |d| d["order"]["amount_fen"] = json!(9_999)).send("msg_2").await.expect(202);
    report(&world, &code, "N-2", |_| {}).send("msg_3").await.expect(202);
    report(&world, &code, "N-2", |_| {}).send("msg_3").await.expect(202);
    assert_eq!(reasons(&world).await, ["amount_mismatch", "code_already_redeemed"]);
    report(&world, &code, "N-3", |_| {}).send("msg_1").await.refused(409, "webhook_id_reused");
    redeem(&world, &code, "N-4").send(&world.deps).await.refused(409, "code_already_redeemed");
}

#[tokio::test]
async fn a_report_counts_at_the_time_the_merchant_says_up_to_72_hours_back() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    let claimed_at = world.now();
    world.pass_seconds(8 * 86_400);
    report(&world, &code, "N-1", |_| {}).send("msg_1").await.expect(202);
    assert_eq!(reasons(&world).await, ["code_expired"]);
    let last_day: Value = json!(claimed_at.plus_seconds(6 * 86_400).to_string());
    report(&world, &code, "N-1", |d| d["redeemed_at"] = last_day.clone()).send("msg_2").await.expect(202);
    assert_eq!(reasons(&world).await, ["code_expired"]);
    let coupon = world.deps.stack.ids.coupon(&samples.fill("{{active_coupon_id}}")).unwrap();
    let redemptions = world.tables().members.read_coupon(coupon).await.unwrap().unwrap().redemptions;
    assert_eq!(json!(redemptions[0].at.to_string()), last_day);
}

#[tokio::test]
async fn a_till_whose_order_was_reported_hears_of_that_redemption_and_hears_the_same_again() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    report(&world, &code, "N-1", |_| {}).send("msg_1").await.expect(202);
    world.pass_seconds(60);
    let mut validation = redeem(&world, &code, "N-1");
    validation.path = "/v1/validations".to_owned();
    let valid = validation.send(&world.deps).await.expect(200);
    assert_eq!((&valid.json["valid"], &valid.json["discount_fen"]), (&json!(true), &json!(500)));
    let dearer = redeem(&world, &code, "N-1").change(|body| body["order"]["amount_fen"] = json!(9_999));
    dearer.key("another-key-of-the-till").send(&world.deps).await.refused(409, "code_already_redeemed");
    let first = redeem(&world, &code, "N-1").send(&world.deps).await.expect(201);
    assert!(first.is_replayed());
    // Months later, when the coupon has expired.
    world.pass_seconds(400 * 86_400);
    let again = redeem(&world, &code, "N-1").send(&world.deps).await.expect(201);
    assert_eq!((first.text, first.json["uses_left"].clone()), (again.text, json!(0)));
    let other = redeem(&world, &code, "N-1").change(|body| body["order"]["amount_fen"] = json!(9_999));
    other.send(&world.deps).await.refused(422, "idempotency_key_reused");
    report(&world, &code, "N-1", |_| {}).send("msg_2").await.expect(202);
    assert!(reasons(&world).await.is_empty());
}

/// An earlier delivery of the report was refused, recorded a discrepancy, and was cut off. By now no rule stands
/// against the report.
#[tokio::test]
async fn a_report_that_comes_again_and_is_done_settles_what_its_first_delivery_wrote_down() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let merchant = TEA.parse().unwrap();
    let code = samples.fill("{{active_code}}");
    let again = report(&world, &code, "N-1", |_| {});
    let received = again.arrive("msg_1", world.now()).await;
    assert_eq!(received, Received::EffectIsDue { received_at: world.now() });
    let held = written_down(&world, &samples, "msg_1");
    world.tables().messages.put_discrepancy(&merchant, &held).await.unwrap();
    again.send("msg_1").await.expect(202);
    let settled = async |id: &str| {
        world.tables().messages.read_discrepancy(&merchant, id).await.unwrap().unwrap().settled_at.is_some()
    };
    assert!(settled("msg_1").await);

    // Two deliveries come at once. One is done and acknowledged. The other records its refusal and is cut off.
    let other = report(&world, &code, "N-1", |_| {});
    other.send("msg_2").await.expect(202);
    world.tables().messages.put_discrepancy(&merchant, &written_down(&world, &samples, "msg_2")).await.unwrap();
    other.send("msg_2").await.expect(202);
    assert!(settled("msg_2").await);

    // A report that was refused and acknowledged stays refused, also when no rule stands against it any more.
    let refused = report(&world, &code, "N-9", |_| {});
    refused.send("msg_3").await.expect(202);
    let undone = json!({ "code": code, "order_no": "N-1", "reason": "r" });
    Report { world: &world, kind: "coupon.reversed", data: undone }.send("msg_4").await.expect(202);
    refused.send("msg_3").await.expect(202);
    assert!(!settled("msg_3").await);
    let coupon = world.deps.stack.ids.coupon(&samples.fill("{{active_coupon_id}}")).unwrap();
    assert_eq!(world.tables().members.read_coupon(coupon).await.unwrap().unwrap().redemptions.len(), 1);
}

/// The discrepancy that a delivery leaves when it finds the coupon held.
fn written_down(world: &World, samples: &Samples, webhook_id: &str) -> Discrepancy {
    Discrepancy {
        webhook_id: webhook_id.to_owned(),
        event_type: "coupon.redeemed".to_owned(),
        reason: "code_held".to_owned(),
        coupon_id: Some(samples.fill("{{active_coupon_id}}")),
        order_no: Some("N-1".to_owned()),
        store_id: None,
        amount: None,
        redeemed_at: Some(world.now()),
        received_at: world.now(),
        settled_at: None,
        decision: None,
    }
}
