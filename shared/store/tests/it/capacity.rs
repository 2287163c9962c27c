//! What each operation costs. The engine counts it through `ReturnConsumedCapacity`, and the test holds it equal to the
//! table in `docs/DATA-MODEL.md`.
//!
//! After a change that is meant, write the table again: `UPDATE_DOCS=1 cargo test -p mealticket-store capacity`.

use mealticket_domain::{
    CampaignNo, CouponKey, Fingerprint, MemberAttributes, MemberNo, Reason, RedeemRequest, Timestamp,
};
use mealticket_local::workspace;
use mealticket_store::{
    Capacity, StoreError, Tables,
    identities::{Challenge, Newcomer, Quota, QuotaScope},
    members::{ClaimOutcome, Profile, ReverseRequest},
    messages::{Discrepancy, Receipt},
};
use mealticket_support::{World, world::key_hash};

struct Bill {
    rows: Vec<(&'static str, Capacity)>,
}

impl Bill {
    fn add(&mut self, operation: &'static str, tables: &Tables) {
        self.rows.push((operation, tables.capacity()));
    }

    fn table(&self) -> String {
        let units = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
        let mut text = String::from("| operation | requests | read units | write units |\n|---|--:|--:|--:|\n");
        for (operation, cost) in &self.rows {
            let (read, written) = (units(cost.read_tenths), units(cost.write_tenths));
            text.push_str(&format!("| {operation} | {} | {read} | {written} |\n", cost.requests));
        }
        text
    }
}

async fn claims(world: &World, bill: &mut Bill) -> CouponKey {
    let one = world.campaign_like(1, 600, 1, 1).await;
    let three = world.campaign_like(1, 601, 10, 3).await;
    let member = world.member();
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &one, &world.claim(member, 1)).await.unwrap();
    bill.add("claim, limit 1, the environment's first of the campaign", &tables);
    let hot = world.campaign_like(1, 603, 10_000, 1).await;
    while world.tables().for_one_request().stock.count_leased(hot.no).await.unwrap() < 20 {
        world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &hot, &world.claim(world.member(), 1))
            .await
            .unwrap();
    }
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &hot, &world.claim(member, 1)).await.unwrap();
    bill.add("claim, limit 1, from a lease", &tables);
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &hot, &world.claim(member, 1)).await.unwrap();
    bill.add("claim, limit 1, replay", &tables);
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &three, &world.claim(member, 1)).await.unwrap();
    bill.add("claim, limit above 1, the environment's first of the campaign", &tables);
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &three, &world.claim(member, 1)).await.unwrap();
    bill.add("claim, limit above 1, replay", &tables);
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &one, &world.claim(member, 1)).await.unwrap();
    bill.add("claim, limit 1, replay after the last unit went", &tables);
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &one, &world.claim(world.member(), 1)).await.unwrap();
    bill.add("claim, sold out, from memory", &tables);
    let plenty = world.campaign_like(1, 602, 10, 1).await;
    world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &plenty, &world.claim(member, 1))
        .await
        .unwrap();
    let tables = world.tables().for_one_request();
    tables.members.claim(&tables.catalog, &tables.stock, &plenty, &world.claim(member, 2)).await.unwrap();
    bill.add("claim, limit 1, limit reached", &tables);
    CouponKey { member, campaign: one.no, ordinal: 0u8.try_into().unwrap() }
}

async fn redemptions(world: &World, coupon_key: CouponKey, bill: &mut Bill) {
    let campaign = world.tables().catalog.read_campaign(coupon_key.campaign).await.unwrap().unwrap();
    let tables = world.tables().for_one_request();
    tables.members.would_redeem(&tables.catalog, coupon_key, 1, &world.redemption(1)).await.unwrap();
    bill.add("validate", &tables);
    for (operation, key) in [("redeem", 1), ("redeem, replay", 1), ("redeem, already redeemed", 2)] {
        let tables = world.tables().for_one_request();
        tables.members.redeem(&tables.catalog, &campaign, coupon_key, 1, &world.redemption(key)).await.unwrap();
        bill.add(operation, &tables);
    }
    let tables = world.tables().for_one_request();
    let mut small = world.redemption(3);
    small.order.amount = 1u64.try_into().unwrap();
    tables.members.redeem(&tables.catalog, &campaign, coupon_key, 1, &small).await.unwrap();
    bill.add("redeem, refused by the terms alone", &tables);
    orders_that_are_known(world, bill).await;
    let reason: Reason = "r".parse().unwrap();
    for operation in ["reverse", "reverse, replay"] {
        let request = ReverseRequest {
            key: key_hash(9),
            fingerprint: Fingerprint([1; 16]),
            reason: reason.clone(),
            now: world.now(),
        };
        let tables = world.tables().for_one_request();
        tables.members.reverse(&tables.catalog, coupon_key, 0, &request).await.unwrap();
        bill.add(operation, &tables);
    }
}

/// A coupon of several uses. One of them was reported, and one was redeemed for the same order.
async fn orders_that_are_known(world: &World, bill: &mut Bill) {
    let campaign = world.tables().catalog.read_campaign(13u32.try_into().unwrap()).await.unwrap().unwrap();
    let ClaimOutcome::Claimed(coupon) = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(world.member(), 1))
        .await
        .unwrap()
    else {
        panic!()
    };
    let report = world.report(1);
    world.tables().members.redeem(&world.tables().catalog, &campaign, coupon.key, 1, &report).await.unwrap();
    for (operation, key) in
        [("redeem, of an order that was reported", key_hash(71)), ("redeem, of an order again", key_hash(72))]
    {
        let tables = world.tables().for_one_request();
        let request = RedeemRequest { key, ..world.redemption(1) };
        tables.members.redeem(&tables.catalog, &campaign, coupon.key, 1, &request).await.unwrap();
        bill.add(operation, &tables);
    }
}

/// Somebody who signs up at this time.
struct Stranger(Timestamp);

impl Newcomer for Stranger {
    type Error = StoreError;

    fn profile(&self, member: MemberNo, attributes: MemberAttributes) -> Result<Profile, StoreError> {
        Ok(Profile {
            member,
            phone_sealed: vec![0; 45],
            joined_at: self.0,
            channel: "app".parse().unwrap(),
            inviter: None,
            terms_version: "1".into(),
            privacy_version: "1".into(),
            attributes,
            sessions_valid_from: None,
        })
    }

    fn has_phone_of(&self, _: &Profile) -> Result<bool, StoreError> {
        Ok(true)
    }
}

async fn members(world: &World, member: MemberNo, bill: &mut Bill) {
    let newcomer = Stranger(world.now());
    let sign_up = async |tables: &Tables, phone: [u8; 32]| {
        tables.identities.sign_up(&tables.members, &tables.stock, &phone, &newcomer).await.unwrap()
    };
    sign_up(world.tables(), [0; 32]).await;
    for operation in ["sign up, new member", "sign up, known member"] {
        let tables = world.tables().for_one_request();
        sign_up(&tables, [1; 32]).await;
        bill.add(operation, &tables);
    }
    let challenge = Challenge {
        id: "c".into(),
        phone_sealed: vec![0; 42],
        otp_hash: [1; 16],
        expires_at: world.now().plus_seconds(9),
        guesses_max: 5,
        failed_before: false,
    };
    let tables = world.tables().for_one_request();
    tables.identities.count_failed_challenges(&[1; 32], world.now()).await.unwrap();
    tables.identities.put_challenge(&challenge).await.unwrap();
    bill.add("send a one-time code, without limits", &tables);
    let tables = world.tables().for_one_request();
    tables.identities.judge_guess("c", [1; 16], world.now()).await.unwrap();
    bill.add("guess a one-time code", &tables);
    let tables = world.tables().for_one_request();
    tables.identities.judge_guess("c", [2; 16], world.now()).await.unwrap();
    tables.identities.note_failed_challenge(&[1; 32], "c", world.now()).await.unwrap();
    bill.add("guess a one-time code wrongly", &tables);
    let tables = world.tables().for_one_request();
    tables.identities.begin_session(&[1; 16], member, world.now(), None).await.unwrap();
    bill.add("begin a session", &tables);
    let tables = world.tables().for_one_request();
    tables.identities.present_refresh(&[1; 16], 0, world.now()).await.unwrap();
    bill.add("refresh a session", &tables);
    let tables = world.tables().for_one_request();
    tables.identities.present_refresh(&[1; 16], 0, world.now()).await.unwrap();
    bill.add("refresh a session, again", &tables);
    let tables = world.tables().for_one_request();
    tables.members.end_sessions(member, world.now()).await.unwrap();
    bill.add("sign out of all sessions", &tables);
    let tables = world.tables().for_one_request();
    tables.members.list_coupons(member, None, 200).await.unwrap();
    bill.add("wallet: the member's coupons, each 4 KB", &tables);
}

async fn catalog(world: &World, bill: &mut Bill) {
    let no: CampaignNo = 1u32.try_into().unwrap();
    let tables = world.another_environment().for_one_request();
    tables.catalog.read_campaign(no).await.unwrap();
    bill.add("a campaign, not cached", &tables);
    let known = tables.for_one_request();
    known.catalog.read_campaign(no).await.unwrap();
    bill.add("a campaign, cached", &known);
    let tables = world.another_environment().for_one_request();
    tables.catalog.list_campaigns().await.unwrap();
    bill.add("the directory of the seed's 15 campaigns", &tables);
    let tables = world.another_environment().for_one_request();
    tables.catalog.read_terms(no, 1).await.unwrap();
    bill.add("a frozen version of terms, not cached", &tables);
    let tables = world.another_environment().for_one_request();
    tables.catalog.read_merchant(&"mch_luckytea".parse().unwrap()).await.unwrap();
    bill.add("a merchant with three stores, not cached", &tables);
    let tables = world.another_environment().for_one_request();
    tables.stock.hint_remaining(no).await.unwrap();
    bill.add("units left, a hint, not cached", &tables);
}

async fn quotas(world: &World, bill: &mut Bill) {
    let quota =
        Quota { scope: QuotaScope::Phone, messages_max: 2, window: 1, window_until: world.now(), gap_seconds: 0 };
    for (operation, message) in
        [("a place in a quota, new window", "a"), ("a place in a quota", "b"), ("a place in a quota, exhausted", "c")]
    {
        let tables = world.tables().for_one_request();
        tables.identities.take_quota(quota, &[7; 32], message, world.now()).await.unwrap();
        bill.add(operation, &tables);
    }
}

async fn callbacks(world: &World, bill: &mut Bill) {
    let merchant = "mch_luckytea".parse().unwrap();
    let receipt = Receipt {
        merchant: &merchant,
        webhook_id: "msg_1",
        event_type: "coupon.redeemed",
        body_sha256: [0; 32],
        body_sealed: vec![0; 400],
        received_at: world.now(),
    };
    let tables = world.tables().for_one_request();
    tables.messages.receive(&receipt).await.unwrap();
    tables.messages.finish_receipt(&merchant, "msg_1").await.unwrap();
    bill.add("report: receipt, before and after its effect", &tables);
    let tables = world.tables().for_one_request();
    tables.messages.settle_discrepancy(&merchant, "msg_1", world.now()).await.unwrap();
    bill.add("report: done, and no discrepancy to settle", &tables);
    let found = Discrepancy {
        webhook_id: "msg_1".into(),
        event_type: "coupon.redeemed".into(),
        reason: "too_late".into(),
        coupon_id: None,
        order_no: Some("A-1".into()),
        redeemed_at: None,
        received_at: world.now(),
        settled_at: None,
        store_id: None,
        amount: None,
        decision: None,
    };
    let tables = world.tables().for_one_request();
    tables.messages.put_discrepancy(&merchant, &found).await.unwrap();
    bill.add("report: a discrepancy", &tables);
}

#[tokio::test]
async fn capacity_is_what_the_data_model_says() {
    let world = World::new().await;
    let mut bill = Bill { rows: Vec::new() };
    let coupon_key = claims(&world, &mut bill).await;
    redemptions(&world, coupon_key, &mut bill).await;
    members(&world, coupon_key.member, &mut bill).await;
    callbacks(&world, &mut bill).await;
    quotas(&world, &mut bill).await;
    catalog(&world, &mut bill).await;
    let tables = world.tables().for_one_request();
    assert!(tables.members.rotate_code(coupon_key, 1, 2).await.unwrap());
    bill.add("raise the version of a code's key", &tables);
    let tables = world.tables().for_one_request();
    tables.identities.revoke_session(&[1; 16]).await.unwrap();
    bill.add("sign out", &tables);
    workspace::check_document("docs/DATA-MODEL.md", "capacity", &bill.table());
    let cost = |name: &str| bill.rows.iter().find(|(row, _)| *row == name).unwrap().1;
    assert_eq!(cost("redeem"), Capacity { requests: 1, read_tenths: 0, write_tenths: 10 });
    assert_eq!(cost("claim, limit 1, from a lease"), Capacity { requests: 1, read_tenths: 0, write_tenths: 10 });
    assert_eq!(cost("validate"), Capacity { requests: 1, read_tenths: 10, write_tenths: 0 });
    assert_eq!(cost("redeem, replay").requests, 1);
}
