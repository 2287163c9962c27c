//! The tables are silent, throttle or lose an answer. The response is 503, and a repeat with the same key shows what
//! happened.

use crate::{
    attempt::{Attempt, Reply, routes},
    errors::builders::build,
};
use mealticket_api::Deps;
use mealticket_store::{Capacity, Tables};
use mealticket_support::{Fate, Faults, World};
use serde_json::json;
use std::time::Duration;

/// More calls to the tables than any request makes.
const CALLS_MAX: usize = 12;

/// The functions of a world, which reach their tables through a proxy.
async fn through_faults(world: &World, patience: Duration) -> (Faults, Deps<Tables>) {
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url).giving_up_after(patience);
    (faults, Deps { tables, ..world.deps.clone() })
}

fn is_503(reply: &Reply) -> bool {
    reply.code() == "temporarily_unavailable"
        && reply.json["retry"] == "same_key"
        && reply.headers["retry-after"] == "1"
}

#[tokio::test]
async fn every_route_whose_tables_fall_silent_at_any_call_says_503_with_the_same_key() {
    for (route, _) in routes() {
        for fate in [Fate::Throttle, Fate::LoseRequest, Fate::FailAfter] {
            for n in 0..CALLS_MAX {
                let world = World::new().await;
                let attempt = build(&world, route, &[]).await;
                let (faults, deps) = through_faults(&world, Duration::from_millis(40)).await;
                faults.from_nth(n, fate);
                let reply = attempt.send(&deps).await;
                if faults.seen().len() <= n {
                    assert!(reply.status < 300, "{route} {fate:?} {n}: {}", reply.text);
                    break;
                }
                // Call `n` and all later ones failed, so the client is asked to repeat the request.
                assert!(is_503(&reply), "{route} {fate:?} {n}: {} {}", reply.status, reply.text);
            }
        }
    }
}

#[tokio::test]
async fn one_lost_answer_at_any_call_of_any_route_is_healed_and_its_repeat_is_a_replay() {
    let mut faults_met = 0;
    for (route, _) in routes() {
        for fate in [Fate::LoseAnswer, Fate::FailAfter, Fate::Throttle, Fate::LoseRequest] {
            for n in 0..CALLS_MAX {
                let world = World::new().await;
                let attempt = build(&world, route, &[]).await;
                let (faults, deps) = through_faults(&world, Duration::from_secs(2)).await;
                faults.nth(n, fate);
                let first = attempt.send(&deps).await;
                let seen = faults.seen();
                let met = seen.get(n);
                assert!(first.status < 300, "{route} {fate:?} {n}: {} {}", first.status, first.text);
                if first.status < 300 && attempt.headers.contains_key("idempotency-key") {
                    let again = attempt.send(&world.deps_elsewhere()).await;
                    let replays = again.is_replayed() || route.contains("validations");
                    assert!(replays && again.text == first.text, "{route} {fate:?} {n}: {}", again.text);
                }
                if met.is_none() {
                    break;
                }
                faults_met += 1;
            }
        }
    }
    assert!(faults_met > 150, "{faults_met}");
}

#[tokio::test]
async fn a_request_is_out_of_time_before_its_function_is() {
    let world = World::new().await;
    let (faults, deps) = through_faults(&world, Duration::from_secs(600)).await;
    faults.from_nth(0, Fate::Throttle);
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let tables = deps.tables.for_one_request();
    let error = tables.catalog.list_campaigns().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let attempt = Duration::from_secs(2);
    assert!(began.elapsed() <= mealticket_store::ANSWER_WITHIN + attempt, "{:?}", began.elapsed());
    assert_ne!(tables.capacity(), Capacity::default());
    tokio::time::advance(mealticket_store::ANSWER_WITHIN).await;
    let calls = tables.capacity().requests;
    tables.catalog.list_campaigns().await.unwrap_err();
    assert_eq!(tables.capacity().requests, calls, "a request that is out of time asks nothing more");
}

#[tokio::test]
async fn the_same_key_after_an_outage_gets_the_coupon_that_was_made_in_it() {
    let world = World::new().await;
    let faults = Faults::before(&world.engine.url()).await;
    let tables = world.tables_at(&faults.url).giving_up_after(Duration::from_millis(200));
    let deps = Deps { tables, ..world.deps.clone() };
    let member = world.member();
    let claim = Attempt::post("/v1/campaigns/cmp_0001/claims", &json!({}))
        .bearer(&world.member_token(member))
        .key("0123456789abcdef");
    // The lease is there. The coupon's put is done, and its answer is lost.
    faults.next("PutItem", Fate::Pass);
    faults.next("PutItem", Fate::LoseAnswer);
    (0..300).for_each(|_| faults.next("PutItem", Fate::LoseRequest));
    claim.send(&deps).await.refused(503, "temporarily_unavailable");
    let again = claim.send(&world.deps).await.expect(201);
    assert!(again.is_replayed());
}
