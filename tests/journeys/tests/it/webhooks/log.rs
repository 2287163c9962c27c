//! What operators see: deliveries by filters, and the endpoints that need attention.

use super::{coupon, endpoint, merchant, queue_all, work};
use crate::attempt::{Attempt, Reply};
use mealticket_api::auth::operator::Role;
use mealticket_domain::{
    Timestamp,
    webhook::{Answer, MessageKind},
};
use mealticket_support::{ScriptedCourier, World, courier::Posted};
use serde_json::{Value, json};
use std::sync::Arc;

async fn ask(world: &World, attempt: Attempt) -> Reply {
    attempt.bearer(&world.operator_token(&[Role::ProvinceAdmin])).send(&world.deps).await
}

async fn listed(world: &World, path: &str, query: &[(&str, &str)]) -> Vec<Value> {
    let attempt = query.iter().fold(Attempt::get(path), |attempt, (name, value)| attempt.query(name, value));
    ask(world, attempt).await.expect(200).json["items"].as_array().unwrap().clone()
}

/// A courier that accepts messages about issued coupons and nothing else.
fn picky() -> Arc<ScriptedCourier> {
    Arc::new(ScriptedCourier::new(|posted: &Posted| {
        let takes = posted.body.contains(MessageKind::CouponIssued.as_str());
        Answer::Status { status: if takes { 200 } else { 500 }, retry_after: None }
    }))
}

#[tokio::test]
async fn deliveries_are_found_by_what_they_tell_what_they_came_to_and_when() {
    let world = World::new().await;
    let begins = world.now();
    coupon(&world, 1, true).await;
    queue_all(&world).await;
    work(&world, &picky()).await;
    let later: Timestamp = begins.plus_seconds(3_600);
    world.clock().set(later);
    coupon(&world, 2, false).await;
    queue_all(&world).await;
    work(&world, &picky()).await;
    let (begins, later, after) = (begins.to_string(), later.to_string(), later.plus_seconds(1).to_string());
    for (filter, expected) in [
        (&[][..], 3),
        (&[("type", "coupon.issued")], 2),
        (&[("type", "coupon.redeemed")], 1),
        (&[("outcome", "delivered")], 2),
        (&[("outcome", "pending"), ("type", "coupon.redeemed")], 1),
        (&[("outcome", "pending"), ("type", "coupon.issued")], 0),
        (&[("since", &later)], 1),
        (&[("until", &later)], 2),
        (&[("since", &begins), ("until", &after)], 3),
        (&[("since", &after)], 0),
        (&[("since", &later), ("until", &begins)], 0),
        (&[("merchant_id", "mch_luckytea")], 3),
        (&[("merchant_id", "mch_yuehui")], 0),
    ] {
        let own = ("endpoint_id", endpoint().as_str().to_owned());
        let query: Vec<(&str, &str)> = filter.iter().copied().chain([(own.0, own.1.as_str())]).collect();
        assert_eq!(listed(&world, "/v1/admin/deliveries", &query).await.len(), expected, "{filter:?}");
    }
    for (name, value) in [("type", "coupon.lost"), ("since", "yesterday"), ("merchant_id", "luckytea")] {
        ask(&world, Attempt::get("/v1/admin/deliveries").query(name, value)).await.refused(400, "malformed_request");
    }
    let own = Attempt::get("/v1/deliveries").query("endpoint_id", endpoint().as_str()).query("until", &later);
    let reply = own.bearer(&world.merchant_token("mch_luckytea")).send(&world.deps).await.expect(200);
    assert_eq!(reply.json["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_page_ends_where_the_next_begins_and_a_cursor_of_another_filter_does_no_harm() {
    let world = World::new().await;
    let begins = world.now();
    for key in 1..=3 {
        world.clock().set(begins.plus_seconds(i64::try_from(key).unwrap() * 60));
        coupon(&world, key, false).await;
    }
    queue_all(&world).await;
    work(&world, &picky()).await;
    let own = endpoint();
    let page = async |more: &[(&str, &str)]| {
        let base = Attempt::get("/v1/admin/deliveries").query("endpoint_id", own.as_str()).query("limit", "1");
        ask(&world, more.iter().fold(base, |attempt, (name, value)| attempt.query(name, value))).await.expect(200)
    };
    let (mut seen, mut next) = (Vec::new(), None::<String>);
    for _ in 0..4 {
        let more: Vec<(&str, &str)> = next.iter().map(|next| ("cursor", next.as_str())).collect();
        let reply = page(&more).await;
        seen.extend(reply.json["items"].as_array().unwrap().iter().map(|item| item["delivery_id"].clone()));
        next = reply.json["next"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), next), (3, None));
    let (newest, oldest) = (seen[0].as_str().unwrap(), seen[2].as_str().unwrap());
    let middle = begins.plus_seconds(120).to_string();
    assert_eq!(page(&[("cursor", newest), ("until", &middle)]).await.json["items"][0]["delivery_id"], json!(oldest));
    assert_eq!(page(&[("cursor", oldest), ("since", &middle)]).await.json["items"], json!([]));
}

#[tokio::test]
async fn endpoints_that_fail_or_are_off_are_listed_until_they_work_or_are_switched_on() {
    let world = World::new().await;
    let states = async || {
        let items = listed(&world, "/v1/admin/endpoints", &[]).await;
        let state = |item: &Value| {
            assert_eq!(item["merchant_id"], merchant().as_str());
            assert_eq!(item["endpoint_id"], endpoint().as_str());
            (item["state"].clone(), item["off_reason"].clone(), item["failing_since"].is_string())
        };
        items.iter().map(state).collect::<Vec<_>>()
    };
    let work_with = async |key: u64, status: u16| {
        world.pass_seconds(4 * 86_400);
        coupon(&world, key, false).await;
        queue_all(&world).await;
        work(&world, &Arc::new(ScriptedCourier::answering(status))).await;
    };
    let switch = async |verb: &str| {
        world.pass_seconds(61);
        let path = format!("/v1/admin/merchants/{}/endpoints/{}/{verb}", merchant(), endpoint());
        ask(&world, Attempt::post(&path, &json!({}))).await.expect(200)
    };
    assert!(states().await.is_empty());
    work_with(1, 500).await;
    assert_eq!(states().await, [(json!("on"), Value::Null, true)]);
    work_with(2, 200).await;
    assert!(states().await.is_empty());
    work_with(3, 500).await;
    work_with(4, 500).await;
    work_with(5, 500).await;
    assert_eq!(states().await, [(json!("off"), json!("failing"), true)]);
    switch("enable").await;
    assert!(states().await.is_empty());
    work_with(6, 410).await;
    assert_eq!(states().await, [(json!("off"), json!("gone"), false)]);
    switch("enable").await;
    switch("disable").await;
    assert_eq!(states().await, [(json!("off"), json!("operator"), false)]);
    switch("enable").await;
    // No endpoint is left in the list.
    assert!(!world.dump().contains("ENDPOINTS_IN_TROUBLE"));
}
