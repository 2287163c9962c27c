//! An operator is shown an endpoint's secret once, when the secret is made.

use crate::attempt::{Attempt, Reply};
use mealticket_api::auth::operator::Role;
use mealticket_support::World;
use serde_json::{Value, json};

const ENDPOINTS: &str = "/v1/admin/merchants/mch_luckytea/endpoints";

async fn post(world: &World, path: &str, body: &Value) -> Reply {
    let attempt = Attempt::post(path, body).bearer(&world.operator_token(&[Role::ProvinceAdmin]));
    attempt.send(&world.deps).await
}

#[tokio::test]
async fn an_endpoints_secret_is_shown_by_the_answer_that_made_it_and_by_no_other() {
    let world = World::new().await;
    let body = json!({ "name": "crm", "url": "https://hooks.luckytea.example/", "events": ["coupon.issued"] });
    let first = post(&world, ENDPOINTS, &body).await.expect(201);
    let secret = first.json["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let again = post(&world, ENDPOINTS, &body).await.expect(201);
    let mut without = first.json.clone();
    without.as_object_mut().unwrap().remove("secret");
    assert_eq!(again.json, without, "the same endpoint, without its secret");
    let rotate = format!("{ENDPOINTS}/{}/rotate", first.json["endpoint_id"].as_str().unwrap());
    let rotated = post(&world, &rotate, &json!({ "version": 1 })).await.expect(200);
    let next = rotated.json["secret"].as_str().unwrap().to_owned();
    assert_ne!(next, secret);
    // An operator who did not get that response rotates once more.
    let again = post(&world, &rotate, &json!({ "version": 1 })).await.expect(200);
    assert_eq!((again.json.get("secret"), &again.json["version"]), (None, &json!(2)));
    let third = post(&world, &rotate, &json!({ "version": 2 })).await.expect(200);
    assert!(third.json["secret"].as_str().is_some_and(|third| third != next));
    let listed = Attempt::get(ENDPOINTS).bearer(&world.operator_token(&[Role::Auditor])).send(&world.deps).await;
    for shown in [&secret, &next] {
        assert!(!listed.text.contains(shown.as_str()) && !world.dump().contains(shown.as_str()));
    }
}
