//! Times every operation through a running stack, one request after the other. The times depend on the machine: compare
//! the rows of one run with each other, and not with another machine's.

use crate::{
    Result, StackError,
    client::{Call, Client},
    stack::Stack,
};
use mealticket_store::Clock;
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write, time::Duration};

/// The merchant that redeems the coupons.
const MERCHANT: &str = "mch_luckytea";

/// The times of every operation, in the order in which the operations first ran.
#[derive(Default)]
struct Times {
    order: Vec<&'static str>,
    by_operation: BTreeMap<&'static str, Vec<Duration>>,
}

/// Sends `members` members through every operation, and prints the medians.
pub async fn measure(stack: &mut Stack, members: u32) -> Result<()> {
    let client = Client::new(&stack.ready.api)?;
    let mut times = Times::default();
    for member in 0..members {
        one_member(stack, &client, member, &mut times).await?;
    }
    let mut table = format!("{:<28}{:>8}{:>10}{:>10}\n", "operation", "n", "p50 ms", "p99 ms");
    for operation in &times.order {
        let mut durations = times.by_operation.get(operation).cloned().unwrap_or_default();
        durations.sort_unstable();
        let (p50, p99) = (percentile(&durations, 50), percentile(&durations, 99));
        table.push_str(&format!("{operation:<28}{:>8}{p50:>10.1}{p99:>10.1}\n", durations.len()));
    }
    // A closed pipe is not a failure.
    let _ = std::io::stdout().lock().write_all(table.as_bytes());
    Ok(())
}

/// The smallest time that so many of a hundred do not exceed, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(0.0, Duration::as_secs_f64) * 1_000.0
}

impl Times {
    async fn send(&mut self, operation: &'static str, call: Call, status: u16) -> Result<Value> {
        let reply = call.send().await?;
        if reply.status != status {
            return Err(StackError(format!("{operation}: {} {}", reply.status, reply.text)));
        }
        if !self.by_operation.contains_key(operation) {
            self.order.push(operation);
        }
        self.by_operation.entry(operation).or_default().push(reply.took);
        Ok(reply.json)
    }
}

fn text(json: &Value, pointer: &str) -> String {
    json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn one_member(stack: &mut Stack, client: &Client, member: u32, times: &mut Times) -> Result<()> {
    let phone = format!("+86139{member:08}");
    let sent = client.post("/v1/otp-challenges", &json!({ "phone": phone }));
    let sent = times.send("send a one-time code", sent, 201).await?;
    let message = stack.messages.recv().await.ok_or_else(|| StackError("no one-time code was sent".to_owned()))?;
    let proof = json!({ "type": "sms_otp", "challenge_id": text(&sent, "/challenge_id"), "otp": message.otp });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    let body = json!({ "proof": proof, "channel": "app", "consent": consent });
    let joined = times.send("sign up", client.post("/v1/members", &body), 201).await?;
    let token = text(&joined, "/session/access_token");

    let claim = client.post("/v1/campaigns/cmp_0001/claims", &json!({})).bearer(&token).key("measure-the-first-claim");
    let coupon = times.send("claim", claim.clone(), 201).await?;
    times.send("claim, replay", claim, 201).await?;
    times.send("wallet", client.get("/v1/wallet").bearer(&token), 200).await?;

    let merchant = stack.keys.merchant(MERCHANT)?;
    let now = Clock::system().now();
    let till = merchant.token(MERCHANT, &stack.ready.issuer, now)?;
    let order = json!({ "order_no": format!("M-{member}"), "amount_fen": 2_500 });
    let body = json!({ "code": text(&coupon, "/code"), "store_id": "sto_luckytea01", "order": order });
    times.send("validate", client.post("/v1/validations", &body).bearer(&till), 200).await?;
    let redeem = client.post("/v1/redemptions", &body).bearer(&till).key("measure-redemption");
    let redeemed = times.send("redeem", redeem.clone(), 201).await?;
    times.send("redeem, replay", redeem, 201).await?;
    let path = format!("/v1/redemptions/{}/reversals", text(&redeemed, "/redemption_id"));
    let reverse = client.post(&path, &json!({ "reason": "measure" })).bearer(&till).key("measure-reversal-1");
    times.send("reverse", reverse, 201).await?;

    let order = json!({ "order_no": format!("R-{member}"), "amount_fen": 2_500 });
    let data = json!({ "code": text(&coupon, "/code"), "store_id": "sto_luckytea01", "order": order,
        "redeemed_at": now.to_string() });
    let body = json!({ "type": "coupon.redeemed", "timestamp": now.to_string(), "data": data });
    let mut report = client.post(&format!("/v1/merchants/{MERCHANT}/callbacks"), &body);
    for (name, value) in merchant.sign(&format!("msg_{member}"), now, body.to_string().as_bytes())? {
        report = report.header(name, &value);
    }
    times.send("report by callback", report, 202).await.map(drop)
}
