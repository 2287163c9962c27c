//! Messages to merchants' systems: queued from the stream, and sent until they arrive or are given up.

mod certificates;
mod contained;
mod courier;
mod discrepancies;
pub(crate) mod early;
mod endpoints;
mod log;
mod peers;

use crate::attempt::Attempt;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use deliver_webhooks::{Shift, Worked};
use mealticket_api::{
    vault::Sealed,
    webhook::{Headers, SenderKey, WebhookSecret, verify},
};
use mealticket_domain::{
    MerchantId, Timestamp,
    webhook::{Answer, EndpointId, Failure, OffReason},
};
use mealticket_store::{
    AttributePath,
    catalog::WebhookSecretItem,
    members::ClaimOutcome,
    messages::{Delivery, DeliveryFilter, Outcome, shard_of},
};
use mealticket_support::{ScriptedCourier, World, courier::Posted, stream};
use serde_json::{Value, json};
use std::sync::Arc;

fn merchant() -> MerchantId {
    "mch_luckytea".parse().unwrap()
}

fn endpoint() -> EndpointId {
    "end_luckytea1".parse().unwrap()
}

pub(super) fn records(world: &World) -> Vec<Value> {
    stream::records(world.engine.database(), &world.deps.stack.config.tables.members)
}

pub(super) async fn queue(world: &World, records: &[Value]) -> usize {
    let batch = serde_json::from_value(json!({ "Records": records })).unwrap();
    queue_webhooks::handle(&world.deps.narrowed(), batch).await.unwrap().messages
}

/// Queues everything that happened in a world.
pub(crate) async fn queue_all(world: &World) -> usize {
    queue(world, &records(world)).await
}

/// Runs the worker once: it does what is due and ends. The catalog that it remembers is as old as the run.
async fn work(world: &World, courier: &Arc<ScriptedCourier>) -> Worked {
    let shift = Shift { shard: shard_of(&endpoint()), for_seconds: 0 };
    let mut deps = world.deps.clone();
    deps.tables = world.another_environment();
    deliver_webhooks::work(&deps.narrowed(), courier, shift).await.unwrap()
}

async fn deliveries(world: &World) -> Vec<Delivery> {
    world.tables().messages.list_deliveries(&endpoint(), &DeliveryFilter::default(), None, 100).await.unwrap().0
}

/// Claims a coupon of the tea shop for a member, and redeems it if that is wanted.
async fn coupon(world: &World, key: u64, redeemed: bool) {
    let campaign = world.campaign(1).await;
    let claimed = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, &campaign, &world.claim(world.member(), key))
        .await
        .unwrap();
    let ClaimOutcome::Claimed(coupon) = claimed else { panic!("{claimed:?}") };
    if redeemed {
        world
            .tables()
            .members
            .redeem(&world.tables().catalog, &campaign, coupon.key, coupon.key_version, &world.redemption(key))
            .await
            .unwrap();
    }
}

fn is_genuine(world: &World, posted: &Posted) -> bool {
    let secret = world.keys.merchant("mch_luckytea").unwrap().endpoint_secret.clone().unwrap();
    let headers =
        Headers { id: Some(&posted.id), timestamp: Some(&posted.timestamp), signature: Some(&posted.signature) };
    verify(headers, posted.body.as_bytes(), &[SenderKey::read(&secret).unwrap()], world.now()).is_ok()
}

#[tokio::test]
async fn a_batch_that_comes_again_later_writes_nothing_new() {
    let world = World::new().await;
    coupon(&world, 1, true).await;
    queue_all(&world).await;
    let before = world.dump();
    world.pass_seconds(300);
    assert_eq!(queue_all(&world).await, 2);
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_merchant_is_told_once_of_each_thing_however_often_the_stream_comes_by() {
    let world = World::new().await;
    coupon(&world, 1, true).await;
    assert_eq!(queue_all(&world).await, 2);
    let courier = Arc::new(ScriptedCourier::answering(204));
    let worked = work(&world, &courier).await;
    assert_eq!(worked, Worked { delivered: 2, ..Worked::default() });
    let posted = courier.posted();
    assert_eq!(posted.len(), 2);
    assert!(posted.iter().all(|posted| is_genuine(&world, posted)), "{posted:?}");
    let kinds: Vec<Value> =
        posted.iter().map(|posted| serde_json::from_str::<Value>(&posted.body).unwrap()["type"].clone()).collect();
    assert_eq!(kinds, ["coupon.issued", "coupon.redeemed"]);

    // The whole stream again, twice, and later.
    for _ in 0..2 {
        queue_all(&world).await;
        world.pass_seconds(60);
        assert_eq!(work(&world, &courier).await, Worked::default());
    }
    assert_eq!(courier.posted().len(), 2);
    assert!(deliveries(&world).await.iter().all(|delivery| delivery.outcome == Outcome::Delivered));
}

#[tokio::test]
async fn a_message_that_is_taken_at_once_costs_at_most_three_write_units() {
    let world = World::new().await;
    for key in 1..=20 {
        coupon(&world, key, false).await;
    }
    let records = records(&world);
    let units = |world: &World| world.deps.tables.capacity().write_tenths;
    let before = units(&world);
    // One record at a time, which costs the most.
    for record in &records {
        queue(&world, std::slice::from_ref(record)).await;
        world.pass_seconds(1);
    }
    let queued = units(&world) - before;
    assert_eq!(queued, 200, "tenths of a unit");
    let mut deps = world.deps.clone();
    deps.tables = world.tables().for_one_request();
    let courier = Arc::new(ScriptedCourier::answering(200));
    let shift = Shift { shard: shard_of(&endpoint()), for_seconds: 0 };
    assert_eq!(deliver_webhooks::work(&deps.narrowed(), &courier, shift).await.unwrap().delivered, 20);
    // Two units for each message, and two for the whole run: it takes its part of the index, and gives it back.
    assert_eq!(deps.tables.capacity().write_tenths, 20 * 20 + 20, "tenths of a unit");

    // In a batch, ten messages share an entry.
    let world = World::new().await;
    for key in 1..=20 {
        coupon(&world, key, false).await;
    }
    let before = units(&world);
    queue_all(&world).await;
    let queued = units(&world) - before;
    deps.tables = world.tables().for_one_request();
    assert_eq!(deliver_webhooks::work(&deps.narrowed(), &courier, shift).await.unwrap().delivered, 20);
    // Without the two units of the run.
    let each = (queued + deps.tables.capacity().write_tenths - 20) as f64 / 200.0;
    assert!(each <= 2.1, "{each} units");
}

/// Runs the worker until nothing will be due any more. Returns the seconds between attempts.
async fn to_the_end(world: &World, courier: &Arc<ScriptedCourier>) -> Vec<i64> {
    while {
        work(world, courier).await;
        let next = deliveries(world).await.into_iter().filter_map(|delivery| delivery.next_at).min();
        if let Some(next) = next {
            // A second before, nothing is sent.
            let sent = courier.posted().len();
            world.clock().set(next.plus_seconds(-1));
            work(world, courier).await;
            assert_eq!(courier.posted().len(), sent, "before it was due");
            world.clock().set(next);
        }
        next.is_some()
    } {}
    let delivery = deliveries(world).await.remove(0);
    delivery.attempts.windows(2).map(|pair| pair[1].at.seconds_since(pair[0].at)).collect()
}

#[tokio::test]
async fn whatever_is_wrong_ten_attempts_follow_the_schedule_and_then_it_is_listed() {
    const DELAYS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    let status = |status| Answer::Status { status, retry_after: None };
    for answer in [
        status(500),
        status(404),
        status(302),
        status(429),
        status(502),
        status(504),
        status(100),
        Answer::Failed(Failure::TimedOut),
        Answer::Failed(Failure::NotConnected),
        Answer::Failed(Failure::Unresolved),
        Answer::Failed(Failure::AddressRefused),
        Answer::Failed(Failure::Broken),
    ] {
        let world = World::new().await;
        coupon(&world, 1, false).await;
        // The message is queued twice, a second apart. It is attempted once each time all the same.
        queue_all(&world).await;
        world.pass_seconds(1);
        queue_all(&world).await;
        let brought = answer.clone();
        let courier = Arc::new(ScriptedCourier::new(move |_| brought.clone()));
        let gaps = to_the_end(&world, &courier).await;
        assert_eq!(gaps.len(), 9, "{answer:?}");
        for (gap, delay) in gaps.iter().zip(DELAYS) {
            assert!((delay..=delay + delay / 10).contains(gap), "{answer:?}: {gap} for {delay}");
        }
        let posted = courier.posted();
        assert_eq!(posted.len(), 10);
        assert!(posted.iter().all(|attempt| (&attempt.id, &attempt.body) == (&posted[0].id, &posted[0].body)));
        assert_eq!(deliveries(&world).await[0].outcome, Outcome::Dead);
        let (letters, _) = world.tables().messages.list_dead_letters(Some(&endpoint()), None, 10).await.unwrap();
        assert_eq!(letters.len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_asks_for_time_gets_it_up_to_a_day() {
    for (asked, given) in [(60, 60), (3, 5), (86_400, 86_400), (864_000, 86_400)] {
        let world = World::new().await;
        coupon(&world, 1, false).await;
        queue_all(&world).await;
        let courier = Arc::new(ScriptedCourier::new(move |_| Answer::Status { status: 503, retry_after: Some(asked) }));
        work(&world, &courier).await;
        let next = deliveries(&world).await[0].next_at.unwrap();
        assert_eq!(next.seconds_since(world.now()), given, "{asked}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_asked_no_more_and_what_it_misses_is_listed_and_can_be_sent_again() {
    let world = World::new().await;
    coupon(&world, 1, true).await;
    queue_all(&world).await;
    let gone = Arc::new(ScriptedCourier::answering(410));
    assert_eq!(work(&world, &gone).await, Worked { dead: 2, ..Worked::default() });
    assert_eq!(gone.posted().len(), 1, "the second was not sent");
    let standing = world.tables().catalog.read_endpoint(&merchant(), &endpoint()).await.unwrap().unwrap();
    assert_eq!(standing.off.map(|off| off.reason), Some(OffReason::Gone));
    let (letters, _) = world.tables().messages.list_dead_letters(None, None, 10).await.unwrap();
    assert_eq!(letters.len(), 2);

    // The endpoint is switched on again by hand. Each message is sent again, and its schedule begins anew.
    let seen = standing.version;
    let on = mealticket_domain::webhook::Endpoint { off: None, version: seen + 1, ..standing };
    assert_eq!(world.tables().catalog.change_endpoint(&merchant(), seen, &on).await.unwrap(), None);
    world.pass_seconds(3_600);
    for _ in 0..2 {
        for delivery in deliveries(&world).await {
            world.tables().messages.replay(&delivery, world.now()).await.unwrap();
        }
    }
    let good = Arc::new(ScriptedCourier::answering(200));
    assert_eq!(work(&world, &good).await.delivered, 2);
    assert_eq!(good.posted().len(), 2);
    assert!(world.tables().messages.list_dead_letters(None, None, 10).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn an_endpoint_that_has_failed_for_five_days_is_switched_off_and_one_that_works_again_is_not() {
    let world = World::new().await;
    let fails = Arc::new(ScriptedCourier::answering(500));
    let works = Arc::new(ScriptedCourier::answering(200));
    let off = async |world: &World| {
        world.tables().catalog.read_endpoint(&merchant(), &endpoint()).await.unwrap().unwrap().off.map(|off| off.reason)
    };
    let begins: Timestamp = world.now();
    for day in 0..=5 {
        assert_eq!(off(&world).await, None, "day {day}");
        world.clock().set(begins.plus_seconds(day * 86_400));
        coupon(&world, 1 + day.unsigned_abs(), false).await;
        queue_all(&world).await;
        // On the fourth day the endpoint works once. So the five days begin anew.
        work(&world, if day == 3 { &works } else { &fails }).await;
    }
    assert_eq!(off(&world).await, None);
    world.clock().set(begins.plus_seconds(9 * 86_400));
    coupon(&world, 20, false).await;
    queue_all(&world).await;
    work(&world, &fails).await;
    assert_eq!(off(&world).await, Some(OffReason::Failing));
}

#[tokio::test]
async fn a_part_of_the_index_has_one_worker_at_a_time() {
    let world = World::new().await;
    coupon(&world, 1, false).await;
    queue_all(&world).await;
    let shard = shard_of(&endpoint());
    let other = world.another_environment();
    let worker = other.messages.lease_due(shard, "other").await.unwrap().unwrap();
    let courier = Arc::new(ScriptedCourier::answering(200));
    assert!(work(&world, &courier).await.busy);
    assert!(courier.posted().is_empty());
    assert!(worker.lasts(world.now(), 59) && !worker.lasts(world.now(), 60));
    // The worker ended without a word. After a minute another may take its part.
    world.pass_seconds(60);
    assert_eq!(work(&world, &courier).await.delivered, 1);
}

/// Registers the merchant's secrets for its reports to us, in this order, oldest first.
async fn trust(world: &World, keys: &[String]) {
    let mut record = world.tables().catalog.read_merchant(&merchant()).await.unwrap().unwrap().as_ref().clone();
    let vault = &world.deps.stack.vault;
    let sealed = |number, key: &String| {
        let path = AttributePath::webhook_secret(&merchant(), number);
        WebhookSecretItem { number, sealed: vault.seal(Sealed::WebhookSecret, &path, key.as_bytes()).unwrap() }
    };
    record.webhook_secrets = (0..).zip(keys).map(|(number, key)| sealed(number, key)).collect();
    world.tables().catalog.put_merchant(&record).await.unwrap();
}

#[tokio::test]
async fn a_merchants_two_newest_keys_count_whether_they_are_secrets_or_public() {
    let world = World::new().await;
    let secret = |byte| WebhookSecret::text_of(&[byte; 32]);
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = format!("whpk_{}", STANDARD.encode(pair.public_key()));
    trust(&world, &[secret(1), secret(2), public]).await;
    let deps = world.deps_elsewhere();
    let body = json!({ "type": "shop.opened", "timestamp": world.now().to_string(), "data": {} }).to_string();
    let at = world.now().unix_seconds();
    let signed = |byte, id: &str| WebhookSecret::read(&secret(byte)).unwrap().sign(id, at, body.as_bytes());
    let asymmetric = format!("v1a,{}", STANDARD.encode(pair.sign(format!("msg_3.{at}.{body}").as_bytes())));
    for (id, signature, status) in
        [("msg_1", signed(1, "msg_1"), 401), ("msg_2", signed(2, "msg_2"), 202), ("msg_3", asymmetric, 202)]
    {
        let attempt = Attempt { body: body.clone(), ..Attempt::new("POST", "/v1/merchants/mch_luckytea/callbacks") };
        let attempt = attempt
            .header("webhook-id", id)
            .header("webhook-timestamp", &at.to_string())
            .header("webhook-signature", &signature);
        attempt.send(&deps).await.expect(status);
    }
}
