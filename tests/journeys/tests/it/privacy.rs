//! What a dump of the tables would betray.

use crate::attempt::Attempt;
use mealticket_local::samples::Samples;
use mealticket_support::World;
use serde_json::json;

#[tokio::test]
async fn no_table_holds_a_phone_a_code_a_token_or_a_key() {
    let world = World::new().await;
    let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
    let code = samples.fill("{{active_code}}");
    let now = world.now();
    let body = json!({ "type": "coupon.redeemed", "timestamp": now.to_string(), "data": { "code": code,
        "store_id": "sto_luckytea01", "redeemed_at": now.to_string(),
        "order": { "order_no": "X-1", "amount_fen": 2_500 } } });
    let mut report = Attempt::post("/v1/merchants/mch_luckytea/callbacks", &body);
    let secrets = world.keys.merchant("mch_luckytea").unwrap();
    for (name, value) in secrets.sign("msg_1", now, report.body.as_bytes()).unwrap() {
        report = report.header(name, &value);
    }
    report.send(&world.deps).await.expect(202);
    Attempt::post("/v1/otp-challenges", &json!({ "phone": "+8613912345678" })).send(&world.deps).await.expect(201);

    let dump = world.dump();
    assert!(dump.contains("X-1"), "the report is in the tables");
    let bare = code.replace('-', "");
    let planted = [
        "13800138000",
        "13800138009",
        "13912345678",
        code.as_str(),
        bare.as_str(),
        &bare[2..],
        &bare[2..].to_lowercase(),
        "sample-claim-cmp-0001",
        "sample-redeem-SEED-1",
        &samples.fill("{{member_token}}"),
        &samples.fill("{{refresh_token}}"),
        &secrets.webhook_secret,
        &secrets.pkcs8,
        "123456",
    ];
    for secret in planted {
        assert!(!dump.contains(secret), "{secret} is in the tables");
    }
}
