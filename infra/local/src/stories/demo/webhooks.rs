//! Messages to a merchant's system. One arrives, one fails and is tried again, and the secret is rotated. One is given
//! up, listed, and sent again. Three days pass on a clock that is moved.

use super::{MERCHANT, Story};
use crate::{
    Result, StackError,
    client::Reply,
    receiver::{Arrival, Behaviour},
};
use mealticket_api::auth::operator::Role;
use mealticket_domain::{
    Timestamp,
    webhook::{ATTEMPTS_MAX, EndpointId, ROTATION_SECONDS},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// The merchant's endpoint.
const ENDPOINT: &str = "end_luckytea1";
/// The kind of message in the first half of the story.
const REDEEMED: &str = "coupon.redeemed";
/// The kind of message in the second half of the story.
const REVERSED: &str = "coupon.reversed";
/// How long due messages may take. The stream is read every 100 ms, and a run may have to end first.
const DONE_WITHIN: Duration = Duration::from_secs(60);
impl Story<'_> {
    /// Runs the story of the merchant's messages.
    pub(super) async fn webhooks(&mut self) -> Result<()> {
        let endpoint: EndpointId = ENDPOINT.parse().map_err(|_| StackError(format!("{ENDPOINT} is no endpoint")))?;
        let coupon = self.claim("cmp_0001", "demo-claim-0000001").await?;
        let first =
            self.arrives(&endpoint, 1, "The merchant's system gets a message, and verifies the signature.").await?;
        check(first.is_genuine && first.signatures == 1, "the first message is not genuine")?;

        self.stack.receiver.behave(&endpoint, Behaviour::Status(500));
        let redeemed = self.redeem_once(&coupon).await?;
        let failed = |reply: &Reply| attempts(reply, REDEEMED) == 1 && outcome(reply, REDEEMED) == "pending";
        self.see("Its server is down. The attempt is in its log, with the next.", failed).await?;
        self.pass(10).await?;
        let again = |reply: &Reply| attempts(reply, REDEEMED) == 2;
        self.see("Five seconds later it is tried again.", again).await?;
        self.stack.receiver.behave(&endpoint, Behaviour::Good);
        self.pass(400).await?;
        let arrived = |reply: &Reply| attempts(reply, REDEEMED) == 3 && outcome(reply, REDEEMED) == "delivered";
        self.see(
            "The server is back. After five minutes the message arrives, the same bytes under the same id.",
            arrived,
        )
        .await?;
        self.same_bytes(&endpoint)?;

        self.rotation(&endpoint).await?;
        self.dead_letter(&endpoint, &redeemed).await
    }

    async fn redeem_once(&mut self, coupon: &Reply) -> Result<Reply> {
        let body = json!({ "code": coupon.text_at("/code"), "store_id": "sto_luckytea01",
                           "order": { "order_no": "T-1001", "amount_fen": 2_350 } });
        let call =
            self.client.post("/v1/redemptions", &body).bearer(&self.merchant_token()?).key("till-1-order-T-1001");
        self.step("The cashier redeems it.", call, 201, |_| true).await
    }

    /// Rotates the secret. For a day we sign with both secrets, and then with the new one alone.
    async fn rotation(&mut self, endpoint: &EndpointId) -> Result<()> {
        let token = self.stack.operator_token("wang.fang", &[Role::ProvinceAdmin])?;
        let path = format!("/v1/admin/merchants/{MERCHANT}/endpoints");
        let known = |reply: &Reply| reply.text_at("/items/0/state") == "on";
        let call = self.client.get(&path).bearer(&token);
        let listed = self.step("An operator looks at the merchant's endpoints.", call, 200, known).await?;
        let version = listed.number_at("/items/0/version");
        let call =
            self.client.post(&format!("{path}/{ENDPOINT}/rotate"), &json!({ "version": version })).bearer(&token);
        let again = call.clone();
        let rotated = self.step("The endpoint gets a new secret.", call, 200, |_| true).await?;
        let once = |reply: &Reply| reply.text.contains(r#""version":2"#) && !reply.text.contains("whsec_");
        self.step("Asked again, nothing changes, and the secret is not shown again.", again, 200, once).await?;
        self.pass(60).await?;

        let before = self.stack.receiver.arrivals(endpoint).len();
        self.claim("cmp_0006", "demo-claim-0000002").await?;
        let what =
            "The merchant has not changed its secret yet: the message has two signatures, and the old one verifies.";
        let both = self.arrives(endpoint, before + 1, what).await?;
        check(
            both.is_genuine && both.signatures == 2,
            "a message during the rotation is not signed with both secrets",
        )?;
        self.stack.receiver.trust(endpoint, rotated.text_at("/secret"));
        self.pass(ROTATION_SECONDS).await
    }

    /// Makes ten attempts over three days, lists the message that was given up, and sends it again.
    async fn dead_letter(&mut self, endpoint: &EndpointId, redeemed: &Reply) -> Result<()> {
        self.stack.receiver.behave(endpoint, Behaviour::Status(503));
        let path = format!("/v1/redemptions/{}/reversals", redeemed.text_at("/redemption_id"));
        let call = self.client.post(&path, &json!({ "reason": "客人退单" })).bearer(&self.merchant_token()?);
        let call = call.key("till-1-undo-T-1001");
        self.step(
            "A day later the guest gives the drink back. The merchant's server is down again.",
            call,
            201,
            |_| true,
        )
        .await?;
        let mut last = 0;
        for made in 1..=usize::from(ATTEMPTS_MAX) {
            let reply = self.until(move |reply| attempts(reply, REVERSED) >= made).await?;
            last = attempts(&reply, REVERSED);
            if let Ok(next_at) = text(delivery(&reply, REVERSED), "next_at").parse::<Timestamp>() {
                self.stack.tick(Some(next_at.max(self.stack.now()))).await?;
            }
        }
        check(last == usize::from(ATTEMPTS_MAX), "it was not attempted ten times")?;

        let token = self.stack.operator_token("wang.fang", &[Role::ProvinceAdmin])?;
        let dead = |reply: &Reply| outcome(reply, REVERSED) == "dead" && attempts(reply, REVERSED) == last;
        let call = self.client.get("/v1/admin/deliveries").bearer(&token);
        let listed =
            self.step("After ten attempts it is given up, and listed for the operator.", call, 200, dead).await?;
        self.stack.receiver.behave(endpoint, Behaviour::Good);
        let id = text(delivery(&listed, REVERSED), "delivery_id");
        let call = self.client.post(&format!("/v1/admin/deliveries/{id}/replay"), &json!({})).bearer(&token);
        self.step("The server is back; the operator has it sent again.", call, 202, |_| true).await?;
        let arrived = |reply: &Reply| outcome(reply, REVERSED) == "delivered";
        self.see("It arrives, signed with the new secret alone.", arrived).await?;
        let newest = self.stack.receiver.arrivals(endpoint).pop();
        check(
            newest.is_some_and(|newest| newest.is_genuine && newest.signatures == 1),
            "the last message is not genuine",
        )
    }

    /// Waits until this many messages have come to an endpoint, and prints the last.
    async fn arrives(&mut self, endpoint: &EndpointId, count: usize, what: &str) -> Result<Arrival> {
        let began = Instant::now();
        while began.elapsed() < DONE_WITHIN {
            let arrivals = self.stack.receiver.arrivals(endpoint);
            if let Some(last) = arrivals.last().filter(|_| arrivals.len() >= count) {
                self.step += 1;
                let shown = format!(
                    "{:>2}. {what}\n    webhook-id: {} ({} signature(s))\n    {} ok\n",
                    self.step, last.id, last.signatures, last.body
                );
                // A closed pipe is no reason to stop checking.
                let _ = std::io::stdout().lock().write_all(shown.as_bytes());
                return Ok(last.clone());
            }
            self.stack.tick(None).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(StackError(format!("nothing arrived: {what}")))
    }

    /// Runs the schedules until the merchant's log of its endpoint fulfils the condition. Returns the log.
    async fn until(&mut self, is_so: impl Fn(&Reply) -> bool) -> Result<Reply> {
        let began = Instant::now();
        loop {
            let token = self.merchant_token()?;
            let call = self.client.get(&format!("/v1/deliveries?endpoint_id={ENDPOINT}")).bearer(&token);
            let reply = call.send().await?;
            if is_so(&reply) {
                return Ok(reply);
            }
            if began.elapsed() > DONE_WITHIN {
                return Err(StackError(format!("it did not come to pass: {}", reply.text)));
            }
            self.stack.tick(None).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until the merchant's log fulfils the condition, and prints it.
    async fn see(&mut self, what: &str, is_so: impl Fn(&Reply) -> bool) -> Result<()> {
        self.until(&is_so).await?;
        let call = self.client.get(&format!("/v1/deliveries?endpoint_id={ENDPOINT}"));
        let call = call.bearer(&self.merchant_token()?);
        self.step(what, call, 200, is_so).await.map(drop)
    }

    async fn pass(&mut self, seconds: i64) -> Result<()> {
        let later = self.stack.now().plus_seconds(seconds);
        self.stack.tick(Some(later)).await.map(drop)
    }

    /// Checks that a message has the same body at every attempt.
    fn same_bytes(&self, endpoint: &EndpointId) -> Result<()> {
        let arrivals = self.stack.receiver.arrivals(endpoint);
        let same = arrivals.iter().all(|one| arrivals.iter().all(|other| one.id != other.id || one.body == other.body));
        check(same && arrivals.iter().all(|arrival| arrival.is_genuine), "a message changed between two attempts")
    }
}

fn check(is_so: bool, otherwise: &str) -> Result<()> {
    if is_so { Ok(()) } else { Err(StackError(otherwise.to_owned())) }
}

/// The delivery of this kind in a list. The list does not say which of two deliveries in one second came first. But
/// each step is about a kind of which there is one.
fn delivery<'a>(reply: &'a Reply, kind: &str) -> &'a Value {
    let items = reply.json.get("items").and_then(Value::as_array).into_iter().flatten();
    items.into_iter().find(|item| text(item, "type") == kind).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn attempts(reply: &Reply, kind: &str) -> usize {
    delivery(reply, kind).get("attempts").and_then(Value::as_array).map_or(0, Vec::len)
}

fn outcome<'a>(reply: &'a Reply, kind: &str) -> &'a str {
    text(delivery(reply, kind), "outcome")
}
