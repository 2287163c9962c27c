//! `docs/ERRORS.md` is the truth about refusals. These tests cause every code of every route, and every pair of codes
//! that can meet. The response has the code that comes first in the list.

pub(crate) mod builders;

use crate::attempt::routes;
use builders::build;
use mealticket_api::Code;
use mealticket_local::workspace;
use mealticket_support::World;
use std::collections::{BTreeMap, BTreeSet};

/// The codes of each route, in the order of precedence.
pub(crate) fn documented() -> BTreeMap<String, Vec<Code>> {
    let text = std::fs::read_to_string(workspace::root().join("docs/ERRORS.md")).unwrap();
    let mut lists: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    let mut route = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            route = Some(heading.trim_end_matches('`').to_owned());
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(route), Some(number)) = (&route, cells.get(1).and_then(|cell| cell.parse::<usize>().ok())) {
            let code = *Code::ALL.iter().find(|code| format!("`{}`", code.as_str()) == cells[3]).unwrap();
            assert_eq!(cells[2], code.status().as_str(), "{line}");
            assert_eq!(cells[4], code.retry().as_str(), "{line}");
            let list = lists.entry(route.clone()).or_default();
            list.push(code);
            assert_eq!(list.len(), number, "{line}");
        }
    }
    lists
}

/// Codes that can come at any time, or only from a function's own router.
const ANY_TIME: [Code; 3] = [Code::TemporarilyUnavailable, Code::Internal, Code::RouteNotFound];

#[test]
fn every_route_and_every_code_is_documented() {
    let lists = documented();
    let listed: BTreeSet<&String> = lists.keys().collect();
    assert_eq!(listed, routes().iter().map(|(key, _)| key).collect());
    let codes: BTreeSet<&str> = lists.values().flatten().map(|code| code.as_str()).collect();
    let all: BTreeSet<&str> =
        Code::ALL.iter().filter(|code| !ANY_TIME.contains(code)).map(|code| code.as_str()).collect();
    assert_eq!(codes, all);
}

/// Whether two codes exclude each other by their nature: the request or the coupon can be only one of the two.
fn exclude_each_other(route: &str, first: Code, second: Code) -> bool {
    let pair = [first, second];
    let both = |a, b| pair.contains(&a) && pair.contains(&b);
    // A request has a refresh token, or a proof.
    let otp = [Code::OtpExpired, Code::OtpWrong, Code::MemberNotFound];
    (pair.contains(&Code::SessionRevoked) && pair.iter().any(|code| otp.contains(code)))
        // The newest hold of a coupon is of this key, or of another order. Which one it is, is known as soon as the
        // code is read.
        || (route == "POST /v1/holds" && both(Code::IdempotencyKeyReused, Code::CodeHeld))
        // A campaign has ended, or has not yet begun; the same holds for a coupon.
        || both(Code::CampaignEnded, Code::NotStarted)
        // An endpoint that exists is not one too many.
        || both(Code::EndpointLimit, Code::EndpointExists)
        // A campaign's stock is in one of these states.
        || both(Code::DayStockExhausted, Code::StockSettling)
        || both(Code::DayStockExhausted, Code::SoldOut)
        || both(Code::StockSettling, Code::SoldOut)
        || both(Code::CodeExpired, Code::NotYetValid)
        // A coupon is redeemed before its validity begins only by a mistake of ours.
        || (pair.contains(&Code::NotYetValid)
            && [Code::IdempotencyKeyReused, Code::CodeAlreadyRedeemed, Code::RedemptionLimit].iter().any(|c| pair.contains(c)))
}

#[tokio::test]
async fn every_code_of_every_route_happens_alone() {
    for (route, codes) in documented() {
        for code in codes {
            let world = World::new().await;
            let attempt = build(&world, &route, &[code]).await;
            let reply = attempt.send(&world.deps_elsewhere()).await;
            assert_eq!(reply.code(), code.as_str(), "{route}: {}", reply.text);
            reply.refused(code.status().as_u16(), code.as_str());
        }
    }
}

#[tokio::test]
async fn of_two_codes_that_meet_the_first_in_the_document_is_answered() {
    let mut pairs = 0;
    for (route, codes) in documented() {
        for (at, first) in codes.iter().enumerate() {
            for second in codes.iter().skip(at + 1).filter(|second| !exclude_each_other(&route, *first, **second)) {
                let world = World::new().await;
                let attempt = build(&world, &route, &[*first, *second]).await;
                let reply = attempt.send(&world.deps_elsewhere()).await;
                assert_eq!(reply.code(), first.as_str(), "{route}: {first:?} and {second:?}: {}", reply.text);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 200, "{pairs}");
}

#[tokio::test]
async fn nothing_wrong_is_no_refusal() {
    for route in documented().keys() {
        let world = World::new().await;
        let reply = build(&world, route, &[]).await.send(&world.deps_elsewhere()).await;
        assert!(reply.status < 300, "{route}: {} {}", reply.status, reply.text);
    }
}
