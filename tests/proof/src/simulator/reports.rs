//! Reports by the merchant's own system, beside its tills and instead of them: twice, under two ids, out of order. It
//! sends a report until it gets an answer. Afterwards no acknowledged report is missing, and none has acted twice.

use super::{
    Run,
    clients::{Client, Exchange, at_the_till},
    environment::{Call, MERCHANT, Who},
    mapping::Mapping,
};
use crate::wire::Fate;
use mealticket_domain::{Coupon, coupon::Redemption};
use mealticket_store::messages::Discrepancy;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const REDEEMED: &str = "coupon.redeemed";
const REVERSED: &str = "coupon.reversed";

/// One coupon, as the merchant's system knows it.
pub(crate) struct Reported<'a> {
    pub(crate) name: String,
    pub(crate) code: &'a str,
    pub(crate) at: String,
}

impl Reported<'_> {
    fn call(&self, webhook: usize, kind: &str, data: Value) -> Call {
        Call {
            method: "POST",
            path: format!("/v1/merchants/{MERCHANT}/callbacks"),
            who: Who::System,
            key: format!("rep-{}-{webhook}", self.name),
            body: json!({ "type": kind, "timestamp": self.at, "data": data }),
        }
    }

    pub(crate) fn redeemed(&self, webhook: usize, order_no: &str) -> Call {
        let order = json!({ "order_no": order_no, "amount_fen": 2_500 });
        let data = json!({ "code": self.code, "store_id": "sto_luckytea01", "order": order, "redeemed_at": self.at });
        self.call(webhook, REDEEMED, data)
    }

    /// A report that names the coupon by its id, with the proof that its code was presented for the order.
    fn redeemed_by_proof(&self, webhook: usize, order_no: &str, coupon_id: &str, proof: &str) -> Call {
        let mut call = self.redeemed(webhook, order_no);
        if let Some(data) = call.body["data"].as_object_mut() {
            data.remove("code");
            data.insert("coupon_id".to_owned(), coupon_id.into());
            data.insert("proof".to_owned(), proof.into());
        }
        call
    }

    pub(crate) fn reversed(&self, webhook: usize, order_no: &str) -> Call {
        let data = json!({ "code": self.code, "order_no": order_no, "reason": "undone" });
        self.call(webhook, REVERSED, data)
    }
}

/// What happens to a coupon at a merchant whose system reports. Only a person with `may_hold` holds it, because a
/// hold's key counts only while its hold is the newest.
pub(super) async fn live(person: usize, client: &mut Client, coupon: &Value, key: usize, may_hold: bool) {
    let text = |name: &str| coupon[name].as_str().unwrap_or_default();
    let at = text("claimed_at").to_owned();
    let reported = Reported { name: format!("{person}-{key}"), code: text("code"), at };
    let [order, other_order] = [0, 1].map(|number| format!("R-{}-{number}", reported.name));
    let till = |path: &str, hold_seconds: Option<u32>| {
        let order = json!({ "order_no": order, "amount_fen": 2_500 });
        let mut body = json!({ "code": reported.code, "store_id": "sto_luckytea01", "order": order });
        hold_seconds.into_iter().for_each(|seconds| body["hold_seconds"] = seconds.into());
        at_the_till(path, &format!("till{}-{}", path.replace('/', "-"), reported.name), body)
    };
    match client.random.u8(..7) {
        0 => both(client, reported.redeemed(0, &order), reported.redeemed(0, &order)).await,
        1 => both(client, reported.redeemed(0, &order), reported.redeemed(1, &order)).await,
        2 => both(client, reported.redeemed(0, &order), reported.redeemed(1, &other_order)).await,
        3 => {
            // The till asks first. Its system keeps no code, so it reports with the proof that it was shown.
            let shown = client.ask(till("/v1/validations", None)).await.unwrap_or_default().json();
            let report = match shown["proof"].as_str() {
                Some(proof) => reported.redeemed_by_proof(0, &order, text("coupon_id"), proof),
                None => reported.redeemed(0, &order),
            };
            both(client, report, till("/v1/redemptions", None)).await;
        }
        4 => both(client, reported.reversed(0, &order), reported.redeemed(1, &order)).await,
        // A hold stands against the report. It is released while the report is delivered, and delivered again.
        5 if may_hold => {
            let held = client.ask(till("/v1/holds", Some(20))).await.unwrap_or_default();
            let path = format!("/v1/holds/{}", held.json()["hold_id"].as_str().unwrap_or("none"));
            let release = Call { method: "DELETE", body: Value::Null, ..till(&path, None) };
            let (mut first, mut second) = (client.clone(), client.clone());
            second.random.seed(client.random.u64(..));
            let report = reported.redeemed(0, &other_order);
            tokio::join!(first.ask(report.clone()), second.ask(report), client.ask(release));
        }
        _ => {
            if may_hold {
                client.ask(till("/v1/holds", Some(20))).await;
            }
            both(client, reported.redeemed(0, &other_order), till("/v1/redemptions", None)).await;
        }
    }
    if client.random.bool() {
        both(client, reported.reversed(8, &order), reported.reversed(9, &order)).await;
    }
}

async fn both(client: &mut Client, one: Call, other: Call) {
    let (mut first, mut second) = (client.clone(), client.clone());
    second.random.seed(client.random.u64(..));
    tokio::join!(first.ask(one), second.ask(other));
}

fn is_report(exchange: &Exchange) -> bool {
    matches!(exchange.call.who, Who::System)
}

fn is_reversal(report: &Exchange) -> bool {
    report.call.body["type"] == REVERSED
}

fn is_taken(exchange: &Exchange) -> bool {
    exchange.reply.as_ref().is_some_and(|reply| reply.status == 202)
}

impl Run {
    /// When the faults are over, the system sends again every report that nobody acknowledged. Then the stream's second
    /// reader meets faults, and waiting reversals meet their redemptions.
    pub(crate) async fn hear_reports_out(&self, second_reader: &mut Mapping) -> Vec<String> {
        let mut broken = Vec::new();
        let mut exchanges = std::mem::take(&mut *self.exchanges.lock().unwrap());
        for report in exchanges.iter_mut().filter(|exchange| is_report(exchange) && !is_taken(exchange)) {
            report.reply = self.environments.send(0, &report.call).await;
            if !is_taken(report) {
                broken.push(format!("a report is not taken: {} {:?}", report.line(), report.reply));
            }
        }
        *self.exchanges.lock().unwrap() = exchanges;
        let records = second_reader.rest();
        self.network.plan_next(&self.scenario.fold_plan);
        let half = records.len() / 2;
        tokio::join!(self.environments.queue(0, &records[..half]), self.environments.queue(1, &records));
        self.calm().await;
        broken.extend(self.queue_until_done(&records).await);
        broken
    }

    /// Returns every promise to the merchant's system that is broken.
    pub(crate) async fn examine_reports(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let coupons = self.coupons().await;
        let merchant = MERCHANT.parse().unwrap();
        let found = self.observer.tables().messages.list_discrepancies(&merchant, None, 1_000).await.unwrap().0;
        let found: BTreeMap<&str, &Discrepancy> =
            found.iter().map(|found| (found.webhook_id.as_str(), found)).collect();
        let mut by_order: BTreeMap<&str, Vec<&Redemption>> = BTreeMap::new();
        for redemption in coupons.iter().flat_map(|coupon| &coupon.redemptions) {
            by_order.entry(redemption.order_no.as_str()).or_default().push(redemption);
        }
        for (order, redemptions) in by_order.iter().filter(|(_, redemptions)| redemptions.len() > 1) {
            broken.push(format!("order {order} was redeemed more than once: {redemptions:?}"));
        }
        let exchanges = self.exchanges.lock().unwrap().clone();
        let reports: Vec<&Exchange> = exchanges.iter().filter(|exchange| is_report(exchange)).collect();
        // Two writes may land late. A report was refused in the end, and its write lands when no rule stands against it
        // any more. Or it was given up, and its discrepancy lands when the report is done.
        let lands_late = self.network.passed().iter().any(|passed| {
            let call = (passed.operation.as_str(), passed.table.rsplit('-').next().unwrap_or_default());
            matches!(passed.fate, Fate::LandLate(_))
                && [("UpdateItem", "members"), ("PutItem", "messages")].contains(&call)
        });
        for report in &reports {
            let redeemed = by_order.get(order_of(&report.call)).and_then(|redemptions| redemptions.first()).copied();
            let is_sent_twice = reports.iter().any(|other| {
                let call = &other.call;
                call.key != report.call.key && call.body["type"] == REDEEMED && order_of(call) == order_of(&report.call)
            });
            let discrepancy = found.get(report.call.key.as_str()).copied();
            // The report under the other id came when no rule stood against it any more.
            if !is_accounted_for(report, redeemed, discrepancy, lands_late || (is_sent_twice && !is_reversal(report))) {
                broken.push(format!("{}: {redeemed:?} and {discrepancy:?}", report.line()));
            }
        }
        for report in &reports {
            let again = self.observer.send(&report.call).await;
            let mut other = report.call.clone();
            other.body["timestamp"] = "2026-01-01T00:00:00Z".into();
            let reused = self.observer.send(&other).await;
            if again.status != 202 || reused.refusal() != "webhook_id_reused" {
                broken.push(format!("{} again: {again:?}; with another body: {reused:?}", report.line()));
            }
        }
        if self.coupons().await != coupons {
            broken.push("reports that came again changed a coupon".to_owned());
        }
        broken
    }

    /// Returns reports that are neither done nor settled.
    pub(crate) async fn open_discrepancies(&self) -> Vec<String> {
        let found = self
            .observer
            .tables()
            .messages
            .list_discrepancies(&MERCHANT.parse().unwrap(), None, 1_000)
            .await
            .unwrap()
            .0;
        found.iter().filter(|found| found.settled_at.is_none()).map(|found| format!("{found:?} is open")).collect()
    }

    async fn coupons(&self) -> Vec<Coupon> {
        let mut coupons = Vec::new();
        for index in 0..self.scenario.members {
            coupons.extend(
                self.observer
                    .tables()
                    .members
                    .list_coupons_of_campaign(self.member(index), self.campaign.no)
                    .await
                    .unwrap(),
            );
        }
        coupons
    }
}

fn order_of(report: &Call) -> &str {
    let data = &report.body["data"];
    data["order"]["order_no"].as_str().or(data["order_no"].as_str()).unwrap_or_default()
}

/// Whether an acknowledged report has had its effect, or a discrepancy stands for it, and not both.
fn is_accounted_for(
    report: &Exchange,
    redeemed: Option<&Redemption>,
    discrepancy: Option<&Discrepancy>,
    may_be_both: bool,
) -> bool {
    let is_done = redeemed.is_some_and(|redemption| !is_reversal(report) || redemption.reversal.is_some());
    let is_open = discrepancy.is_some_and(|found| found.settled_at.is_none());
    // A redemption that is there and is to be undone, is undone.
    if is_reversal(report) && redeemed.is_some() && !is_done {
        return false;
    }
    if is_done { !is_open || may_be_both } else { is_open }
}
