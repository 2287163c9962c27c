//! Bad input gets its documented error and never a 5xx, and it changes nothing.

use crate::attempt::{Attempt, routes};
use mealticket_domain::{Cashier, OrderNo, Reason, ShareCode, text::visible_ascii};
use mealticket_local::samples::Samples;
use mealticket_support::World;
use serde_json::{Value, json};

/// Values that fit no field of ours.
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

/// Every field of a body, nested ones included, once with each strange value and once removed. Each result is the
/// field's name, the value and the body.
fn spoilt(body: &Value) -> Vec<(String, Option<Value>, Value)> {
    let mut bodies = Vec::new();
    for (name, member) in body.as_object().unwrap() {
        let values = strange_values().into_iter().map(Some).chain([None]);
        for value in values {
            let mut changed = body.clone();
            match &value {
                Some(value) => changed[name] = value.clone(),
                None => drop(changed.as_object_mut().unwrap().remove(name)),
            }
            bodies.push((name.clone(), value, changed));
        }
        if member.is_object() {
            for (inner, value, spoilt) in spoilt(member) {
                let mut changed = body.clone();
                changed[name] = spoilt;
                bodies.push((inner, value, changed));
            }
        }
    }
    bodies
}

/// A sound body, in a request that is refused with `otherwise`, for a reason that has nothing to do with the body.
struct Sound {
    attempt: Attempt,
    body: Value,
    otherwise: &'static str,
}

fn sound_requests(world: &World, samples: &Samples) -> Vec<Sound> {
    let proof = json!({ "type": "sms_otp", "challenge_id": samples.fill("{{challenge_id}}"), "otp": "000000" });
    let order = json!({ "order_no": "N-1", "amount_fen": 2_000 });
    let redemption = json!({ "code": samples.fill("{{active_code}}"), "store_id": "sto_luckytea01", "order": order.clone(),
        "cashier": "w", "hold_id": "hld_1" });
    let hold = json!({ "code": samples.fill("{{active_code}}"), "store_id": "sto_luckytea01", "order": order,
        "hold_seconds": 60 });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    let member = world.member_token(world.member());
    let merchant = world.merchant_token("mch_luckytea");
    let reversal = samples.fill("/v1/redemptions/{{redemption_id}}/reversals");
    let sign_up =
        json!({ "proof": proof, "channel": "app", "consent": consent, "inviter": samples.fill("{{member_id}}") });
    let post = |path: &str, token: &str, body: Value, otherwise| Sound {
        attempt: Attempt::post(path, &body).bearer(token),
        body,
        otherwise,
    };
    vec![
        post("/v1/members", "", sign_up, "otp_wrong"),
        post("/v1/sessions", "", json!({ "proof": proof }), "otp_wrong"),
        post("/v1/sessions", "", json!({ "refresh_token": "x" }), "session_revoked"),
        post(
            "/v1/campaigns/cmp_0004/claims",
            &member,
            json!({ "channel": "app", "share_code": "s" }),
            "idempotency_key_missing",
        ),
        post("/v1/redemptions", &merchant, redemption, "idempotency_key_missing"),
        post("/v1/holds", &merchant, hold, "idempotency_key_missing"),
        post(&reversal, &merchant, json!({ "reason": "r" }), "idempotency_key_missing"),
    ]
}

/// Whether a field may hold this value, or be absent. The domain's own types decide, field by field. No field may be
/// `null`.
fn may_hold(field: &str, value: Option<&Value>) -> bool {
    let optional =
        ["inviter", "channel?", "share_code", "cashier", "hold_id", "hold_seconds", "proof?"].contains(&field);
    let Some(value) = value else { return optional };
    let text = value.as_str();
    match field {
        "cashier" => text.is_some_and(|text| text.parse::<Cashier>().is_ok()),
        "reason" => text.is_some_and(|text| text.parse::<Reason>().is_ok()),
        "share_code" => text.is_some_and(|text| text.parse::<ShareCode>().is_ok()),
        "terms_version" | "privacy_version" => text.is_some_and(|text| visible_ascii(text, 32).is_ok()),
        "order_no" => text.is_some_and(|text| text.parse::<OrderNo>().is_ok()),
        "hold_seconds" => value.as_i64().is_some_and(|seconds| (1..=3_600).contains(&seconds)),
        "amount_fen" => value.as_u64().is_some_and(|fen| (1..=1_000_000_000_000).contains(&fen)),
        // These names are looked up later, so until then any text is accepted.
        "code" | "store_id" | "refresh_token" => text.is_some(),
        _ => false,
    }
}

#[tokio::test]
async fn every_field_of_every_body_stands_every_strange_value_and_nothing_changes() {
    let world = World::new().await;
    let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
    // A wrong one-time code is counted as a guess, and that is all it changes.
    let unguessed = |dump: String| {
        dump.lines()
            .filter(|line| !line.contains("OTP#") && !line.contains("FAILED"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = unguessed(world.dump());
    let (mut refused, mut allowed) = (0, 0);
    for Sound { attempt, body, otherwise } in sound_requests(&world, &samples) {
        attempt.send(&world.deps).await.refused(if otherwise.starts_with("idem") { 400 } else { 401 }, otherwise);
        for (path, value, spoilt) in spoilt(&body) {
            let field = if path == "channel" && attempt.path.ends_with("claims") { "channel?" } else { path.as_str() };
            let reply = Attempt { body: spoilt.to_string(), ..attempt.clone() }.send(&world.deps).await;
            let expected = match () {
                () if may_hold(field, value.as_ref()) => otherwise,
                // Nobody knows a challenge with another name.
                () if field == "challenge_id" && value.as_ref().is_some_and(Value::is_string) => "otp_expired",
                () => "malformed_request",
            };
            assert_eq!(reply.code(), expected, "{} {field} {value:?}: {}", attempt.path, reply.text);
            if expected == otherwise { allowed += 1 } else { refused += 1 }
        }
        for raw in ["", "{", "[]", "null", "\"x\"", "{}{}", "\u{feff}{}", "<xml/>", "a=b", "{\"a\":1,\"a\":2}"] {
            let reply = Attempt { body: raw.into(), ..attempt.clone() }.send(&world.deps).await;
            assert_eq!(reply.code(), "malformed_request", "{} {raw}: {}", attempt.path, reply.text);
        }
    }
    assert!(refused > 400 && allowed > 40, "{refused} {allowed}");
    assert_eq!(unguessed(world.dump()), before);
}

#[tokio::test]
async fn no_strange_phone_is_sent_a_code() {
    let world = World::new().await;
    let before = world.dump();
    for (_, value, body) in spoilt(&json!({ "phone": "+8613800138000" })) {
        let reply = Attempt::post("/v1/otp-challenges", &body).send(&world.deps).await;
        assert_eq!(reply.code(), "malformed_request", "{value:?}: {}", reply.text);
    }
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_signed_report_stands_every_strange_value_and_changes_no_coupon() {
    let world = World::new().await;
    let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
    let coupons =
        |dump: String| dump.lines().filter(|line| line.contains("COUPON#")).map(str::to_owned).collect::<Vec<_>>();
    let before = coupons(world.dump());
    let now = world.now();
    let data = json!({ "code": samples.fill("{{active_code}}"), "store_id": "sto_luckytea01",
        "redeemed_at": "2020-01-01T00:00:00Z", "order": { "order_no": "N-1", "amount_fen": 2_000 } });
    let event = json!({ "type": "coupon.redeemed", "timestamp": now.to_string(), "data": data });
    for (number, (path, value, body)) in spoilt(&event).into_iter().enumerate() {
        let mut attempt = Attempt::post("/v1/merchants/mch_luckytea/callbacks", &body);
        let secrets = world.keys.merchant("mch_luckytea").unwrap();
        for (name, header) in secrets.sign(&format!("msg_{number}"), now, attempt.body.as_bytes()).unwrap() {
            attempt = attempt.header(name, &header);
        }
        let reply = attempt.send(&world.deps).await;
        let envelope = ["type", "timestamp", "data"].contains(&path.as_str());
        assert!(
            reply.status == 202 || (envelope && reply.status == 400),
            "{path} {value:?}: {} {}",
            reply.status,
            reply.text
        );
    }
    assert_eq!(coupons(world.dump()), before);
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
        let method = ["GET", "DELETE"].into_iter().find(|known| *known == method).unwrap_or("POST");
        for text in texts {
            let parts = template.split('/').map(|part| if part.starts_with('{') { text } else { part });
            let path = parts.collect::<Vec<_>>().join("/");
            let body = if key.contains("reversals") { r#"{"reason":"r"}"# } else { "{}" };
            for token in [&member, &merchant] {
                let attempt = Attempt { body: body.into(), ..Attempt::new(method, path.clone()) };
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
