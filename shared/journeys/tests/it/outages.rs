//! When the tables are silent or throttle: 503, and the same key finds out.

use crate::attempt::Attempt;
use mealticket_api::Deps;
use mealticket_testing::{Fate, Faults, World};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn every_kind_of_request_says_503_with_the_same_key_and_nothing_else() {
    let world = World::new().await;
    let member = world.member_token(world.member());
    let merchant = world.merchant_token("mch_luckytea");
    let redemption =
        json!({ "code": "44", "store_id": "sto_luckytea01", "order": { "order_no": "1", "amount_fen": 1 } });
    for fate in [Fate::Throttle, Fate::LoseRequest, Fate::FailAfter] {
        let faults = Faults::before(&world.engine.url()).await;
        for operation in ["GetItem", "Query", "PutItem", "UpdateItem"] {
            (0..300).for_each(|_| faults.next(operation, fate));
        }
        let store = world.store_at(&faults.url).giving_up_after(Duration::from_millis(200));
        let deps = Deps { store, ..world.deps.clone() };
        for attempt in [
            Attempt::post("/v1/otp-challenges", &json!({ "phone": "+8613800138000" })),
            Attempt::get("/v1/wallet").bearer(&member),
            Attempt::get("/v1/members/me").bearer(&member),
            Attempt::get("/v1/campaigns").bearer(&member),
            Attempt::post("/v1/campaigns/cmp_0001/claims", &json!({})).bearer(&member).key("0123456789abcdef"),
            Attempt::post("/v1/validations", &redemption).bearer(&merchant),
            Attempt::post("/v1/redemptions", &redemption).bearer(&merchant).key("0123456789abcdef"),
            Attempt::post("/v1/merchants/mch_luckytea/callbacks", &json!({})),
        ] {
            let reply = attempt.send(&deps).await.refused(503, "temporarily_unavailable");
            assert_eq!(reply.json["retry"], "same_key");
            assert_eq!(reply.headers["retry-after"], "1");
        }
    }
}

#[tokio::test]
async fn the_same_key_after_an_outage_gets_the_coupon_that_was_made_in_it() {
    let world = World::new().await;
    let faults = Faults::before(&world.engine.url()).await;
    let store = world.store_at(&faults.url).giving_up_after(Duration::from_millis(200));
    let deps = Deps { store, ..world.deps.clone() };
    let member = world.member();
    let claim = Attempt::post("/v1/campaigns/cmp_0001/claims", &json!({}))
        .bearer(&world.member_token(member))
        .key("0123456789abcdef");
    faults.next("PutItem", Fate::LoseAnswer);
    (0..300).for_each(|_| faults.next("PutItem", Fate::LoseRequest));
    claim.send(&deps).await.refused(503, "temporarily_unavailable");
    let again = claim.send(&world.deps).await.expect(201);
    assert!(again.is_replayed());
}
