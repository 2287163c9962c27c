//! Who brought a member to a campaign, and who earns from it.

use crate::attempt::{Attempt, Reply};
use mealticket_domain::{
    PartnerId, Share,
    journal::{CouponEvent, Entry},
    settlement::{Account, SettlementTerms},
};
use mealticket_support::World;
use serde_json::{Value, json};

/// Settlement terms under which the partner earns 30 fen for each redemption.
fn settlement_terms() -> SettlementTerms {
    let terms = json!({ "funded_by": { "province": 100 }, "pays_merchant": "discount",
                        "commission": { "fen": 30, "charged_to": "province" } });
    serde_json::from_value(terms).unwrap()
}

async fn claim(world: &World, body: &Value) -> Reply {
    let member = world.member();
    let attempt = Attempt::post("/v1/campaigns/cmp_0001/claims", body);
    attempt.bearer(&world.member_token(member)).key("a-claim-of-the-app").send(&world.deps).await
}

/// The share that the claimed coupon keeps, and the commission that its redemption posts.
async fn earned(world: &World, share_code: &str) -> (Option<Share>, i64) {
    let claimed = claim(world, &json!({ "share_code": share_code })).await.expect(201);
    let id = claimed.json["coupon_id"].as_str().unwrap();
    let key = world.deps.stack.ids.coupon(id).unwrap();
    let campaign = world.campaign(1).await;
    let redeemed =
        world.tables().members.redeem(&world.tables().catalog, &campaign, key, 1, &world.redemption(1)).await.unwrap();
    let mealticket_store::members::RedeemOutcome::Redeemed(coupon, 0) = redeemed else { panic!("{redeemed:?}") };
    let entry = Entry::of(&coupon, CouponEvent::Redeemed(0), &campaign.merchant_id, &settlement_terms()).unwrap();
    assert_eq!(entry.postings.balance(), 0);
    (coupon.share.clone(), entry.postings.of(&Account::CommissionPayable))
}

#[tokio::test]
async fn a_commission_follows_only_a_share_code_that_the_stack_has_signed() {
    let world = World::new().await;
    let partner: PartnerId = "ptn_teahouse".parse().unwrap();
    let code = world.deps.stack.vault.share_code(&partner).unwrap().to_string();
    assert!(code.len() <= 32, "{code}");
    let (share, commission) = earned(&world, &code).await;
    assert_eq!(share, Some(Share::Partner(partner)));
    assert_eq!(commission, -30, "credited");
    let mut flipped = code.clone().into_bytes();
    *flipped.last_mut().unwrap() ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    for unknown in
        [flipped.as_str(), &code[..code.len() - 1], &code.to_uppercase(), "teahouse", "ptn_teahouse", "x", "-", "a-"]
    {
        let (share, commission) = earned(&world, unknown).await;
        assert_eq!(share, Some(Share::Unverified(unknown.parse().unwrap())), "kept as text");
        assert_eq!(commission, 0, "{unknown}");
    }
    claim(&world, &json!({ "share_code": "s".repeat(33) })).await.refused(400, "malformed_request");
    claim(&world, &json!({ "share_code": null })).await.refused(400, "malformed_request");
}

#[tokio::test]
async fn a_channel_that_is_not_the_stacks_is_refused_when_claiming_and_when_signing_up() {
    let world = World::new().await;
    for channel in ["app", "h5", "wechat", "mini_program"] {
        claim(&world, &json!({ "channel": channel })).await.expect(201);
    }
    // Only a clerk may name the channel of a service hall; a client may not.
    for channel in ["hall", "ap", "app2"] {
        let refused = claim(&world, &json!({ "channel": channel })).await.refused(400, "malformed_request");
        assert_eq!(refused.json["field"], "channel", "{}", refused.text);
        let proof = json!({ "type": "sms_otp", "challenge_id": "x".repeat(22), "otp": "123456" });
        let consent = json!({ "terms_version": "1", "privacy_version": "1" });
        let body = json!({ "proof": proof, "channel": channel, "consent": consent });
        Attempt::post("/v1/members", &body).send(&world.deps).await.refused(400, "malformed_request");
    }
}
