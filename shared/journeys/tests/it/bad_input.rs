//! Bad input: its documented error, never a 5xx, and nothing changes.

use crate::attempt::{Attempt, routes};
use mealticket_local::samples::Samples;
use mealticket_testing::World;
use serde_json::{Value, json};

/// Values that belong in no field of ours.
fn strange_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(1_000_000_000_001u64),
        json!(""),
        json!(" "),
        json!("x".repeat(10_000)),
        json!("\u{0}"),
        json!("a\u{7}b"),
        json!("\u{202e}"),
        json!("🎫🎫🎫"),
        json!("2099-99-99T99:99:99Z"),
        json!("'; DROP TABLE coupons; --"),
        json!([]),
        json!({}),
        json!([[[[[[]]]]]]),
    ]
}

/// Every field of a body, nested ones included, with a strange value in its place or taken away.
fn spoilt(body: &Value) -> Vec<Value> {
    let mut bodies = Vec::new();
    let Some(members) = body.as_object() else { return bodies };
    for (name, member) in members {
        let mut replaced = |value: Option<Value>| {
            let mut changed = body.clone();
            match value {
                Some(value) => changed[name] = value,
                None => drop(changed.as_object_mut().unwrap().remove(name)),
            }
            bodies.push(changed);
        };
        replaced(None);
        strange_values().into_iter().for_each(|value| replaced(Some(value)));
        spoilt(member).into_iter().for_each(|value| replaced(Some(value)));
    }
    bodies
}

/// A good request to every route with a body, on the samples' world.
fn good_requests(world: &World, samples: &dyn Fn(&str) -> String) -> Vec<(Attempt, Value)> {
    let proof = json!({ "type": "sms_otp", "challenge_id": "sample-challenge-new-1", "otp": "000000" });
    let order = json!({ "order_no": "N-1", "amount_fen": 1 });
    let code = samples("{{active_code}}");
    let redemption =
        json!({ "code": code, "store_id": "sto_luckytea01", "order": order, "cashier": "w", "hold_id": "hld_1" });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    let member = world.member_token(world.member());
    let merchant = world.merchant_token("mch_luckytea");
    let reversal = format!("/v1/redemptions/{}/reversals", samples("{{redemption_id}}"));
    let post =
        |path: &str, token: &str, body: Value| (Attempt::post(path, &body).bearer(token).key("0123456789abcdef"), body);
    vec![
        post("/v1/members", "", json!({ "proof": proof, "channel": "app", "consent": consent })),
        post("/v1/sessions", "", json!({ "proof": proof })),
        post("/v1/sessions", "", json!({ "refresh_token": "x" })),
        post("/v1/campaigns/cmp_000A/claims", &member, json!({ "channel": "app", "share_code": "s" })),
        post("/v1/validations", &merchant, redemption.clone()),
        post("/v1/redemptions", &merchant, redemption),
        post(&reversal, &merchant, json!({ "reason": "r" })),
    ]
}

#[tokio::test]
async fn every_field_of_every_body_stands_every_strange_value_and_nothing_changes() {
    let world = World::new().await;
    let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
    let fill = |text: &str| samples.fill(text);
    let without_guesses = |world: &World| {
        // Counting a guess is what a wrong one-time code does.
        let dump = world.dump();
        dump.lines().filter(|line| !line.contains("OTP#")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = without_guesses(&world);
    let mut tried = 0;
    for (attempt, body) in good_requests(&world, &fill) {
        let raw = ["", "{", "[]", "null", "\"x\"", "{}{}", "\u{feff}{}", "<xml/>", "a=b", "{\"a\":1,\"a\":2}"];
        let bodies = spoilt(&body).iter().map(Value::to_string).chain(raw.map(str::to_owned)).collect::<Vec<_>>();
        for body in bodies {
            let spoilt = Attempt { body, ..attempt.clone() };
            let reply = spoilt.send(&world.deps).await;
            let refused = (400..500).contains(&reply.status) || reply.json["valid"] == false;
            assert!(refused, "{} {}: {} {}", spoilt.path, spoilt.body, reply.status, reply.text);
            tried += 1;
        }
    }
    assert!(tried > 600, "{tried}");
    assert_eq!(without_guesses(&world), before);
}

#[tokio::test]
async fn every_id_in_every_path_stands_every_strange_text() {
    let world = World::new().await;
    let member = world.member_token(world.member());
    let merchant = world.merchant_token("mch_luckytea");
    let long = "x".repeat(10_000);
    let texts = ["x", "-", "%00", "..", "cpn_", "rdm_-1", "cmp_0000", "cmp_ZZZZ", "mch_", "券", "🎫", long.as_str()];
    for (key, _) in routes().iter().filter(|(key, _)| key.contains('{')) {
        let (method, template) = key.split_once(' ').unwrap();
        let method = if method == "GET" { "GET" } else { "POST" };
        for text in texts {
            let (head, tail) = (template.split('{').next().unwrap(), template.split('}').nth(1).unwrap());
            let body = if key.contains("reversals") { r#"{"reason":"r"}"# } else { "{}" };
            for token in [&member, &merchant] {
                let attempt = Attempt { body: body.into(), ..Attempt::new(method, format!("{head}{text}{tail}")) };
                let reply = attempt.bearer(token).key("0123456789abcdef").send(&world.deps).await;
                assert!((400..500).contains(&reply.status), "{key} {text}: {} {}", reply.status, reply.text);
            }
        }
    }
}

#[tokio::test]
async fn an_idempotency_key_has_one_form() {
    let world = World::new().await;
    let token = world.member_token(world.member());
    let claim = || Attempt::post("/v1/campaigns/cmp_0001/claims", &json!({})).bearer(&token);
    claim().send(&world.deps).await.refused(400, "idempotency_key_missing");
    for key in ["", "short", &"k".repeat(256), "spaces in the key 1", "tab\tin\tthe\tkey\t1"] {
        let reply = claim().key(key).send(&world.deps).await.refused(400, "malformed_request");
        assert_eq!(reply.json["field"], "Idempotency-Key");
    }
    claim().key(&"k".repeat(255)).send(&world.deps).await.expect(201);
}

#[tokio::test]
async fn an_unknown_field_and_a_wrong_type_are_named() {
    let world = World::new().await;
    let token = world.merchant_token("mch_luckytea");
    let body = json!({ "code": "44", "store_id": "s", "order": { "order_no": "1", "amount_fen": 1 } });
    let send = |body: Value| Attempt::post("/v1/validations", &body).bearer(&token);
    for (change, field) in [
        ((|b| b["stoer"] = json!(1)) as fn(&mut Value), "stoer"),
        (|b| b["order"]["amuont"] = json!(1), "order.amuont"),
        (|b| b["order"]["amount_fen"] = json!(-5), "order.amount_fen"),
        (|b| b["order"]["amount_fen"] = json!(0), "order.amount_fen"),
        (|b| b["order"]["amount_fen"] = json!(1.5), "order.amount_fen"),
        (|b| b["order"]["amount_fen"] = json!("1"), "order.amount_fen"),
        (|b| b["order"]["amount_fen"] = json!(1_000_000_000_001u64), "order.amount_fen"),
        (|b| b["order"]["order_no"] = json!("单号"), "order.order_no"),
        (|b| b["order"] = json!([]), "order"),
        (|b| b["order"] = json!(["1", 1]), "order"),
        (|b| b["cashier"] = json!("a\nb"), "cashier"),
        (|b| b["store_no"] = json!("also"), "store_no"),
    ] {
        let mut spoilt = body.clone();
        change(&mut spoilt);
        let reply = send(spoilt).send(&world.deps).await.refused(400, "malformed_request");
        assert_eq!(reply.json["field"], field, "{}", reply.text);
    }
}

#[tokio::test]
async fn refusals_speak_the_callers_language() {
    let world = World::new().await;
    for (header, language) in [("en-GB,en;q=0.9", "en"), ("zh-CN", "zh-CN"), ("fr", "zh-CN")] {
        let reply = Attempt::get("/v1/wallet").header("accept-language", header).send(&world.deps).await;
        assert_eq!(reply.headers["content-language"], language);
        assert_eq!(reply.json["title"].as_str().unwrap().is_ascii(), language == "en");
    }
}
