//! Journeys across the functions, in this process.

use crate::attempt::Attempt;
use mealticket_domain::{CodeKey, CodeKeyRing};
use mealticket_local::samples::Samples;
use mealticket_store::Clock;
use mealticket_support::World;
use serde_json::{Value, json};

pub(crate) const TEA: &str = "mch_luckytea";

pub(crate) async fn samples(world: &World) -> Samples {
    Samples::prepare(&world.deps, &world.keys).await.unwrap()
}

fn sign_up(otp: &str) -> Attempt {
    let proof = json!({ "type": "sms_otp", "challenge_id": "sample-challenge-new-1", "otp": otp });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    Attempt::post("/v1/members", &json!({ "proof": proof, "channel": "app", "consent": consent }))
}

fn refresh(token: &Value) -> Attempt {
    Attempt::post("/v1/sessions", &json!({ "refresh_token": token }))
}

#[tokio::test]
async fn a_sign_up_whose_answer_was_lost_is_answered_again_with_the_same_session() {
    let world = World::new().await;
    samples(&world).await;
    let first = sign_up("123456").send(&world.deps).await.expect(201);
    let again = sign_up("123456").send(&world.deps).await.expect(200);
    assert_eq!(first.json["member"], again.json["member"]);
    assert_eq!(first.json["session"]["refresh_token"], again.json["session"]["refresh_token"]);
    refresh(&first.json["session"]["refresh_token"]).send(&world.deps).await.expect(201);
    sign_up("123456").send(&world.deps).await.refused(401, "otp_expired");
}

#[tokio::test]
async fn a_refresh_token_survives_a_lost_answer_and_betrays_a_thief() {
    let world = World::new().await;
    samples(&world).await;
    let joined = sign_up("123456").send(&world.deps).await.expect(201);
    let zero = &joined.json["session"]["refresh_token"];
    let one = refresh(zero).send(&world.deps).await.expect(201);
    let one_again = refresh(zero).send(&world.deps).await.expect(201);
    assert_eq!(one.json["refresh_token"], one_again.json["refresh_token"]);
    let two = refresh(&one.json["refresh_token"]).send(&world.deps).await.expect(201);
    // Another tab of the same app, which does not have the new token yet.
    world.pass_seconds(59);
    let behind = refresh(zero).send(&world.deps).await.expect(201);
    assert_eq!(one.json["refresh_token"], behind.json["refresh_token"]);
    world.pass_seconds(2);
    refresh(zero).send(&world.deps).await.refused(401, "session_revoked");
    refresh(&two.json["refresh_token"]).send(&world.deps).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let world = World::new().await;
    samples(&world).await;
    let joined = sign_up("123456").send(&world.deps).await.expect(201);
    let token = joined.json["session"]["access_token"].as_str().unwrap();
    Attempt::new("DELETE", "/v1/sessions").bearer(token).send(&world.deps).await.expect(204);
    refresh(&joined.json["session"]["refresh_token"]).send(&world.deps).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn signing_out_of_all_sessions_ends_every_one_that_began_before() {
    let world = World::new().await;
    samples(&world).await;
    let joined = sign_up("123456").send(&world.deps).await.expect(201);
    let phone = joined.json["member"]["phone_masked"].clone();
    let signed_in = async |deps: &mealticket_api::Deps<mealticket_store::Tables>| {
        let challenge = crate::errors::builders::challenge(&world, "+8613800138009", false).await;
        let proof = json!({ "type": "sms_otp", "challenge_id": challenge, "otp": "123456" });
        let attempt = Attempt::post("/v1/sessions", &json!({ "proof": proof }));
        (attempt.clone(), attempt.send(deps).await.expect(201).json)
    };
    world.pass_seconds(60);
    let (other_proof, other) = signed_in(&world.deps).await;
    let all = Attempt::new("DELETE", "/v1/sessions").query("all", "true");
    let token = joined.json["session"]["access_token"].as_str().unwrap();
    all.clone().query("all", "maybe").bearer(token).send(&world.deps).await.refused(400, "malformed_request");
    for _ in 0..2 {
        all.clone().bearer(token).send(&world.deps_elsewhere()).await.expect(204);
    }
    // In the same second, and from another environment.
    let (_, next) = signed_in(&world.deps_elsewhere()).await;
    refresh(&next["refresh_token"]).send(&world.deps).await.expect(201);
    for ended in [&joined.json["session"]["refresh_token"], &other["refresh_token"]] {
        refresh(ended).send(&world.deps).await.refused(401, "session_revoked");
    }
    other_proof.send(&world.deps).await.refused(401, "otp_expired");
    world.pass_seconds(3_600);
    let (_, later) = signed_in(&world.deps).await;
    refresh(&later["refresh_token"]).send(&world.deps).await.expect(201);
    let me = Attempt::get("/v1/members/me").bearer(later["access_token"].as_str().unwrap());
    assert_eq!(me.send(&world.deps).await.expect(200).json["phone_masked"], phone, "the member is as before");
}

#[tokio::test]
async fn wrong_codes_count_down_and_the_fifth_is_the_last() {
    let world = World::new().await;
    samples(&world).await;
    for (otp, left) in [("000001", 4), ("000001", 4), ("000002", 3), ("000003", 2), ("000004", 1), ("000005", 0)] {
        let reply = sign_up(otp).send(&world.deps).await.refused(401, "otp_wrong");
        assert_eq!(reply.json["tries_left"], left);
    }
    sign_up("123456").send(&world.deps).await.refused(401, "otp_wrong");
}

#[tokio::test]
async fn a_replay_of_a_claim_is_the_first_answer_byte_for_byte_whatever_happened_since() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let claim = Attempt::post("/v1/campaigns/cmp_0001/claims", &json!({}))
        .bearer(&samples.fill("{{member_token}}"))
        .key("sample-claim-cmp-0001");
    let first = claim.send(&world.deps).await.expect(201);
    redeem(&world, &samples.fill("{{active_code}}"), "N-1").send(&world.deps).await.expect(201);
    let again = claim.send(&world.deps).await.expect(201);
    assert!(again.is_replayed());
    assert_eq!(first.text, again.text);
    let id = samples.fill("/v1/coupons/{{active_coupon_id}}");
    let now = Attempt::get(id).bearer(&samples.fill("{{member_token}}")).send(&world.deps).await.expect(200);
    assert_eq!((&now.json["status"], &again.json["status"]), (&json!("redeemed"), &json!("active")));
}

pub(crate) fn redeem(world: &World, code: &str, order: &str) -> Attempt {
    let body = json!({ "code": code, "store_no": "GZ-TH-001", "order": { "order_no": order, "amount_fen": 2_350 } });
    Attempt::post("/v1/redemptions", &body).bearer(&world.merchant_token(TEA)).key(&format!("till-key-for-{order:_>8}"))
}

#[tokio::test]
async fn a_replay_of_a_redemption_is_the_first_answer_after_reversal_and_months_later() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let code = samples.fill("{{active_code}}");
    let first = redeem(&world, &code, "N-1").send(&world.deps).await.expect(201);
    let id = first.json["redemption_id"].as_str().unwrap().to_owned();
    let reverse = |world: &World| {
        Attempt::post(format!("/v1/redemptions/{id}/reversals"), &json!({ "reason": "退" }))
            .bearer(&world.merchant_token(TEA))
            .key("till-key-to-reverse")
    };
    let reversed = reverse(&world).send(&world.deps).await.expect(201);
    redeem(&world, &code, "N-2").send(&world.deps).await.expect(201);
    world.pass_seconds(200 * 86_400);
    for (attempt, earlier) in [(redeem(&world, &code, "N-1"), &first), (reverse(&world), &reversed)] {
        let again = attempt.send(&world.deps).await.expect(201);
        assert!(again.is_replayed());
        assert_eq!(again.text, earlier.text);
    }
    let found = Attempt::post("/v1/redemptions/search", &json!({ "code": code, "order_no": "N-1" }));
    let found = found.bearer(&world.merchant_token(TEA)).send(&world.deps).await.expect(200);
    assert_eq!(found.json["items"][0]["redemption_id"], id);
    assert_eq!(found.json["items"][0]["reversal"]["coupon_status"], "active");
    assert_eq!(found.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_code_key_kills_every_old_code_and_the_wallet_shows_new_ones() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let old = samples.fill("{{active_code}}");
    let ring = |keys: &[(u16, u8)]| {
        let keys: Vec<CodeKey> =
            keys.iter().map(|(version, byte)| CodeKey { version: *version, key: [*byte; 32] }).collect();
        CodeKeyRing::new("44".parse().unwrap(), &keys).unwrap()
    };
    let mut deps = world.deps.clone();
    let mut secrets =
        mealticket_api::secrets::Secrets::from_json(&serde_json::to_string(&world.keys.stack).unwrap()).unwrap();
    secrets
        .code_keys
        .insert(0, mealticket_api::secrets::VersionedKey { version: 2, key: mealticket_api::secrets::Key([9; 32]) });
    deps.stack =
        std::sync::Arc::new(mealticket_api::deps::Stack::new(world.deps.stack.config.clone(), &secrets).unwrap());
    let coupon = world.deps.stack.ids.coupon(&samples.fill("{{active_coupon_id}}")).unwrap();
    redeem(&world, &old, "N-0")
        .change(|body| body["order"]["amount_fen"] = json!(1))
        .send(&deps)
        .await
        .refused(409, "minimum_spend_not_met");
    assert!(world.tables().members.rotate_code(coupon, 1, 2).await.unwrap());
    redeem(&world, &old, "N-1").send(&deps).await.refused(404, "code_not_found");
    let wallet = Attempt::get("/v1/wallet").bearer(&samples.fill("{{member_token}}")).send(&deps).await.expect(200);
    let shown: Vec<&str> =
        wallet.json["coupons"].as_array().unwrap().iter().filter_map(|c| c["code"].as_str()).collect();
    let new = ring(&[(2, 9)]).code(coupon, 2).unwrap().expose();
    assert!(shown.contains(&new.as_str()) && !shown.contains(&old.as_str()), "{shown:?}");
    redeem(&world, &new, "N-1").send(&deps).await.expect(201);
}

#[tokio::test]
async fn the_wallet_shows_what_can_be_used_and_what_can_be_claimed() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let token = samples.fill("{{member_token}}");
    let wallet = Attempt::get("/v1/wallet").bearer(&token).send(&world.deps).await.expect(200);
    let list = |name: &str, member: &str| -> Vec<String> {
        wallet.json[name].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(list("coupons", "campaign_id"), ["cmp_0001", "cmp_0002", "cmp_0003"]);
    assert_eq!(list("coupons", "status"), ["active", "active", "pending"]);
    assert_eq!(
        list("claimable", "campaign_id"),
        ["cmp_0002", "cmp_0004", "cmp_0005", "cmp_0006", "cmp_0007", "cmp_000B", "cmp_000D", "cmp_000E", "cmp_000F"]
    );
    assert_eq!((&wallet.json["points"], &wallet.json["redeemable_with_points"]), (&json!(0), &json!([])));
    for (status, count) in
        [("active", 2), ("pending", 1), ("redeemed", 1), ("expired", 1), ("held", 0), ("deactivated", 0)]
    {
        let coupons =
            Attempt::get("/v1/coupons").query("status", status).bearer(&token).send(&world.deps).await.expect(200);
        assert_eq!(coupons.json["items"].as_array().unwrap().len(), count, "{status}");
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page_without_gap_or_repeat() {
    let world = World::new().await;
    let samples = samples(&world).await;
    let token = samples.fill("{{member_token}}");
    for (path, total, id) in [("/v1/coupons", 5, "coupon_id"), ("/v1/campaigns", 14, "campaign_id")] {
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut page = Attempt::get(path).query("limit", "2").bearer(&token);
            if let Some(cursor) = &cursor {
                page = page.query("cursor", cursor);
            }
            let page = page.send(&world.deps).await.expect(200);
            seen.extend(
                page.json["items"].as_array().unwrap().iter().map(|item| item[id].as_str().unwrap().to_owned()),
            );
            cursor = page.json["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let mut distinct = seen.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((seen.len(), distinct.len()), (total, total), "{path}");
        for bad in ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=nonsense", "offset=1"] {
            let (name, value) = bad.split_once('=').unwrap();
            let reply = Attempt::get(path).query(name, value).bearer(&token).send(&world.deps).await;
            reply.refused(400, "malformed_request");
        }
    }
}

/// A guessed code does not reach the tables. Only one guess in a million would.
#[tokio::test]
async fn a_bogus_code_costs_no_request() {
    let world = World::new().await;
    let code = samples(&world).await.fill("{{active_code}}");
    let faults = mealticket_support::Faults::before(&world.engine.url()).await;
    let deps = mealticket_api::Deps { tables: world.tables_at(&faults.url), ..world.deps.clone() };
    // From then on the merchant is cached.
    redeem(&world, &code.replacen("44-", "43-", 1), "N-1").send(&deps).await.refused(409, "other_province");
    faults.seen();
    for number in 0..100u32 {
        let guess = format!("44-{number:04}-ABCD-EFGH-JKMN");
        redeem(&world, &guess, "N-1").send(&deps).await.refused(404, "code_not_found");
    }
    let seen = faults.seen();
    assert!(seen.len() <= 1, "{seen:?}");
}

#[test]
fn the_machines_clock_tells_the_time() {
    assert!(Clock::system().now() > "2026-01-01T00:00:00Z".parse().unwrap());
}
