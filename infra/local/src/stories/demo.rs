//! The whole story, run against a stack. A person signs up, claims a benefit and shows its code, and a cashier
//! redeems it. The merchant's system reports a redemption of its own, and the wallet shows the result. Then the month's
//! books are closed. Every step is checked.

mod books;
mod webhooks;

use crate::{
    Result, StackError,
    client::{Call, Client, Reply},
    stack::Stack,
};
use serde_json::{Value, json};
use std::{io::Write, time::Duration};

/// The phone of the story. The seed knows it as a 全球通 customer.
const PHONE: &str = "+8613800138000";
/// The merchant of the story.
const MERCHANT: &str = "mch_luckytea";

struct Story<'a> {
    stack: &'a mut Stack,
    client: Client,
    member: String,
    step: usize,
}

/// The two stories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tale {
    /// From sign-up to the statement.
    Main,
    /// The messages to a merchant's system.
    Webhooks,
}

/// Runs a story against the stack. Fails at the first step that is wrong, and names it.
pub async fn run_story(stack: &mut Stack, tale: Tale) -> Result<()> {
    let client = Client::new(&stack.ready.api)?;
    let mut story = Story { stack, client, member: String::new(), step: 0 };
    let member_id = story.sign_up().await?;
    if tale == Tale::Webhooks {
        return story.webhooks().await;
    }
    let coupon = story.claim("cmp_0001", "demo-claim-0000001").await?;
    story.redeem(&coupon).await?;
    story.report().await?;
    story.wallet(&member_id).await?;
    story.sign_out().await?;
    story.books().await
}

impl Story<'_> {
    /// Sends a request, prints it with its response, and checks the response.
    async fn step(&mut self, what: &str, call: Call, status: u16, check: impl Fn(&Reply) -> bool) -> Result<Reply> {
        self.step += 1;
        let reply = call.send().await?;
        let ok = reply.status == status && check(&reply);
        let mark = if ok { "ok" } else { "WRONG" };
        let lines = format!(
            "{:>2}. {what}\n    {}\n    {} {} ({} ms) {mark}\n",
            self.step,
            call.shown(),
            reply.status,
            shortened(&reply.text),
            reply.took.as_millis(),
        );
        // A closed pipe is no reason to stop checking.
        let _ = std::io::stdout().lock().write_all(lines.as_bytes());
        if ok { Ok(reply) } else { Err(StackError(format!("step {} is wrong: {what}", self.step))) }
    }

    fn merchant_token(&self) -> Result<String> {
        let now = self.stack.now();
        self.stack.keys.merchant(MERCHANT)?.token(MERCHANT, &self.stack.ready.issuer, now)
    }

    async fn sign_up(&mut self) -> Result<String> {
        let call = self.client.post("/v1/otp-challenges", &json!({ "phone": PHONE }));
        let sent = self.step("The app asks for a one-time code.", call, 201, |_| true).await?;
        let waited = tokio::time::timeout(Duration::from_secs(10), self.stack.messages.recv()).await;
        let message = waited.ok().flatten().ok_or_else(|| StackError("no one-time code was sent".to_owned()))?;
        let proof = json!({ "type": "sms_otp", "challenge_id": sent.text_at("/challenge_id"), "otp": message.otp });
        let consent = json!({ "terms_version": "2026-01", "privacy_version": "2026-01" });
        let body = json!({ "proof": proof, "channel": "app", "consent": consent });
        let call = self.client.post("/v1/members", &body);
        let what = "The person signs up. Brand and city come from the operator's own data.";
        let check = |reply: &Reply| reply.text_at("/member/brand") == "全球通";
        let joined = self.step(what, call, 201, check).await?;
        joined.text_at("/session/access_token").clone_into(&mut self.member);
        Ok(joined.text_at("/member/member_id").to_owned())
    }

    async fn claim(&mut self, campaign: &str, key: &str) -> Result<Reply> {
        let path = format!("/v1/campaigns/{campaign}/claims");
        let call = self.client.post(&path, &json!({ "channel": "app" })).bearer(&self.member).key(key);
        let again = call.clone();
        let claimed = self.step("The member claims a benefit.", call, 201, |reply| !reply.is_replayed()).await?;
        let same = |reply: &Reply| reply.is_replayed() && reply.text == claimed.text;
        self.step("The answer was lost; the app repeats the request and gets the same coupon.", again, 201, same)
            .await?;
        Ok(claimed)
    }

    async fn redeem(&mut self, coupon: &Reply) -> Result<()> {
        let token = self.merchant_token()?;
        let order = |number: &str, amount: u64| {
            json!({ "code": coupon.text_at("/code"), "store_id": "sto_luckytea01",
                    "order": { "order_no": number, "amount_fen": amount }, "cashier": "小林" })
        };
        let call = self.client.post("/v1/validations", &order("T-1001", 1_900)).bearer(&token);
        let small = |reply: &Reply| reply.text_at("/refusal/code") == "minimum_spend_not_met";
        self.step("The cashier tries it on an order that is too small.", call, 200, small).await?;

        let call =
            self.client.post("/v1/redemptions", &order("T-1001", 2_350)).bearer(&token).key("till-1-order-T-1001");
        let again = call.clone();
        let five_off =
            |reply: &Reply| reply.number_at("/discount_fen") == 500 && reply.number_at("/payable_fen") == 1_850;
        let redeemed = self.step("The cashier redeems it: five yuan off.", call, 201, five_off).await?;
        let same = |reply: &Reply| reply.is_replayed() && reply.text == redeemed.text;
        self.step("The till did not get the answer and repeats: nothing is spent twice.", again, 201, same).await?;

        let call =
            self.client.post("/v1/redemptions", &order("T-1002", 3_000)).bearer(&token).key("till-2-order-T-1002");
        let refused = |reply: &Reply| reply.text_at("/code") == "code_already_redeemed";
        self.step("Another till tries the same code.", call, 409, refused).await?;

        let path = format!("/v1/redemptions/{}/reversals", redeemed.text_at("/redemption_id"));
        let call = self.client.post(&path, &json!({ "reason": "做错了饮品" })).bearer(&token).key("till-1-undo-T-1001");
        let active = |reply: &Reply| reply.text_at("/coupon_status") == "active";
        self.step("The drink was wrong; the cashier undoes the redemption.", call, 201, active).await?;

        let elsewhere = json!({ "code": coupon.text_at("/code").replacen("44-", "43-", 1), "store_id": "sto_luckytea01",
                                "order": { "order_no": "T-1003", "amount_fen": 3_000 } });
        let call = self.client.post("/v1/redemptions", &elsewhere).bearer(&token).key("till-1-order-T-1003");
        let hunan = |reply: &Reply| reply.text_at("/province") == "43";
        self.step("A code of another province is refused, with the address to go to.", call, 409, hunan).await.map(drop)
    }

    async fn report(&mut self) -> Result<()> {
        let coupon = self.claim("cmp_0006", "demo-claim-0000002").await?;
        let now = self.stack.now();
        let body = json!({ "type": "coupon.redeemed", "timestamp": now.to_string(), "data": {
            "code": coupon.text_at("/code"), "store_no": "SZ-NS-001", "redeemed_at": now.to_string(),
            "order": { "order_no": "OFFLINE-7", "amount_fen": 2_500 } } });
        let headers = self.stack.keys.merchant(MERCHANT)?.sign("msg_demo_1", now, body.to_string().as_bytes())?;
        let mut call = self.client.post(&format!("/v1/merchants/{MERCHANT}/callbacks"), &body);
        for (name, value) in headers {
            call = call.header(name, &value);
        }
        let received = |reply: &Reply| reply.json == json!({ "received": true });
        let what = "The merchant's own system reports a redemption, signed as a webhook.";
        self.step(what, call.clone(), 202, received).await?;
        self.step("The report comes twice; it counts once.", call, 202, received).await.map(drop)
    }

    async fn wallet(&mut self, member_id: &str) -> Result<()> {
        let usable = |reply: &Reply| statuses(reply, "/coupons") == ["active"];
        let call = self.client.get("/v1/wallet").bearer(&self.member);
        self.step("The wallet shows what can still be used.", call, 200, usable).await?;
        let all = |reply: &Reply| statuses(reply, "/items") == ["active", "redeemed"];
        let call = self.client.get("/v1/coupons").bearer(&self.member);
        self.step("The list of coupons shows the truth: one given back, one redeemed.", call, 200, all).await?;
        let me = |reply: &Reply| reply.text_at("/member_id") == member_id;
        let call = self.client.get("/v1/members/me").bearer(&self.member);
        self.step("The member sees who they are; the phone stays masked.", call, 200, me).await.map(drop)
    }

    async fn sign_out(&mut self) -> Result<()> {
        let call = self.client.delete("/v1/sessions").bearer(&self.member);
        self.step("The member signs out.", call, 204, |_| true).await.map(drop)
    }
}

fn statuses<'a>(reply: &'a Reply, list: &str) -> Vec<&'a str> {
    let coupons = reply.json.pointer(list).and_then(Value::as_array).into_iter().flatten();
    coupons.filter_map(|coupon| coupon.get("status")?.as_str()).collect()
}

/// How many characters of a response are printed.
const SHOWN_CHARS: usize = 400;

fn shortened(text: &str) -> String {
    // The first line of a file is its heading; the rest is printed as a table.
    let text = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    if text.chars().count() <= SHOWN_CHARS {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(SHOWN_CHARS).collect::<String>())
}
