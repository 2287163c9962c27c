//! Requests about endpoints and what was sent to them.

use super::TEA;
use crate::attempt::Attempt;
use mealticket_api::{Code, auth::operator::Role};
use mealticket_domain::webhook::{Answer, Endpoint, EndpointId, Failure, Message, MessageKind};
use mealticket_store::deliveries::{Attempt as Try, Delivery, Outcome};
use mealticket_testing::World;
use serde_json::json;

const ENDPOINT: &str = "end_luckytea1";
const MESSAGE: &str = "msg_1qg00000000000000000000";

/// A request of an operator, or of the tea shop, about its endpoint and a message that did not arrive.
pub(super) async fn about(world: &World, method: &str, path: &str, has: &impl Fn(Code) -> bool) -> Attempt {
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
    let id = if has(Code::EndpointExists) { ENDPOINT } else { "end_new" };
    let body = match path {
        _ if path.ends_with("/endpoints") => {
            json!({ "endpoint_id": id, "url": "https://hooks.example.com/", "events": ["coupon.redeemed"] })
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
    };
    world.store().put_dead_letter(&delivery, world.now()).await.unwrap();
    world.store().settle_delivery(&delivery, None, world.now()).await.unwrap();
}

/// As many endpoints as a merchant may have.
async fn fill(world: &World) {
    let merchant = TEA.parse().unwrap();
    let own = world.store().endpoints(&merchant).await.unwrap().remove(0);
    for number in 2..=8 {
        let id: EndpointId = format!("end_luckytea{number}").parse().unwrap();
        world.store().add_endpoint(&merchant, &Endpoint { id, ..own.clone() }).await.unwrap();
    }
}
