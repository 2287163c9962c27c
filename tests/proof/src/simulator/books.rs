//! What must hold when everything has come to rest, whatever happened before.

use super::{
    clients::Exchange,
    environment::{Call, Environment, Who},
    scenario::Scenario,
};
use mealticket_domain::{
    Campaign, Coupon, LeaseId, Timestamp,
    journal::{Change, Content, Tally, events_between},
};
use mealticket_store::catalog::Priced;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Returns every promise that is broken.
pub(crate) async fn examine(
    scenario: &Scenario,
    campaign: &Campaign,
    observer: &Environment,
    stream_shard: &str,
    exchanges: &[Exchange],
) -> Vec<String> {
    let mut broken = Vec::new();
    let mut coupons = Vec::new();
    for index in 0..scenario.members {
        let mine =
            observer.tables().members.list_coupons_of_campaign(scenario.member(index), campaign.no).await.unwrap();
        limits(scenario, &mine, &mut broken);
        coupons.extend(mine);
    }
    journal(observer, stream_shard, &coupons, &mut broken).await;
    let left = stock(scenario, campaign, observer, &coupons, &mut broken).await;
    coupons.iter().for_each(|coupon| uses(coupon, &mut broken));
    if left > 0
        && exchanges.iter().any(|exchange| exchange.reply.as_ref().is_some_and(|reply| reply.refusal() == "sold_out"))
    {
        broken.push(format!("sold_out was said while {left} units remain"));
    }
    for exchange in exchanges {
        if let Some(reply) = exchange.reply.as_ref().filter(|reply| reply.status >= 500 && reply.status != 503) {
            broken.push(format!("{}: {}", exchange.line(), reply.text));
        }
    }
    answers(observer, exchanges, &mut broken).await;
    still_open(scenario, campaign, observer, left, &mut broken).await;
    broken
}

/// Checks one member's coupons against the campaign's limits.
fn limits(scenario: &Scenario, mine: &[Coupon], broken: &mut Vec<String>) {
    if mine.len() > usize::from(scenario.limit) {
        broken.push(format!("a member has {} coupons of {}", mine.len(), scenario.limit));
    }
    let mut by_day: BTreeMap<_, usize> = BTreeMap::new();
    for (index, coupon) in mine.iter().enumerate() {
        *by_day.entry(coupon.claimed_at.province_day()).or_default() += 1;
        if usize::from(coupon.key.ordinal.get()) != index {
            broken.push("an ordinal was left out".to_owned());
        }
    }
    let most = by_day.values().copied().max().unwrap_or(0);
    if scenario.member_day_limit.is_some_and(|limit| most > usize::from(limit)) {
        broken.push(format!("a member has {most} coupons of one day"));
    }
    let keys: BTreeSet<[u8; 16]> = mine.iter().map(|coupon| coupon.claim_key.0).collect();
    if keys.len() != mine.len() {
        broken.push("one key claimed twice".to_owned());
    }
}

/// Checks that the journal and the coupons agree: every event once, on pages without a gap.
async fn journal(observer: &Environment, stream_shard: &str, coupons: &[Coupon], broken: &mut Vec<String>) {
    let shard = stream_shard.parse().unwrap();
    let pages = observer.tables().ledger.read_journal(&shard, Timestamp::MIN).await.unwrap().pages;
    let mut posted = Tally::default();
    for (page, no) in pages.iter().rev().zip(1..) {
        posted.add(&page.tally);
        if page.no != no || !page.aside.is_empty() {
            broken.push(format!("page {no} of the journal is {page:?}"));
        }
    }
    let (mut expected, mut entries) = (Tally::default(), Vec::new());
    for coupon in coupons {
        let events = events_between(None, coupon).unwrap();
        match observer.tables().catalog.read_entries(coupon, &events).await.unwrap() {
            Priced::Entries(priced) => entries.extend(priced),
            Priced::Unpriced(reason) => panic!("{reason}"),
        }
        expected.count(&Content::Coupon(Box::new(Change::between(None, coupon.clone()).unwrap())));
    }
    if posted != expected {
        broken.push(format!("the journal says {posted:?} and the coupons say {expected:?}"));
    }
    // The rebuild from the coupons alone gives the same entries, to the fen, each once.
    let mut journal: Vec<_> = pages.iter().flat_map(|page| page.entries.iter().cloned()).collect();
    journal.sort_by_key(|entry| entry.event);
    entries.sort_by_key(|entry| entry.event);
    if journal != entries {
        broken.push(format!("the journal's entries are {journal:?} and the coupons' {entries:?}"));
    }
    if pages.iter().any(|page| page.postings().balance() != 0) {
        broken.push("a page's debits are not its credits".to_owned());
    }
}

/// Checks the campaign's units, of which none is leased any more. Returns how many are left.
async fn stock(
    scenario: &Scenario,
    campaign: &Campaign,
    observer: &Environment,
    coupons: &[Coupon],
    broken: &mut Vec<String>,
) -> u64 {
    let shards = observer.tables().stock.read_shards(campaign.no).await.unwrap();
    let mut spent: BTreeMap<LeaseId, u64> = BTreeMap::new();
    coupons.iter().for_each(|coupon| *spent.entry(coupon.lease_id).or_default() += 1);
    let issued = coupons.len() as u64;
    if issued > scenario.stock {
        broken.push(format!("{issued} coupons of a stock of {}", scenario.stock));
    }
    let mut left = 0;
    for shard in shards.values() {
        left += shard.remaining;
        for (id, lease) in &shard.leases {
            let of_lease = spent.get(id).copied().unwrap_or(0);
            broken.push(format!("a lease of {} units, spent {of_lease} times, is open after the sweep", lease.units));
        }
    }
    if issued + left != scenario.stock {
        broken.push(format!("{issued} issued and {left} left are not {}", scenario.stock));
    }
    let mut by_day: BTreeMap<_, u64> = BTreeMap::new();
    coupons.iter().for_each(|coupon| *by_day.entry(coupon.claimed_at.province_day()).or_default() += 1);
    let most = by_day.values().copied().max().unwrap_or(0);
    if scenario.day_limit.is_some_and(|limit| most > limit) {
        broken.push(format!("{most} coupons of one day, of {:?}", scenario.day_limit));
    }
    left
}

/// Checks one coupon's uses.
fn uses(coupon: &Coupon, broken: &mut Vec<String>) {
    let standing = coupon.redemptions.iter().filter(|redemption| redemption.reversal.is_none()).count();
    if standing > usize::from(coupon.uses_total) {
        broken.push(format!("{standing} redemptions stand of {} uses", coupon.uses_total));
    }
    if usize::from(coupon.uses_left) + standing != usize::from(coupon.uses_total) {
        broken.push(format!("{} uses left and {standing} spent of {}", coupon.uses_left, coupon.uses_total));
    }
    let keys: BTreeSet<[u8; 16]> = coupon.redemptions.iter().map(|redemption| redemption.key.0).collect();
    if keys.len() != coupon.redemptions.len() {
        broken.push("one key redeemed twice".to_owned());
    }
}

/// Checks that a client which got a success gets the same again, byte for byte. The same key with another payload is
/// refused, and changes nothing.
async fn answers(observer: &Environment, exchanges: &[Exchange], broken: &mut Vec<String>) {
    // Reports are examined elsewhere, and a validation changes nothing.
    let asked = |exchange: &&Exchange| {
        let call = &exchange.call;
        call.method == "POST" && !matches!(call.who, Who::System) && call.path != "/v1/validations"
    };
    for exchange in exchanges.iter().filter(|exchange| exchange.is_success()).filter(asked) {
        // A hold's key counts only while its hold is the coupon's newest. Here each coupon has one holder.
        let first = exchange.reply.as_ref().map(|reply| reply.text.clone()).unwrap_or_default();
        let again = observer.send(&exchange.call).await;
        if again.status != 201 || again.text != first || !again.replayed {
            broken.push(format!("{} is now {} {}", exchange.line(), again.status, again.text));
        }
        let mut other = exchange.call.clone();
        match other.body.get("order").is_some() {
            true => other.body["order"]["amount_fen"] = 2_600.into(),
            false if other.body.get("reason").is_some() => other.body["reason"] = "another".into(),
            false => other.body["channel"] = "h5".into(),
        }
        let reused = observer.send(&other).await;
        if reused.refusal() != "idempotency_key_reused" {
            broken.push(format!("{} with another payload: {}", exchange.line(), reused.text));
        }
        let still = observer.send(&exchange.call).await;
        if still.text != first {
            broken.push(format!("{} changed by another payload", exchange.line()));
        }
    }
}

/// Checks that the units that are left can be claimed, now that the faults are over.
async fn still_open(
    scenario: &Scenario,
    campaign: &Campaign,
    observer: &Environment,
    left: u64,
    broken: &mut Vec<String>,
) {
    // The repeated requests above took leases of their own.
    observer.tables().stock.return_unspent().await;
    let remaining = observer.tables().stock.count_remaining(campaign.no).await.unwrap().unwrap_or(0);
    let newcomer = scenario.member(scenario.members);
    let call = Call {
        method: "POST",
        path: format!("/v1/campaigns/{}/claims", campaign.no),
        who: Who::Member(newcomer),
        key: "a-newcomer-after-all-of-it".to_owned(),
        body: json!({}),
    };
    let reply = observer.send(&call).await;
    let expected = match (remaining, left) {
        (0, 0) => reply.refusal() == "sold_out",
        (0, _) => false,
        _ if scenario.day_limit.is_some() => {
            reply.status == 201 || ["day_stock_exhausted", "stock_settling"].contains(&reply.refusal().as_str())
        }
        _ => reply.status == 201,
    };
    if !expected {
        broken.push(format!("with {remaining} of {left} units free a newcomer gets {}", reply.text));
    }
}
