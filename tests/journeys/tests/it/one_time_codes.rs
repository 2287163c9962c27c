//! One-time codes: who may have how many, who may guess how often, and who is never held up by these limits.

use crate::{attempt::Attempt, errors::builders::challenge};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_api::{
    Deps,
    config::{Config, MessageLimits},
    deps::Stack,
    request::TrustedFront,
    sms::SmsGateway,
};
use mealticket_store::Tables;
use mealticket_support::World;
use serde_json::{Value, json};
use std::sync::Arc;

const PHONE: &str = "+8613800138007";

/// What handlers get in a stack with another configuration.
fn configured(world: &World, change: impl FnOnce(&mut Config)) -> Deps<Tables> {
    let mut config = world.deps.stack.config.clone();
    change(&mut config);
    Deps { stack: Arc::new(Stack::new(config, &world.keys.stack).unwrap()), ..world.deps.clone() }
}

fn limited(world: &World, per_source_hour: u32, per_stack_hour: u32) -> Deps<Tables> {
    configured(world, |config| config.message_limits = Some(MessageLimits { per_source_hour, per_stack_hour }))
}

fn phone(number: usize) -> String {
    format!("+86138{number:08}")
}

fn ask(phone: &str) -> Attempt {
    Attempt::post("/v1/otp-challenges", &json!({ "phone": phone }))
}

fn sign_up(challenge_id: &str, otp: &str) -> Attempt {
    let proof = json!({ "type": "sms_otp", "challenge_id": challenge_id, "otp": otp });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    Attempt::post("/v1/members", &json!({ "proof": proof, "channel": "app", "consent": consent }))
}

/// A carrier's NAT: many phones have one address.
#[tokio::test]
async fn ten_thousand_sign_ups_behind_one_address_succeed_when_the_stack_is_told_so() {
    const MEMBERS: usize = 10_000;
    let world = World::new().await;
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let deps = configured(&world, |config| {
        config.message_limits = Some(MessageLimits { per_source_hour: 10_000, per_stack_hour: 1_000_000 });
        config.sms = SmsGateway::HandedTo(sender);
    });
    for number in 0..MEMBERS {
        let challenge = ask(&phone(number)).send(&deps).await.expect(201);
        let (to, otp) = sent.recv().await.unwrap();
        assert_eq!(to.expose_e164(), phone(number));
        sign_up(challenge.json["challenge_id"].as_str().unwrap(), &otp).send(&deps).await.expect(201);
    }
    let refused = ask(&phone(MEMBERS)).send(&deps).await.refused(429, "too_many_messages");
    assert_eq!(refused.headers["retry-after"], "3600");
}

#[tokio::test]
async fn the_limit_of_a_source_is_the_stacks_to_say_and_counts_what_a_trusted_front_says() {
    let world = World::new().await;
    let front = |header, networks: &[&str]| TrustedFront {
        header: http::HeaderName::from_static(header),
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
    };
    let limits = Some(MessageLimits { per_source_hour: 2, per_stack_hour: 1_000_000 });
    let from = |number, address: &str| ask(&phone(number)).header("x-client", address);
    // The front's own address is 203.0.113.7.
    let trusting = configured(&world, |config| {
        (config.message_limits, config.front) = (limits, Some(front("x-client", &["203.0.113.0/24"])));
    });
    for (number, client) in [(0, "198.51.100.1"), (1, "198.51.100.1"), (2, "198.51.100.2")] {
        from(number, client).send(&trusting).await.expect(201);
    }
    from(3, "198.51.100.1").send(&trusting).await.refused(429, "too_many_messages");
    // The front has another address here. So what anybody writes into a header counts for nothing.
    let elsewhere = configured(&world, |config| {
        (config.message_limits, config.front) = (limits, Some(front("x-client", &["192.0.2.0/24"])));
    });
    for number in 4..6 {
        from(number, &format!("198.51.100.{number}")).send(&elsewhere).await.expect(201);
    }
    from(6, "198.51.100.6").send(&elsewhere).await.refused(429, "too_many_messages");
}

#[tokio::test]
async fn the_stacks_budget_of_messages_ends_what_is_new_and_holds_up_no_session_that_exists() {
    let world = World::new().await;
    let deps = limited(&world, 1_000, 5);
    let id = challenge(&world, PHONE, false).await;
    let joined = sign_up(&id, "123456").send(&deps).await.expect(201);
    for number in 0..5 {
        ask(&phone(number)).send(&deps).await.expect(201);
    }
    let refused = ask(&phone(5)).send(&deps).await.refused(429, "too_many_messages");
    assert_eq!(refused.json["retry"], "after");
    // The member's session goes on: the member refreshes it, reads the wallet, and signs out.
    let mut token = joined.json["session"]["refresh_token"].clone();
    for _ in 0..3 {
        let refresh = Attempt::post("/v1/sessions", &json!({ "refresh_token": token }));
        let session = refresh.send(&deps).await.expect(201).json;
        let access = session["access_token"].as_str().unwrap().to_owned();
        Attempt::get("/v1/wallet").bearer(&access).send(&deps).await.expect(200);
        token = session["refresh_token"].clone();
    }
    // The next hour has a budget of its own.
    world.pass_seconds(3_600);
    ask(&phone(5)).send(&deps).await.expect(201);
}

/// A request that is refused for another reason uses nothing of the stack's budget. A phone that the stack refuses
/// keeps its messages of the day.
#[tokio::test]
async fn a_refused_message_uses_up_no_other_limit() {
    let world = World::new().await;
    let deps = limited(&world, 1_000, 5);
    ask(PHONE).send(&deps).await.expect(201);
    for _ in 0..10 {
        let refused = ask(PHONE).send(&deps).await.refused(429, "too_many_messages");
        assert_eq!(refused.headers["retry-after"], "60", "the phone's gap");
    }
    for number in 0..4 {
        ask(&phone(number)).send(&deps).await.expect(201);
    }
    // The budget is used up. An app asks every two minutes until the hour is over. The phone still has its ten messages
    // a day.
    let mut refusals = 0;
    while ask(&phone(9)).send(&deps).await.status == 429 {
        refusals += 1;
        world.pass_seconds(120);
    }
    assert!((11..=30).contains(&refusals), "it is the hour that ends it, not the day: {refusals}");
    for _ in 0..9 {
        world.pass_seconds(3_600);
        ask(&phone(9)).send(&deps).await.expect(201);
    }
    world.pass_seconds(60);
    ask(&phone(9)).send(&deps).await.refused(429, "too_many_messages");
}

/// Makes a challenge fail by one wrong guess.
async fn fail(world: &World, deps: &Deps<Tables>) {
    let id = asked(world, deps).await;
    sign_up(&id, "000000").send(deps).await.refused(401, "otp_wrong");
}

/// Asks for a challenge for the phone, as an app does.
async fn asked(world: &World, deps: &Deps<Tables>) -> String {
    world.pass_seconds(60);
    ask(PHONE).send(deps).await.expect(201).json["challenge_id"].as_str().unwrap().to_owned()
}

async fn tries(world: &World, deps: &Deps<Tables>) -> Value {
    let id = asked(world, deps).await;
    sign_up(&id, "000000").send(deps).await.refused(401, "otp_wrong").json["tries_left"].clone()
}

#[tokio::test]
async fn after_three_failed_challenges_of_a_phone_each_further_one_has_a_single_try() {
    let world = World::new().await;
    let deps = configured(&world, |config| config.message_limits = None);
    assert_eq!(tries(&world, &deps).await, 4);
    fail(&world, &deps).await;
    assert_eq!(tries(&world, &deps).await, 4, "two have failed");
    for _ in 0..3 {
        assert_eq!(tries(&world, &deps).await, 0, "three and more");
    }
    // The guesses come from another environment, and for signing in instead of up.
    let elsewhere = Deps { stack: deps.stack.clone(), ..world.deps_elsewhere() };
    let id = asked(&world, &elsewhere).await;
    let proof = |otp| json!({ "proof": { "type": "sms_otp", "challenge_id": id, "otp": otp } });
    Attempt::post("/v1/sessions", &proof("000000")).send(&elsewhere).await.refused(401, "otp_wrong");
    let spent = Attempt::post("/v1/sessions", &proof("000001")).send(&elsewhere).await.refused(401, "otp_wrong");
    assert_eq!(spent.json["tries_left"], 0);
    // Another phone is not held up. Nor is the person who has this phone in hand: the one try is enough for the right
    // code.
    let id = challenge(&world, "+8613800138008", false).await;
    sign_up(&id, "123456").send(&deps).await.expect(201);
}

#[tokio::test]
async fn a_sign_in_with_the_right_code_ends_the_memory_of_failed_challenges() {
    let world = World::new().await;
    let deps = configured(&world, |config| config.message_limits = None);
    for _ in 0..4 {
        fail(&world, &deps).await;
    }
    assert_eq!(tries(&world, &deps).await, 0);
    // Of a challenge that was sent we know only the code's hash. So the test writes one whose code it knows.
    let known = mealticket_store::identities::Challenge { failed_before: true, ..known(&world) };
    world.tables().identities.put_challenge(&known).await.unwrap();
    sign_up(&known.id, "123456").send(&deps).await.expect(201);
    assert_eq!(tries(&world, &deps).await, 4);
    // One wrong guess and then the right one: the challenge has not failed.
    let known = self::known(&world);
    world.tables().identities.put_challenge(&known).await.unwrap();
    sign_up(&known.id, "000000").send(&deps).await.refused(401, "otp_wrong");
    sign_up(&known.id, "123456").send(&deps).await.expect(200);
    for _ in 0..2 {
        assert_eq!(tries(&world, &deps).await, 4);
    }
}

fn known(world: &World) -> mealticket_store::identities::Challenge {
    let (id, vault) = (mealticket_api::random::name().unwrap(), &world.deps.stack.vault);
    let path = mealticket_store::AttributePath::phone_of_challenge(&id);
    mealticket_store::identities::Challenge {
        otp_hash: vault.otp_hash(&id, "123456"),
        phone_sealed: vault.seal_phone(&path, &PHONE.parse().unwrap()).unwrap(),
        expires_at: world.now().plus_seconds(300),
        guesses_max: 5,
        failed_before: false,
        id,
    }
}

/// A phone's index names a number that another phone's member has: `stock` was restored to an earlier time, and an older
/// release gave the number again. Nobody signs in as somebody else, and the next sign-up gets a number of its own.
#[tokio::test]
async fn a_phone_never_signs_in_as_another_phones_member() {
    let world = World::new().await;
    let join = async |phone: &str| {
        let id = challenge(&world, phone, false).await;
        sign_up(&id, "123456").send(&world.deps_elsewhere()).await
    };
    let other = "+8613800138019";
    join(PHONE).await.expect(201);
    let vault = &world.deps.stack.vault;
    let taken = world.tables().identities.find_member_of_phone(&vault.phone_hash(&PHONE.parse().unwrap())).await;
    let taken = AttributeValue::N(taken.unwrap().unwrap().get().to_string());
    let index: String = vault.phone_hash(&other.parse().unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    let identities = &world.deps.stack.config.tables.identities;
    world.overwrite(identities, (&format!("PHONE#{index}"), "MEMBER"), "member", taken).await;

    let sign_in = async |phone: &str| {
        let proof =
            json!({ "type": "sms_otp", "challenge_id": challenge(&world, phone, false).await, "otp": "123456" });
        Attempt::post("/v1/sessions", &json!({ "proof": proof })).send(&world.deps_elsewhere()).await
    };
    sign_in(PHONE).await.expect(201);
    sign_in(other).await.refused(404, "member_not_found");
    let joined = join(other).await.expect(201);
    assert_eq!(joined.json["member"]["member_id"], join(other).await.expect(200).json["member"]["member_id"]);
    assert_ne!(joined.json["member"]["member_id"], join(PHONE).await.expect(200).json["member"]["member_id"]);
    sign_in(other).await.expect(201);
}
