//! Builds requests about the books.

use super::{TEA, redeemed};
use crate::{
    attempt::Attempt,
    books::{fold, post_all},
};
use mealticket_api::{Code, auth::operator::Role};
use mealticket_domain::statement::{Answer, Dispute};
use mealticket_support::World;
use serde_json::json;

/// A merchant's request about a November that is closed.
pub(super) async fn merchants(world: &World, method: &str, path: &str, has: &impl Fn(Code) -> bool) -> Attempt {
    redeemed(world, world.now()).await;
    post_all(world).await;
    world.clock().set("2026-12-01T00:00:00Z".parse().unwrap());
    fold(world).await;
    let id = "stm_luckytea202611";
    let answer =
        |answer| async move { world.tables().ledger.answer_statement(&id.parse().unwrap(), &answer).await.unwrap() };
    let at = world.now();
    if has(Code::StatementConfirmed) {
        answer(Answer::Confirmed { at, after: None }).await;
    } else if has(Code::StatementDisputed) {
        answer(Answer::Disputed(Dispute { at, reason: "another".parse().unwrap() })).await;
    }
    let id = if has(Code::StatementNotFound) { "stm_luckytea202610" } else { id };
    let day = if has(Code::BillNotReady) { "2026-12-01" } else { "2026-11-22" };
    let path = path.replace("{statement_id}", id).replace("{date}", day);
    let attempt = match method {
        "GET" => Attempt::get(path),
        _ if path.ends_with("/dispute") => Attempt::post(path, &json!({ "reason": "少了两笔" })),
        _ => Attempt::post(path, &json!({})),
    };
    attempt.bearer(&world.merchant_token(TEA))
}

/// An operator's request.
pub(super) async fn operators(world: &World, method: &str, path: &str, has: &impl Fn(Code) -> bool) -> Attempt {
    let id = "0123456789abcdef";
    if path.contains("{event_id}") && !has(Code::RecordNotFound) {
        set_aside(world, id, has(Code::RecordUnreadable)).await;
    }
    let path = path.replace("{event_id}", id);
    let attempt = if method == "GET" { Attempt::get(&path) } else { Attempt::post(&path, &json!({})) };
    let attempt = match path.as_str() {
        "/v1/admin/metrics" => {
            let campaign = if has(Code::CampaignNotFound) { "cmp_ZZZZ" } else { "cmp_0001" };
            attempt.query("campaign_id", campaign)
        }
        "/v1/admin/journal" => attempt.query("merchant_id", TEA).query("date", "2026-11-22"),
        "/v1/admin/statements" => attempt.query("month", "2026-11"),
        _ => attempt,
    };
    let role = if has(Code::Forbidden) { Role::Reviewer } else { Role::Finance };
    attempt.bearer(&world.operator_token(&[role]))
}

/// Sets a record aside: one that can be read now, or one that still cannot.
async fn set_aside(world: &World, id: &str, unreadable: bool) {
    use mealticket_domain::journal::{Content, Record, SetAside};
    let sk = if unreadable { "VOUCHER#1" } else { "PROFILE" };
    let raw = json!({ "eventID": id, "eventName": "INSERT", "dynamodb": {
        "SequenceNumber": "7", "NewImage": { "pk": { "S": "MEMBER#1" }, "sk": { "S": sk } } } });
    let aside = SetAside::new(Some(id), "of a newer kind", raw.to_string());
    let content = Content::Unreadable(aside);
    let record = Record { seq: "7".parse().unwrap(), at: world.now(), content, entries: Vec::new() };
    world.tables().ledger.post(&"shardId-1".parse().unwrap(), vec![record]).await.unwrap();
    fold(world).await;
}
