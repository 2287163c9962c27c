//! Builds requests with exactly the defects that a test asks for. A request without defects succeeds.

mod books;
mod webhooks;

use crate::attempt::Attempt;
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_api::{Code, auth::refresh::RefreshToken};
use mealticket_domain::ClaimRequest;
use mealticket_domain::{
    Campaign, CampaignState, Coupon, CouponKey, Fingerprint, IdempotencyKey, KeyHash, Reason, RedeemRequest,
    StoreScope, Timestamp, Validity,
    eligibility::{Eligibility, Explanation},
};
use mealticket_local::stack::client;
use mealticket_store::{
    AttributePath,
    identities::Challenge,
    members::{ClaimOutcome, RedeemOutcome, ReverseRequest},
};
use mealticket_support::{
    World,
    world::{key_hash, settlement_terms},
};
use serde_json::{Value, json};
use std::sync::Arc;

const KEY: &str = "the-clients-own-key-1";
const DAY: i64 = 86_400;
pub(super) const TEA: &str = "mch_luckytea";

/// The request to `route` with these defects.
pub(crate) async fn build(world: &World, route: &str, defects: &[Code]) -> Attempt {
    let has = |code| defects.contains(&code);
    let (method, path) = route.split_once(' ').unwrap();
    let attempt = match (method, path) {
        ("POST", "/v1/otp-challenges") => otp_challenge(world, &has).await,
        ("POST", "/v1/members") => members(world, &has).await,
        ("POST", "/v1/sessions") => sessions(world, &has).await,
        ("DELETE", "/v1/sessions") => member_call(world, Attempt::new("DELETE", path)),
        ("GET", "/v1/members/me") => me(world, &has).await,
        ("GET", "/v1/coupons/{coupon_id}") => coupon(world, &has).await,
        ("GET", "/v1/campaigns/{campaign_id}") => {
            let id = if has(Code::CampaignNotFound) { "cmp_000C" } else { "cmp_0001" };
            member_call(world, Attempt::get(path.replace("{campaign_id}", id)))
        }
        ("GET", "/v1/wallet" | "/v1/coupons" | "/v1/campaigns") => member_call(world, Attempt::get(path)),
        ("POST", "/v1/campaigns/{campaign_id}/claims") => claim(world, &has).await,
        ("POST", "/v1/validations" | "/v1/redemptions") => redemption(world, path, &has).await,
        ("POST", "/v1/holds") => hold(world, &has).await,
        ("DELETE", "/v1/holds/{hold_id}") => release(world, &has).await,
        ("POST", "/v1/redemptions/search") => find(world, &has).await,
        ("GET", "/v1/redemptions/{redemption_id}") => read_redemption(world, &has).await,
        ("POST", "/v1/redemptions/{redemption_id}/reversals") => reversal(world, &has).await,
        (_, path) if path.starts_with("/v1/statements") || path.starts_with("/v1/daily-bills") => {
            books::merchants(world, method, path, &has).await
        }
        (_, path) if path.contains("/endpoints") || path.contains("/deliveries") || path.contains("/discrepancies") => {
            webhooks::about(world, method, path, &has).await
        }
        (_, path) if path.starts_with("/v1/admin/") => books::operators(world, method, path, &has).await,
        ("POST", "/v1/merchants/{merchant_id}/callbacks") => return callback(world, &has).await,
        other => panic!("no builder for {other:?}"),
    };
    outer_defects(attempt, &has)
}

/// Adds the defects that any request can have.
fn outer_defects(mut attempt: Attempt, has: &impl Fn(Code) -> bool) -> Attempt {
    if has(Code::MalformedRequest) {
        attempt = match attempt.method {
            "POST" => attempt.change(|body| drop(body.insert("no_such_field".into(), json!(1)))),
            _ => attempt.query("no_such_parameter", "1"),
        };
    }
    if has(Code::BodyTooLarge) {
        attempt = attempt.change(|body| drop(body.insert("padding".into(), json!("x".repeat(65_536)))));
    }
    if has(Code::IdempotencyKeyMissing) {
        attempt = attempt.without_header("idempotency-key");
    }
    if has(Code::Unauthenticated) {
        attempt = attempt.without_header("authorization");
    }
    attempt
}

fn member_call(world: &World, attempt: Attempt) -> Attempt {
    let token = world.member_token(world.member());
    attempt.bearer(&token)
}

async fn otp_challenge(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let attempt = Attempt::post("/v1/otp-challenges", &json!({ "phone": "+8613800138000" }));
    if has(Code::TooManyMessages) {
        attempt.send(&world.deps).await.expect(201);
    }
    attempt
}

/// Writes a challenge for a phone, with the one-time code 123456. Returns the challenge's id.
pub(crate) async fn challenge(world: &World, phone: &str, expired: bool) -> String {
    let id = mealticket_api::random::name().unwrap();
    let vault = &world.deps.stack.vault;
    let challenge = Challenge {
        otp_hash: vault.otp_hash(&id, "123456"),
        phone_sealed: vault.seal_phone(&AttributePath::phone_of_challenge(&id), &phone.parse().unwrap()).unwrap(),
        expires_at: if expired { world.now() } else { world.now().plus_seconds(300) },
        guesses_max: 5,
        failed_before: false,
        id,
    };
    world.tables().identities.put_challenge(&challenge).await.unwrap();
    challenge.id
}

async fn proof(world: &World, phone: &str, has: &impl Fn(Code) -> bool) -> Value {
    let id = challenge(world, phone, has(Code::OtpExpired)).await;
    json!({ "type": "sms_otp", "challenge_id": id, "otp": if has(Code::OtpWrong) { "654321" } else { "123456" } })
}

async fn members(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    let proof = proof(world, "+8613800138005", has).await;
    Attempt::post("/v1/members", &json!({ "proof": proof, "channel": "app", "consent": consent }))
}

async fn sessions(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    if has(Code::SessionRevoked) {
        let token = RefreshToken { family_id: [1; 16], generation: 0 }.expose(&world.deps.stack.vault);
        return Attempt::post("/v1/sessions", &json!({ "refresh_token": token }));
    }
    if !has(Code::MemberNotFound) {
        members(world, &|_| false).await.send(&world.deps).await.expect(201);
    }
    Attempt::post("/v1/sessions", &json!({ "proof": proof(world, "+8613800138005", has).await }))
}

async fn me(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    if has(Code::MemberNotFound) {
        return member_call(world, Attempt::get("/v1/members/me"));
    }
    let joined = members(world, &|_| false).await.send(&world.deps).await.expect(201);
    Attempt::get("/v1/members/me").bearer(joined.json["session"]["access_token"].as_str().unwrap())
}

async fn coupon(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let (coupon, _) = claimed(world, world.campaign(1).await, world.now()).await;
    let id = world.deps.stack.ids.coupon_id(coupon.key);
    let owner = if has(Code::CouponNotFound) { world.member() } else { coupon.key.member };
    Attempt::get(format!("/v1/coupons/{id}")).bearer(&world.member_token(owner))
}

/// Writes a campaign of the test's own, changed as asked.
async fn campaign(world: &World, change: impl FnOnce(&mut Campaign)) -> Arc<Campaign> {
    let mut campaign = Campaign::clone(&*world.campaign(1).await);
    campaign.no = 900u32.try_into().unwrap();
    campaign.stock = 5;
    campaign.stock_shards = 1;
    change(&mut campaign);
    campaign.terms_sha256 = campaign.terms.hash(campaign.no).unwrap();
    world.tables().stock.lay_out_stock(&campaign).await.unwrap();
    world.tables().catalog.put_campaign(&campaign, &settlement_terms()).await.unwrap();
    Arc::new(campaign)
}

async fn claimed(world: &World, campaign: Arc<Campaign>, at: Timestamp) -> (Coupon, Arc<Campaign>) {
    let request = ClaimRequest { now: at, ..world.claim(world.member(), 1) };
    match world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &request)
        .await
        .unwrap()
    {
        ClaimOutcome::Claimed(coupon) => (*coupon, campaign),
        other => panic!("{other:?}"),
    }
}

async fn claim(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let now = world.now();
    let open = campaign(world, |campaign| {
        if has(Code::DayStockExhausted) {
            campaign.terms.day_limit = Some(2);
        }
    })
    .await;
    let member = world.member();
    let attempt = |id: &str| {
        Attempt::post(format!("/v1/campaigns/{id}/claims"), &json!({ "channel": "app" }))
            .bearer(&world.member_token(member))
            .key(KEY)
    };
    if has(Code::IdempotencyKeyReused) {
        attempt(&open.no.to_string()).send(&world.deps).await.expect(201);
    } else if has(Code::LimitReached) {
        attempt(&open.no.to_string()).key("another-key-entirely").send(&world.deps).await.expect(201);
    }
    if has(Code::SoldOut) || has(Code::DayStockExhausted) || has(Code::StockSettling) {
        let left = if has(Code::DayStockExhausted) { 3 } else { 0 };
        while world.tables().stock.count_remaining(open.no).await.unwrap() > Some(left) {
            world
                .tables()
                .members
                .claim(&world.tables().catalog, &world.tables().stock, &open, &world.claim(world.member(), 1))
                .await
                .unwrap();
        }
    }
    if !has(Code::StockSettling) {
        world.tables().stock.return_unspent().await;
    }
    let changed = campaign(world, |campaign| {
        // The first version is frozen.
        campaign.terms.version = 2;
        campaign.state = if has(Code::CampaignPaused) { CampaignState::Paused } else { CampaignState::Published };
        if has(Code::DayStockExhausted) {
            campaign.terms.day_limit = Some(2);
        }
        if has(Code::NotEligible) {
            let words = Explanation { zh: "仅限营业厅领取".into(), en: "only in our halls".into() };
            campaign.terms.eligibility =
                Some(Eligibility { rule: "channel == 'hall'".into(), explanations: vec![words] });
        }
        if has(Code::CampaignEnded) {
            campaign.terms.ends_at = now;
        }
        if has(Code::NotStarted) {
            campaign.terms.starts_at = now.plus_seconds(1);
        }
    });
    let id = if has(Code::CampaignNotFound) { "cmp_000C".to_owned() } else { changed.await.no.to_string() };
    let attempt = attempt(&id);
    if has(Code::IdempotencyKeyReused) {
        return attempt.change(|body| drop(body.insert("channel".into(), json!("h5"))));
    }
    attempt
}

/// Sets attributes of a coupon directly in the table, behind the back of `shared/store`. Functions that are still to
/// come will set them.
async fn set(world: &World, key: CouponKey, attributes: &[(&str, AttributeValue)]) {
    for (name, value) in attributes {
        client(&world.engine.url())
            .update_item()
            .table_name(&world.deps.stack.config.tables.members)
            .key("pk", AttributeValue::S(format!("MEMBER#{}", key.member.get())))
            .key("sk", AttributeValue::S(format!("COUPON#{:07}#{:02}", key.campaign.get(), key.ordinal.get())))
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", *name)
            .expression_attribute_values(":value", value.clone())
            .send()
            .await
            .unwrap();
    }
}

fn number(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.unix_seconds().to_string())
}

async fn redemption(world: &World, path: &str, has: &impl Fn(Code) -> bool) -> Attempt {
    let wait_days = u16::from(has(Code::NotYetValid));
    let campaign = campaign(world, |campaign| {
        campaign.terms.validity = Validity::AfterClaim { wait_days, days: 7 };
        if has(Code::OutsideHours) {
            // The store is closed now. It was open when the coupon was redeemed before: an hour ago, or on a Friday a
            // month ago.
            campaign.terms.hours = [("sun", "11:00", "11:59"), ("fri", "12:00", "12:30")]
                .map(|(day, from, until)| {
                    serde_json::from_value(json!({ "days": [day], "from": from, "until": until }))
                })
                .map(Result::unwrap)
                .to_vec();
        }
        if has(Code::StoreNotInScope) {
            campaign.terms.stores = StoreScope::Only(vec!["sto_luckytea02".parse().unwrap()]);
        }
    });
    let claimed_at = world.now().plus_seconds(if has(Code::CodeExpired) { -30 * DAY } else { -DAY / 24 });
    let (coupon, campaign) = claimed(world, campaign.await, claimed_at).await;
    // Earlier redemptions were in a store and at a time that the terms allow.
    let before = |key| RedeemRequest {
        at: claimed_at.plus_seconds(60),
        store_id: "sto_luckytea02".parse().unwrap(),
        ..world.redemption(key)
    };
    let tables = world.tables();
    if has(Code::RedemptionLimit) {
        for key in 0..32 {
            let redeemed =
                tables.members.redeem(&tables.catalog, &campaign, coupon.key, 1, &before(1_000 + key)).await.unwrap();
            assert!(matches!(redeemed, RedeemOutcome::Redeemed(..)), "{redeemed:?}");
            let last_stands = key == 31 && (has(Code::CodeAlreadyRedeemed) || has(Code::IdempotencyKeyReused));
            if !last_stands {
                undo(world, &coupon, usize::try_from(key).unwrap(), claimed_at.plus_seconds(60)).await;
            }
        }
    }
    let own_key: IdempotencyKey = KEY.parse().unwrap();
    if has(Code::IdempotencyKeyReused) && !has(Code::RedemptionLimit) {
        let earlier = RedeemRequest { key: own_key.hash(TEA, "redeem"), ..before(1) };
        tables.members.redeem(&tables.catalog, &campaign, coupon.key, 1, &earlier).await.unwrap();
    } else if has(Code::IdempotencyKeyReused) {
        reuse_key(world, coupon.key, own_key.hash(TEA, "redeem").0).await;
    } else if has(Code::CodeAlreadyRedeemed) && !has(Code::RedemptionLimit) {
        tables.members.redeem(&tables.catalog, &campaign, coupon.key, 1, &before(1)).await.unwrap();
    }
    if has(Code::CodeDeactivated) {
        set(world, coupon.key, &[("deactivated_at", number(world.now()))]).await;
    }
    if has(Code::CodeHeld) {
        held(world, &coupon, "another-order", [7; 16]).await;
    }
    let mut body = json!({
        "code": code(world, coupon.key, has), "order": { "order_no": "N-1", "amount_fen": 2_500 },
        "store_id": if has(Code::StoreNotFound) { "sto_nowhere" } else { "sto_luckytea01" },
    });
    if has(Code::MinimumSpendNotMet) {
        body["order"]["amount_fen"] = 1_999.into();
    }
    if has(Code::HoldLapsed) {
        body["hold_id"] = "hld_mine".into();
    }
    Attempt::post(path, &body).bearer(&world.merchant_token(TEA)).key(KEY)
}

/// Holds the coupon for ten minutes from now, also when a rule forbids it. It writes directly to the table, behind the
/// back of `shared/store`.
async fn held(world: &World, coupon: &Coupon, order_no: &str, key: [u8; 16]) {
    let order = KeyHash::of_order(&order_no.parse().unwrap()).0;
    let facts = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([order, key, [9; 16]].concat()));
    let until = number(world.now().plus_seconds(600));
    set(world, coupon.key, &[("held", facts), ("held_to", until.clone()), ("hold_until", until)]).await;
}

async fn hold(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    // The rules that refuse a redemption refuse a hold too. Only the reused key belongs to the hold alone.
    let redeem = redemption(world, "/v1/holds", &|code| has(code) && code != Code::IdempotencyKeyReused).await;
    if has(Code::IdempotencyKeyReused) {
        let body: Value = serde_json::from_str(&redeem.body).unwrap();
        let located = world.deps.stack.codes.locate(&body["code"].as_str().unwrap().parse().unwrap());
        if let Some((coupon_key, _)) = located.first()
            && let Some(coupon) = world.tables().members.read_coupon(*coupon_key).await.unwrap()
        {
            held(world, &coupon, "N-1", KEY.parse::<IdempotencyKey>().unwrap().hash(TEA, "hold").0).await;
        }
    }
    redeem
}

async fn release(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let hold = hold(world, &|_| false).await;
    let held = hold.send(&world.deps).await.expect(201);
    let merchant = if has(Code::HoldNotFound) { "mch_yuehui" } else { TEA };
    let id = held.json["hold_id"].as_str().unwrap();
    Attempt::new("DELETE", format!("/v1/holds/{id}")).bearer(&world.merchant_token(merchant))
}

/// Gives the coupon's first redemption this key.
async fn reuse_key(world: &World, key: CouponKey, hash: [u8; 16]) {
    let both = [hash, [9; 16]].concat();
    client(&world.engine.url())
        .update_item()
        .table_name(&world.deps.stack.config.tables.members)
        .key("pk", AttributeValue::S(format!("MEMBER#{}", key.member.get())))
        .key("sk", AttributeValue::S(format!("COUPON#{:07}#{:02}", key.campaign.get(), key.ordinal.get())))
        .update_expression("SET redemptions[0].#key = :both")
        .expression_attribute_names("#key", "key")
        .expression_attribute_values(":both", AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(both)))
        .send()
        .await
        .unwrap();
}

fn code(world: &World, key: CouponKey, has: &impl Fn(Code) -> bool) -> String {
    let shown = |key| world.deps.stack.codes.code(key, 1).unwrap().expose();
    match () {
        () if has(Code::OtherProvince) => shown(key).replacen("44-", "43-", 1),
        () if has(Code::CodeNotFound) => shown(CouponKey { ordinal: 9u8.try_into().unwrap(), ..key }),
        () => shown(key),
    }
}

async fn undo(world: &World, coupon: &Coupon, index: usize, now: Timestamp) {
    let reason: Reason = "r".parse().unwrap();
    let request = ReverseRequest {
        key: key_hash(5_000 + u64::try_from(index).unwrap()),
        fingerprint: Fingerprint([1; 16]),
        reason,
        now,
    };
    world.tables().members.reverse(&world.tables().catalog, coupon.key, index, &request).await.unwrap();
}

pub(super) async fn redeemed(world: &World, at: Timestamp) -> Coupon {
    let (coupon, campaign) = claimed(world, world.campaign(1).await, at).await;
    let request = RedeemRequest { at, ..world.redemption(1) };
    match world.tables().members.redeem(&world.tables().catalog, &campaign, coupon.key, 1, &request).await.unwrap() {
        RedeemOutcome::Redeemed(coupon, 0) => *coupon,
        other => panic!("{other:?}"),
    }
}

async fn find(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let coupon = redeemed(world, world.now()).await;
    let body = json!({ "code": code(world, coupon.key, has), "order_no": "A-1" });
    let attempt = Attempt::post("/v1/redemptions/search", &body);
    attempt.bearer(&world.merchant_token(TEA))
}

async fn read_redemption(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let coupon = redeemed(world, world.now()).await;
    let index = usize::from(has(Code::RedemptionNotFound));
    let id = world.deps.stack.ids.redemption_id(coupon.key, index);
    Attempt::get(format!("/v1/redemptions/{id}")).bearer(&world.merchant_token(TEA))
}

async fn reversal(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let long_ago = world.now().plus_seconds(-4 * DAY);
    let closed = has(Code::ReversalWindowClosed);
    let at = if closed { long_ago } else { world.now() };
    let coupon = redeemed(world, at).await;
    let id = world.deps.stack.ids.redemption_id(coupon.key, 0);
    let (was_reversed, reused) = (has(Code::AlreadyReversed), has(Code::IdempotencyKeyReused));
    if was_reversed || reused {
        let key: IdempotencyKey = if reused { KEY } else { "another-key-entirely" }.parse().unwrap();
        let reason: Reason = "another reason".parse().unwrap();
        let request =
            ReverseRequest { key: key.hash(TEA, "reverse"), fingerprint: Fingerprint([8; 16]), reason, now: at };
        world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &request).await.unwrap();
    }
    let merchant = if has(Code::RedemptionNotFound) { "mch_yuehui" } else { TEA };
    Attempt::post(format!("/v1/redemptions/{id}/reversals"), &json!({ "reason": "wrong item" }))
        .bearer(&world.merchant_token(merchant))
        .key(KEY)
}

async fn callback(world: &World, has: &impl Fn(Code) -> bool) -> Attempt {
    let now = world.now();
    let signed = |body: String| {
        let mut attempt = Attempt { body, ..Attempt::new("POST", format!("/v1/merchants/{TEA}/callbacks")) };
        let headers = world.keys.merchant(TEA).unwrap().sign("msg_1", now, attempt.body.as_bytes()).unwrap();
        for (name, value) in headers {
            attempt = attempt.header(name, &value);
        }
        attempt
    };
    let event = json!({ "type": "shift.closed", "timestamp": now.to_string(), "data": {} });
    if has(Code::WebhookIdReused) {
        signed(event.to_string()).send(&world.deps).await.expect(202);
    }
    let mut body = json!({ "type": "shift.closed", "timestamp": now.to_string(), "data": { "till": 2 } });
    if has(Code::MalformedRequest) {
        body["type"] = json!(7);
    }
    if has(Code::BodyTooLarge) {
        body["padding"] = "x".repeat(65_536).into();
    }
    let attempt = signed(body.to_string());
    if has(Code::SignatureInvalid) { attempt.header("webhook-id", "msg_2") } else { attempt }
}
