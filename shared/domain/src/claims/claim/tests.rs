use super::*;
use crate::{
    campaign::{CampaignState, tests::campaign},
    eligibility::Eligibility,
};
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn noon() -> Timestamp {
    "2026-11-22T04:00:00Z".parse().unwrap()
}

fn request(key: u8) -> ClaimRequest {
    ClaimRequest {
        member: 7u64.try_into().unwrap(),
        key: KeyHash([key; 16]),
        fingerprint: Fingerprint([0; 16]),
        attributes: MemberAttributes { city: Some("广州".into()), ..MemberAttributes::default() },
        channel: None,
        share: None,
        key_version: 1,
        now: noon(),
    }
}

fn open(limit: u8, day_limit: Option<u8>) -> Campaign {
    let mut campaign = campaign(CampaignState::Published);
    (campaign.terms.per_member_limit, campaign.terms.per_member_day_limit) = (limit, day_limit);
    campaign
}

fn rule(text: &str) -> Rule {
    let explanation = Explanation { zh: "不行".into(), en: "no".into() };
    Eligibility { rule: text.into(), explanations: vec![explanation] }.compile().unwrap()
}

/// A member's coupons, claimed under the keys 0, 1, 2, …, each so many days before noon.
fn mine(campaign: &Campaign, days_ago: &[i64]) -> Vec<Coupon> {
    let coupon = |(number, days): (usize, &i64)| {
        let number = u8::try_from(number).unwrap();
        let asked = ClaimRequest { now: noon().plus_seconds(-days * DAY), ..request(number) };
        Coupon::claimed(campaign, &asked, number.try_into().unwrap(), LeaseId([1; 16]))
    };
    days_ago.iter().enumerate().map(coupon).collect()
}

#[test]
fn what_stands_against_a_claim_is_said_in_the_published_order() {
    let over = Campaign { state: CampaignState::Ended, ..open(1, None) };
    let denies = rule("member.city == '深圳'");
    let had = mine(&over, &[0]);
    // Everything stands against it: each answer is the first of what is left.
    assert_eq!(decide(&over, Some(&denies), &had, &request(0)), ClaimDecision::Replay(&had[0]));
    let other = ClaimRequest { fingerprint: Fingerprint([9; 16]), ..request(0) };
    assert_eq!(decide(&over, Some(&denies), &had, &other), ClaimDecision::KeyReused);
    assert_eq!(decide(&over, Some(&denies), &had, &request(9)), ClaimDecision::Refused(ClaimRefusal::Ended));
    let decision = decide(&open(1, None), Some(&denies), &had, &request(9));
    assert!(matches!(decision, ClaimDecision::NotEligible(failed) if failed.clause == "member.city == '深圳'"));
    let limit = decide(&open(1, None), None, &had, &request(9));
    assert_eq!(limit, ClaimDecision::LimitReached(MemberLimit::InAll));
    assert_eq!(decide(&open(2, None), None, &had, &request(9)), ClaimDecision::Claim(1u8.try_into().unwrap()));
}

#[test]
fn the_limit_of_a_day_counts_the_provinces_day_alone() {
    let campaign = open(9, Some(1));
    let check = |days: &[i64], decision| {
        assert_eq!(decide(&campaign, None, &mine(&campaign, days), &request(99)), decision);
    };
    check(&[1, 2], ClaimDecision::Claim(2u8.try_into().unwrap()));
    check(&[0, 1], ClaimDecision::LimitReached(MemberLimit::PerDay));
    // In all comes before per day.
    check(&[0; 9], ClaimDecision::LimitReached(MemberLimit::InAll));
}

#[test]
fn a_rule_is_asked_about_what_the_member_has_claimed() {
    let campaign = open(9, None);
    let once_a_day = rule("history.claimed_today == 0 && history.claimed < 3 || false");
    for (days, may) in [(&[1, 2][..], true), (&[0], false), (&[1, 2, 3], false)] {
        let had = mine(&campaign, days);
        match decide(&campaign, Some(&once_a_day), &had, &request(99)) {
            ClaimDecision::Claim(_) => assert!(may, "{days:?}"),
            ClaimDecision::NotEligible(_) => assert!(!may, "{days:?}"),
            other => panic!("{days:?}: {other:?}"),
        }
    }
}

#[test]
fn history_is_needed_when_it_can_matter() {
    let (by_city, by_history) = (rule("member.city == '广州'"), rule("history.claimed == 0"));
    assert!(needs_no_history(&open(1, None), None));
    assert!(needs_no_history(&open(1, None), Some(&by_city)));
    assert!(!needs_no_history(&open(1, None), Some(&by_history)));
    assert!(!needs_no_history(&open(2, None), None));
}

proptest! {
    /// Whatever a member has: a claim goes to the ordinal after the last, which is below the limit, and never under a key that was used.
    #[test]
    fn a_claim_takes_the_next_ordinal_below_the_limit(
        limit in 1u8..=64, day_limit in proptest::option::of(1u8..=64),
        days in proptest::collection::vec(0i64..3, 0..70), key in 0u8..80,
    ) {
        let campaign = open(limit, day_limit.map(|day| day.min(limit)));
        let had = mine(&campaign, &days[..days.len().min(64)]);
        let decision = decide(&campaign, None, &had, &request(key));
        let today = had.iter().filter(|coupon| coupon.claimed_at == noon()).count();
        let used = had.get(usize::from(key));
        match decision {
            ClaimDecision::Claim(ordinal) => {
                prop_assert_eq!(usize::from(ordinal.get()), had.len());
                prop_assert!(ordinal.get() < limit && used.is_none());
                prop_assert!(day_limit.is_none_or(|day| today < usize::from(day.min(limit))));
            }
            ClaimDecision::Replay(coupon) => prop_assert_eq!(Some(coupon), used),
            ClaimDecision::LimitReached(MemberLimit::InAll) => prop_assert!(had.len() >= usize::from(limit)),
            ClaimDecision::LimitReached(MemberLimit::PerDay) => {
                prop_assert!(day_limit.is_some_and(|day| today >= usize::from(day.min(limit))));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// What needs no history may be decided without: of a member who has a coupon already, no claim succeeds.
    #[test]
    fn who_has_a_coupon_claims_nothing_where_no_history_is_needed(
        limit in 1u8..=3, reads in proptest::bool::ANY, days in proptest::collection::vec(0i64..3, 1..3),
    ) {
        let campaign = open(limit, None);
        let rule = reads.then(|| rule("history.claimed == 0"));
        let had = mine(&campaign, &days);
        let decision = decide(&campaign, rule.as_ref(), &had, &request(99));
        let succeeds = matches!(decision, ClaimDecision::Claim(_));
        prop_assert!(!(needs_no_history(&campaign, rule.as_ref()) && succeeds));
    }
}
