//! Builds requests about endpoints and the messages to them.

use super::{TEA, redeemed};
use crate::attempt::Attempt;
use mealticket_api::{Code, auth::operator::Role};
use mealticket_domain::webhook::{Answer, Endpoint, EndpointId, Failure, Message, MessageKind, endpoint_id};
use mealticket_store::messages::{Attempt as Try, Decision, Delivery, Discrepancy, Outcome};
use mealticket_support::World;
use serde_json::json;

const ENDPOINT: &str = "end_luckytea1";
const MESSAGE: &str = "msg_1qg00000000000000000000";

/// A request of an operator, or of the tea shop, about its endpoint and a message that was not delivered.
pub(super) async fn about(world: &World, method: &str, path: &str, has: &impl Fn(Code) -> bool) -> Attempt {
    if path.contains("/discrepancies") {
        return about_discrepancy(world, method, path, has).await;
    }
    let attempts = if has(Code::ReplayLimit) { 100 } else { 10 };
    dead_letter(world, attempts).await;
    let merchant = if has(Code::MerchantNotFound) { "mch_nobody" } else { TEA };
    if has(Code::EndpointLimit) {
        fill(world).await;
    }
    let version = if has(Code::EndpointChanged) { 7 } else { 1 };
    let endpoint = if has(Code::EndpointNotFound) { "end_none" } else { ENDPOINT };
    let delivery = if has(Code::DeliveryNotFound) {
        "dlv_luckytea1_00000000000000000000000"
    } else {
        "dlv_luckytea1_1qg00000000000000000000"
    };
    if has(Code::EndpointExists) {
        let merchant = TEA.parse().unwrap();
        let own = world.tables().catalog.list_endpoints(&merchant).await.unwrap().remove(0);
        let id = endpoint_id(&merchant, "new").unwrap();
        world.tables().catalog.add_endpoint(&merchant, &Endpoint { id, ..own }).await.unwrap();
    }
    let body = match path {
        _ if path.ends_with("/endpoints") => {
            json!({ "name": "new", "url": "https://hooks.example.com/", "events": ["coupon.redeemed"] })
        }
        _ if path.ends_with("/rotate") => json!({ "version": version }),
        "/v1/admin/deliveries/replay" => json!({ "endpoint_id": ENDPOINT }),
        _ => json!({}),
    };
    let path =
        path.replace("{merchant_id}", merchant).replace("{endpoint_id}", endpoint).replace("{delivery_id}", delivery);
    let attempt = if method == "GET" { Attempt::get(&path) } else { Attempt::post(&path, &body) };
    if path == "/v1/deliveries" {
        return attempt.query("endpoint_id", endpoint).bearer(&world.merchant_token(TEA));
    }
    let role = if has(Code::Forbidden) { Role::Reviewer } else { Role::ProvinceAdmin };
    attempt.bearer(&world.operator_token(&[role]))
}

async fn dead_letter(world: &World, attempts: usize) {
    let attempt = Try { at: world.now(), answer: Answer::Failed(Failure::TimedOut), duration_ms: 15_000 };
    let delivery = Delivery {
        merchant: TEA.parse().unwrap(),
        endpoint: ENDPOINT.parse().unwrap(),
        message: Message { id: MESSAGE.parse().unwrap(), kind: MessageKind::CouponIssued, body: "{}".to_owned() },
        outcome: Outcome::Dead,
        given_up: None,
        attempts: vec![attempt; attempts],
        schedule_from: 0,
        next_at: None,
        revision: 0,
    };
    world.tables().messages.put_dead_letter(&delivery, world.now()).await.unwrap();
    world.tables().messages.settle_delivery(&delivery, world.now()).await.unwrap();
}

/// Registers as many endpoints as a merchant may have.
async fn fill(world: &World) {
    let merchant = TEA.parse().unwrap();
    let own = world.tables().catalog.list_endpoints(&merchant).await.unwrap().remove(0);
    for number in 2..=8 {
        let id: EndpointId = format!("end_luckytea{number}").parse().unwrap();
        world.tables().catalog.add_endpoint(&merchant, &Endpoint { id, ..own.clone() }).await.unwrap();
    }
}

/// A request of an operator about a report that came four days late.
async fn about_discrepancy(world: &World, method: &str, path: &str, has: &impl Fn(Code) -> bool) -> Attempt {
    let coupon = redeemed(world, world.now()).await;
    let merchant = TEA.parse().unwrap();
    let found = Discrepancy {
        webhook_id: "msg_1".to_owned(),
        event_type: "coupon.redeemed".to_owned(),
        reason: "too_late".to_owned(),
        coupon_id: Some(world.deps.stack.ids.coupon_id(coupon.key)),
        order_no: Some("LATE-1".to_owned()),
        store_id: Some("sto_luckytea01".parse().unwrap()),
        amount: (!has(Code::DiscrepancyNotAcceptable)).then(|| 2_500.try_into().unwrap()),
        redeemed_at: Some(world.now()),
        received_at: world.now(),
        settled_at: None,
        decision: None,
    };
    world.tables().messages.put_discrepancy(&merchant, &found).await.unwrap();
    if has(Code::DiscrepancyDecided) {
        let accepted = path.ends_with("/reject");
        let decision =
            Decision { accepted, by: "somebody".to_owned(), at: world.now(), adjustment: None, is_posted: false };
        world.tables().messages.decide_discrepancy(&merchant, "msg_1", &decision).await.unwrap();
    }
    let id = if has(Code::DiscrepancyNotFound) { "dsc_luckytea_none" } else { "dsc_luckytea_msg_1" };
    let path = path.replace("{discrepancy_id}", id);
    let attempt = match method {
        "GET" => Attempt::get(&path).query("merchant_id", TEA),
        _ => Attempt::post(&path, &json!({})),
    };
    let role = if has(Code::Forbidden) { Role::Reviewer } else { Role::Finance };
    attempt.bearer(&world.operator_token(&[role]))
}
