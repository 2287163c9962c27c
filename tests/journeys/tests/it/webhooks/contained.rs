//! An item that cannot be read stops nothing else, and is not lost.

use super::{coupon, deliveries, endpoint, merchant, queue_all, records, work};
use crate::{attempt::Attempt, books::fold};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_api::auth::operator::Role;
use mealticket_domain::{
    journal::{Content, Record, SetAside},
    webhook::endpoint_id,
};
use mealticket_local::stack::client;
use mealticket_store::messages::shard_of;
use mealticket_support::{ScriptedCourier, World};
use serde_json::json;
use std::sync::Arc;

/// Puts an item of a future version beside the others.
async fn put(world: &World, table: &str, pk: String, sk: String) {
    let call = client(&world.engine.url()).put_item().table_name(table);
    let call = call.item("pk", AttributeValue::S(pk)).item("sk", AttributeValue::S(sk));
    call.item("of_the_future", AttributeValue::Bool(true)).send().await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_read_keeps_neither_the_others_nor_the_till_from_anything() {
    let world = World::new().await;
    let table = world.deps.stack.config.tables.catalog.clone();
    put(&world, &table, "MERCHANT#mch_luckytea".to_owned(), "ENDPOINT#end_future".to_owned()).await;
    coupon(&world, 1, false).await;
    assert_eq!(queue_all(&world).await, 1);
    // The till is recognised: its merchant is read without its endpoints.
    let request =
        Attempt::post("/v1/redemptions/search", &json!({ "code": "44-0000-0000-0000-0000", "order_no": "N-1" }));
    let token = world.merchant_token("mch_luckytea");
    request.bearer(&token).send(&world.deps_elsewhere()).await.refused(404, "code_not_found");
}

#[tokio::test]
async fn due_entries_that_cannot_be_read_are_passed_over_and_stay() {
    let world = World::new().await;
    let table = world.deps.stack.config.tables.messages.clone();
    // Twenty unreadable entries, before everything else. That is more than an endpoint may have in hand.
    for number in 0..20 {
        let pk = format!("DUE#{:02}", shard_of(&endpoint()));
        put(&world, &table, pk, format!("{}#{:012}#01#msg_{number}", endpoint(), 1_000 + number)).await;
    }
    // And one entry that names no endpoint, before all of them.
    put(&world, &table, format!("DUE#{:02}", shard_of(&endpoint())), "and_who#000000001000#01#msg".to_owned()).await;
    coupon(&world, 1, true).await;
    queue_all(&world).await;
    let courier = Arc::new(ScriptedCourier::answering(200));
    let worked = work(&world, &courier).await;
    assert_eq!((worked.delivered, worked.left), (2, 20));
    assert_eq!(work(&world, &courier).await.left, 20);
}

#[tokio::test]
async fn a_record_that_was_put_aside_is_told_of_when_it_is_posted() {
    let world = World::new().await;
    coupon(&world, 1, false).await;
    let mut raw = records(&world).remove(0);
    let id = "0123456789abcdef";
    raw["eventID"] = json!(id);
    let aside = SetAside::new(Some(id), "of a newer kind", raw.to_string());
    let content = Content::Unreadable(aside);
    let record = Record { seq: "1".parse().unwrap(), at: world.now(), content, entries: Vec::new() };
    world.tables().ledger.post(&"shardId-1".parse().unwrap(), vec![record]).await.unwrap();
    fold(&world).await;
    let courier = Arc::new(ScriptedCourier::answering(200));
    assert_eq!(work(&world, &courier).await.delivered, 0);
    for _ in 0..2 {
        let attempt = Attempt::post(format!("/v1/admin/journal/set-asides/{id}/post"), &json!({}));
        attempt.bearer(&world.operator_token(&[Role::Finance])).send(&world.deps).await.expect(200);
        work(&world, &courier).await;
    }
    assert_eq!((courier.posted().len(), deliveries(&world).await.len()), (1, 1));
}

#[test]
fn two_merchants_who_call_their_endpoints_the_same_have_two() {
    let other = "mch_yuehui".parse().unwrap();
    assert_ne!(endpoint_id(&merchant(), "main"), endpoint_id(&other, "main"));
    assert_eq!(endpoint_id(&merchant(), "main"), endpoint_id(&merchant(), "main"));
    for bad in ["", "Main", "a-b", "主", &"a".repeat(25)] {
        assert_eq!(endpoint_id(&merchant(), bad), None, "{bad}");
    }
}
