//! Single faults, exhaustively. Every call of an operation to the tables meets every fault once. The client repeats the
//! request with the same key, and in the end the operation was done once.

use crate::{
    simulator::{
        Run,
        environment::{Call, Reply, Who},
        reports::Reported,
        scenario::Scenario,
        webhooks::Receiver,
    },
    wire::{Fate, Passed},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One operation under every fault.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The operation's name.
    pub name: &'static str,
    /// The operation's calls to the tables, in order, when no fault occurs.
    pub calls: Vec<Passed>,
    /// What went wrong, with its call and its fate.
    pub failures: Vec<String>,
    /// How many pairs of call and fate were tried.
    pub tried: usize,
}

/// The operations that change something.
pub const OPERATIONS: [&str; 19] = [
    "claim, limit 1",
    "claim, limit 3",
    "claim, day limited",
    "redeem",
    "redeem, second use",
    "redeem what was reported, of two uses",
    "report a redemption",
    "report a reversal",
    "report a reversal early",
    "hold",
    "release",
    "reverse",
    "post",
    "sweep",
    "fold",
    "close the month",
    "queue webhooks",
    "deliver webhooks",
    "give a webhook up",
];

/// Tries every fault at every call of every operation.
pub fn exhaustively() -> Vec<Operation> {
    OPERATIONS.iter().map(|name| under_every_fault(name)).collect()
}

fn under_every_fault(name: &'static str) -> Operation {
    let (calls, broken) = attempt(name, BTreeMap::new());
    let mut operation = Operation { name, calls, failures: broken, tried: 0 };
    for number in 0..operation.calls.len() {
        for fate in Fate::FAULTS {
            let (_, broken) = attempt(name, BTreeMap::from([(number, fate)]));
            operation.tried += 1;
            operation.failures.extend(broken.into_iter().map(|what| format!("{fate:?} at call {number}: {what}")));
        }
    }
    operation
}

/// Runs the operation once, with these fates for its calls. Returns the calls that it made, and the promises that it
/// broke.
fn attempt(name: &str, plan: BTreeMap<usize, Fate>) -> (Vec<Passed>, Vec<String>) {
    // The sweep needs a stock so large that a lease has units which nobody spends.
    let (stock, limit) = match name {
        "sweep" => (640, 3),
        "claim, limit 3" => (3, 3),
        _ => (3, 1),
    };
    let uses = if name.contains("second") || name.contains("two uses") { 2 } else { 1 };
    let scenario = Scenario::plain(stock, limit, uses).with_day_limit((name == "claim, day limited").then_some(3));
    Run::of(scenario, |run| async move {
        let mut mapping = run.mapping();
        let before = prepare(name, &run).await;
        let receiver = if name == "give a webhook up" { Receiver::gone() } else { Receiver::new(0) };
        let records = mapping.all();
        run.plan(plan);
        let failed = match name {
            "post" => mapping.deliver_at_once().await,
            "sweep" => run.sweep_until_done().await,
            "fold" | "close the month" => run.fold_until_done().await,
            "queue webhooks" => run.queue_until_done(&records).await,
            "deliver webhooks" => run.deliver_until_done(&receiver).await,
            "give a webhook up" => run.deliver_until_done(&receiver).await,
            _ => {
                let success = match name {
                    "release" => 204,
                    name if name.starts_with("report") => 202,
                    _ => 201,
                };
                let reply = run.ask(last_call(name, &run, &before)).await;
                let got =
                    reply.as_ref().map_or("nothing".to_owned(), |reply| format!("{} {}", reply.status, reply.text));
                reply.is_none_or(|reply| reply.status != success).then(|| format!("the client got {got}"))
            }
        };
        let calls = run.passed();
        run.calm().await;
        let mut broken = run.examine(&mut mapping).await;
        broken.extend(failed);
        if name.contains("report") {
            if name.contains("early") {
                run.ask(redeem(&text(&before[0], "code"), 1)).await;
                broken.extend(run.queue_until_done(&mapping.all()).await);
            }
            broken.extend(run.examine_reports().await);
            // No report may be left open.
            broken.extend(run.open_discrepancies().await);
        }
        if name.contains("webhook") {
            broken.extend(run.see_it_through(&records, &receiver).await);
        }
        if matches!(name, "fold" | "close the month") {
            broken.extend(run.close_books(&mut mapping).await);
        }
        (calls, broken)
    })
}

/// Runs what comes before the operation, without faults. Returns the replies to a claim, and to what follows it.
async fn prepare(name: &str, run: &Run) -> Vec<Reply> {
    let mut replies = Vec::new();
    if name.starts_with("claim") {
        return replies;
    }
    replies.push(run.ask(claim(run)).await.unwrap());
    let code = text(&replies[0], "code");
    match name {
        "redeem, second use" | "reverse" => replies.push(run.ask(redeem(&code, 1)).await.unwrap()),
        "redeem what was reported, of two uses" => drop(run.ask(reported(&replies[0], &code).redeemed(1, "O-1")).await),
        "report a reversal" => drop(run.ask(redeem(&code, 1)).await),
        "release" => replies.push(run.ask(hold(&code)).await.unwrap()),
        "post" | "queue webhooks" => drop(run.ask(redeem(&code, 1)).await),
        "deliver webhooks" | "give a webhook up" => {
            run.ask(redeem(&code, 1)).await;
            run.queue_until_done(&run.mapping().all()).await;
        }
        "fold" | "close the month" => {
            run.ask(redeem(&code, 1)).await;
            run.mapping().deliver_at_once().await;
            if name == "close the month" {
                run.fold_until_done().await;
                run.come_to_the_end_of_its_month().await;
            }
        }
        // The environment that took the lease ends without a word.
        "sweep" => {
            run.ask(Call { key: "another-0123456789abc".to_owned(), ..claim(run) }).await;
            run.kill_all();
            run.pass_the_fence().await;
        }
        _ => {}
    }
    replies
}

fn last_call(name: &str, run: &Run, before: &[Reply]) -> Call {
    let code = before.first().map(|claimed| text(claimed, "code")).unwrap_or_default();
    match name {
        "redeem" | "redeem what was reported, of two uses" => redeem(&code, 1),
        "report a redemption" => reported(&before[0], &code).redeemed(0, "O-1"),
        "report a reversal" | "report a reversal early" => reported(&before[0], &code).reversed(0, "O-1"),
        "redeem, second use" => redeem(&code, 2),
        "hold" => hold(&code),
        "release" => {
            let path = format!("/v1/holds/{}", text(&before[1], "hold_id"));
            Call { method: "DELETE", ..merchants(&path, "none", Value::Null) }
        }
        "reverse" => {
            let path = format!("/v1/redemptions/{}/reversals", text(&before[1], "redemption_id"));
            merchants(&path, "reverse", json!({ "reason": "r" }))
        }
        _ => claim(run),
    }
}

fn reported<'a>(claimed: &Reply, code: &'a str) -> Reported<'a> {
    Reported { name: "0-0".to_owned(), code, at: text(claimed, "claimed_at") }
}

fn text(reply: &Reply, name: &str) -> String {
    reply.json()[name].as_str().unwrap_or_default().to_owned()
}

fn claim(run: &Run) -> Call {
    Call {
        method: "POST",
        path: run.claims_path(),
        who: Who::Member(run.member(0)),
        key: "claim-0123456789abcdef".to_owned(),
        body: json!({ "channel": "app" }),
    }
}

fn merchants(path: &str, key: &str, body: Value) -> Call {
    let key = format!("{key}-0123456789abcdef");
    Call { method: "POST", path: path.to_owned(), who: Who::Merchant, key, body }
}

fn order(code: &str, number: usize) -> Value {
    let order = json!({ "order_no": format!("O-{number}"), "amount_fen": 2_500 });
    json!({ "code": code, "store_id": "sto_luckytea01", "order": order })
}

fn redeem(code: &str, number: usize) -> Call {
    merchants("/v1/redemptions", &format!("redeem-{number}"), order(code, number))
}

fn hold(code: &str) -> Call {
    merchants("/v1/holds", "hold", order(code, 1))
}
