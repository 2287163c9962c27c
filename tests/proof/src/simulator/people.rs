//! People with coupons. They claim, redeem at tills, hold and undo. Some of it they do twice at once.

use super::{
    clients::{Client, Exchange, at_the_till},
    environment::{Call, Environments, Who},
    reports,
    scenario::Scenario,
};
use mealticket_domain::{Campaign, MemberNo};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;

/// Runs everybody in the scenario. Returns the replies that their clients got.
pub(crate) async fn run(scenario: &Scenario, campaign: &Arc<Campaign>, environments: &Environments) -> Vec<Exchange> {
    let exchanges = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..scenario.members)
        .map(|index| {
            let random = fastrand::Rng::with_seed(scenario.seed.wrapping_mul(31).wrapping_add(index as u64));
            let client = Client::new(environments, &exchanges, random);
            let member = scenario.member(index);
            let person = Person { campaign: Arc::clone(campaign), member, index, reports: scenario.reports() };
            tokio::spawn(person.live(client))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    std::mem::take(&mut *exchanges.lock().unwrap())
}

struct Person {
    campaign: Arc<Campaign>,
    member: MemberNo,
    index: usize,
    /// Whether the merchant's own system reports what happens to this person's coupons.
    reports: bool,
}

impl Person {
    fn claim(&self, key: usize) -> Call {
        Call {
            method: "POST",
            path: format!("/v1/campaigns/{}/claims", self.campaign.no),
            who: Who::Member(self.member),
            key: format!("claim-{}-{key}-0123456789", self.index),
            body: json!({ "channel": "app" }),
        }
    }

    /// Claims, sometimes twice at once. Redeems the coupons at two tills at once, and sometimes holds and undoes.
    async fn live(self, mut client: Client) {
        sleep(Duration::from_millis(client.random.u64(..3_000))).await;
        let claims = client.random.usize(1..=2);
        for key in 0..claims {
            let call = self.claim(key);
            let reply = if client.random.bool() {
                let (mut one, mut other) = (client.clone(), client.clone());
                other.random.seed(key as u64 + 7);
                let (first, second) = tokio::join!(one.ask(call.clone()), other.ask(call));
                first.filter(|reply| reply.status == 201).or(second)
            } else {
                client.ask(call).await
            };
            let Some(coupon) = reply.filter(|reply| reply.status == 201) else { continue };
            let coupon = coupon.json();
            if self.reports {
                let is_all = client.random.bool();
                reports::live(self.index, &mut client, &coupon, key, is_all).await;
                if is_all {
                    continue;
                }
            }
            let code = coupon["code"].as_str().unwrap_or_default().to_owned();
            self.spend(&mut client, &code, key).await;
        }
    }

    async fn spend(&self, client: &mut Client, code: &str, key: usize) {
        let order = |till: usize| format!("O-{}-{key}-{till}", self.index);
        let body = |till: usize| {
            let order = json!({ "order_no": order(till), "amount_fen": 2_500 });
            json!({ "code": code, "store_id": "sto_luckytea01", "order": order })
        };
        if client.random.u8(..3) == 0 {
            let mut held = body(0);
            held["hold_seconds"] = 20.into();
            client.ask(at_the_till("/v1/holds", &format!("hold-{}-{key}", self.index), held)).await;
        }
        let redeem =
            |till: usize| at_the_till("/v1/redemptions", &format!("redeem-{}-{key}-{till}", self.index), body(till));
        let (mut one, mut other) = (client.clone(), client.clone());
        other.random.seed(key as u64 + 99);
        let (first, second) = tokio::join!(one.ask(redeem(0)), other.ask(redeem(1)));
        let done = [first, second].into_iter().flatten().find(|reply| reply.status == 201);
        if let Some(redemption) = done.filter(|_| client.random.bool()) {
            let id = redemption.json()["redemption_id"].as_str().unwrap_or_default().to_owned();
            let path = format!("/v1/redemptions/{id}/reversals");
            let reverse = at_the_till(&path, &format!("reverse-{}-{key}", self.index), json!({ "reason": "r" }));
            client.ask(reverse).await;
            client.ask(redeem(2)).await;
        }
    }
}
