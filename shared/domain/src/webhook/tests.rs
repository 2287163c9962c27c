use super::*;
use crate::{
    code::IdCipher,
    coupon::Reversal,
    redemption::tests::{coupon, redeemed},
    timestamp::Timestamp,
};
use std::{collections::BTreeSet, net::IpAddr};

fn now() -> Timestamp {
    "2026-11-25T04:00:00Z".parse().unwrap()
}

fn ids() -> IdCipher {
    IdCipher::new("44".parse().unwrap(), &[7; 32]).unwrap()
}

/// Every form here was taken by some webhook sender as an address that it may ask.
const REFUSED: &[&str] = &[
    "http://example.com/hook",
    "ftp://example.com/hook",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "//example.com/hook",
    "/hook",
    "example.com/hook",
    "",
    "https://",
    "https:///hook",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:80/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST/",
    "https://a.localhost/",
    "https://printer.local/",
    "https://db.internal/",
    "https://metadata.google.internal/",
    "https://router.lan/",
    "https://x.home.arpa/",
    "https://intranet/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://167772161/",
    "https://012.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://192.168.257/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xA9FEA9FE/",
    "https://0251.0376.0251.0376/",
    "https://169.254.0.23/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[ff02::1]/",
    "https://[5f00::1]/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://ⓛocalhost/",
    "https://exa mple.com/",
    "https://example.com/\r\nHost: x",
    "https://256.256.256.256/",
    "https://1.2.3.4.5/",
];

#[test]
fn addresses_that_are_not_on_the_public_internet_are_refused_in_every_form() {
    assert!(REFUSED.len() >= 80, "{}", REFUSED.len());
    for text in REFUSED {
        assert!(EndpointUrl::read(text, EndpointNetwork::Internet).is_err(), "{text}");
    }
    let long = format!("https://example.com/{}", "a".repeat(500));
    assert_eq!(EndpointUrl::read(&long, EndpointNetwork::Internet), Err(UrlError::Malformed));
    for text in [
        "https://example.com/hooks?a=b",
        "https://example.com:8443/",
        "https://xn--fiqs8s.cn/",
        "https://8.8.8.8/",
        "https://134744072/",
        "https://[2400:3200::1]/",
        "https://localhost.example.com/",
    ] {
        assert!(EndpointUrl::read(text, EndpointNetwork::Internet).is_ok(), "{text}");
    }
}

#[test]
fn this_machine_and_plain_http_are_only_for_where_everything_is_on_one() {
    for text in ["http://127.0.0.1:9999/hook", "https://127.0.0.1:9999/hook"] {
        assert!(EndpointUrl::read(text, EndpointNetwork::Loopback).is_ok_and(|url| url.is_here()), "{text}");
        assert!(EndpointUrl::read(text, EndpointNetwork::Internet).is_err(), "{text}");
    }
    for (text, here) in [
        ("http://127.0.0.2:9999/", EndpointNetwork::Loopback),
        ("http://localhost:9999/", EndpointNetwork::Loopback),
        ("http://169.254.169.254/", EndpointNetwork::Loopback),
        ("https://127.0.0.2/", EndpointNetwork::Loopback),
        ("http://example.com/", EndpointNetwork::Loopback),
    ] {
        assert!(EndpointUrl::read(text, here).is_err(), "{text}");
    }
}

#[test]
fn an_address_is_public_when_no_registry_says_otherwise() {
    for text in ["1.1.1.1", "114.114.114.114", "168.63.129.15", "192.0.1.1", "223.5.5.5", "2400:3200::1", "2620:fe::fe"]
    {
        assert!(is_public(text.parse::<IpAddr>().unwrap()), "{text}");
    }
    for text in ["100.127.255.255", "192.88.99.1", "240.0.0.1", "::ffff:8.8.8.8", "2001:1ff::", "4000::1"] {
        assert!(!is_public(text.parse::<IpAddr>().unwrap()), "{text}");
    }
}

#[test]
fn ten_attempts_take_three_days_and_each_is_at_most_a_tenth_late() {
    let delays = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    assert_eq!(delays.iter().sum::<i64>(), 75 * 3_600 + 35 * 60 + 5);
    for (made, delay) in (1..).zip(delays) {
        let waits = (0..10_000).map(|chance| next_attempt_at(made, now(), None, chance).unwrap().seconds_since(now()));
        let waits: Vec<i64> = waits.collect();
        assert_eq!(*waits.iter().min().unwrap(), delay);
        assert_eq!(*waits.iter().max().unwrap(), delay + (delay / 10).min(9_999));
    }
    assert_eq!(next_attempt_at(10, now(), None, 0), None);
    assert_eq!(next_attempt_at(0, now(), None, 0), None);
    let patient = next_attempt_at(1, now(), Some(3_600), 0).unwrap();
    assert_eq!(patient.seconds_since(now()), 3_600);
    let sooner = next_attempt_at(5, now(), Some(60), 0).unwrap();
    assert_eq!(sooner.seconds_since(now()), 18_000);
}

#[test]
fn two_hundreds_alone_deliver_and_gone_alone_ends() {
    for status in 100..=599 {
        let verdict = Answer::Status { status, retry_after: Some(i64::MAX) }.verdict();
        match status {
            200..=299 => assert_eq!(verdict, Verdict::Delivered),
            410 => assert_eq!(verdict, Verdict::Gone),
            _ => assert_eq!(
                verdict,
                Verdict::Again { slow_down: [429, 502, 504].contains(&status), after: Some(RETRY_AFTER_SECONDS_MAX) }
            ),
        }
    }
    let none = Answer::Failed(Failure::AddressRefused).verdict();
    assert_eq!(none, Verdict::Again { slow_down: false, after: None });
}

#[test]
fn the_messages_of_a_coupon_count_up_whatever_way_it_is_read() {
    let claimed = coupon();
    let used = redeemed(claimed.clone(), 9);
    let mut undone = used.clone();
    undone.redemptions[0].reversal = Some(Reversal {
        at: now(),
        key: crate::KeyHash([3; 16]),
        fingerprint: crate::Fingerprint([3; 16]),
        reason: "客人退单".parse().unwrap(),
        status: crate::CouponStatus::Active,
        redemptions_before: 1,
    });
    let taken = crate::Coupon { deactivated_at: Some(now()), ..undone.clone() };
    let states = [&claimed, &used, &undone, &taken];
    let between = |before: Option<&crate::Coupon>, after| messages_between(before, after, now(), &ids()).unwrap();
    let mut one_by_one = between(None, &claimed);
    for pair in states.windows(2) {
        one_by_one.extend(between(Some(pair[0]), pair[1]));
    }
    let kinds: Vec<MessageKind> = one_by_one.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, &MessageKind::ALL[..4]);
    let bodies: Vec<serde_json::Value> =
        one_by_one.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect();
    let sequences: Vec<_> = bodies.iter().map(|body| body["data"]["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert_eq!(bodies[1]["data"]["order_no"], "A1");
    // The same names, however the changes came by, and another for each.
    let at_once: BTreeSet<_> = between(None, &taken).into_iter().map(|message| message.id).collect();
    assert_eq!(at_once, one_by_one.iter().map(|message| message.id.clone()).collect());
    assert_eq!(at_once.len(), 4);
    assert!(between(Some(&taken), &taken).is_empty());
}

#[test]
fn a_message_says_nothing_of_the_member() {
    let mut used = redeemed(coupon(), 9);
    used.redemptions[0].cashier = Some("陈小姐".parse().unwrap());
    for message in messages_between(None, &used, now(), &ids()).unwrap() {
        for secret in ["陈小姐", "member", "mem_", "\"code\""] {
            assert!(!message.body.contains(secret), "{}", message.body);
        }
    }
}

#[test]
fn names_of_messages_sort_by_time_and_read_back() {
    let at = |seconds| messages_between(None, &coupon(), now().plus_seconds(seconds), &ids()).unwrap().remove(0).id;
    assert!(at(0) < at(1) && at(31) < at(32) && at(1_023) < at(1_024));
    assert_eq!(at(0).as_str().len(), MESSAGE_ID_BYTES);
    assert_eq!(at(0).as_str().parse(), Ok(at(0)));
    for bad in [
        "",
        "msg_",
        "msg_0",
        &at(0).as_str().to_uppercase(),
        &at(0).as_str().replace("msg_", "evt_"),
        &format!("{}0", at(0)),
    ] {
        assert!(bad.parse::<MessageId>().is_err(), "{bad}");
    }
}

#[test]
fn after_a_rotation_two_secrets_sign_for_a_day_and_after_two_the_oldest_is_gone() {
    let secret = |byte| EndpointSecret { sealed: vec![byte], since_version: 1, until: None };
    let endpoint = Endpoint {
        id: "end_a".parse().unwrap(),
        url: "https://example.com/".to_owned(),
        subscribed: BTreeSet::new(),
        version: 1,
        secrets: vec![secret(1)],
        off: None,
        failing_since: None,
    };
    let signing = |endpoint: &Endpoint, at| endpoint.signing(at).map(|secret| secret.sealed[0]).collect::<Vec<_>>();
    let rotated = endpoint.rotated(vec![2], now());
    assert_eq!(rotated.version, 2);
    assert_eq!(signing(&rotated, now().plus_seconds(ROTATION_SECONDS - 1)), [2, 1]);
    assert_eq!(signing(&rotated, now().plus_seconds(ROTATION_SECONDS)), [2]);
    assert_eq!(signing(&rotated.rotated(vec![3], now()), now()), [3, 2]);
}
